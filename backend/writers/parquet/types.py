"""Which Parquet type holds all values of a column exactly, and how their texts become it."""

import re
from datetime import timedelta
from typing import Literal

import polars as pl
from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import Digits, Extent, Span

_INT64 = 2**63 - 1
_SHORT, _LONG = 18, 38
"""Digits of decimals that take 8 bytes, and 16."""
_DEFAULT_SHAPE = "0000-00-00T00:00:00Z"
_SHAPE = re.compile(r"0000-00-00(?P<between>[T ])00:00(?P<seconds>:00)?(?:\.(?P<digits>0{1,9}))?(?P<zone>|Z|[+-].*)")
_TIME_SHAPE = re.compile(r"00:00(?P<seconds>:00)?(?P<digits>\.0{1,9})?")
_ZONE = re.compile("(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})")
_FIRST_NS, _BEHIND_NS = "1677-09-22", "2262-04-11"
_FIRST_MOVABLE, _BEHIND_MOVABLE = "0001-01-02", "9999-12-31"


class Moment(Struct, frozen=True):
    """How datetimes are written: `pattern` for what stands before their zone, of `length` characters.

    `offset`: minutes that their zone is east of UTC; None without a zone.
    """

    pattern: str
    length: int
    unit: Literal["ms", "us", "ns"]
    offset: int | None


class Clock(Struct, frozen=True):
    """How times of day are written."""

    pattern: str


Recipe = type[pl.DataType] | pl.DataType | Moment | Clock
"""A polars type that text is cast to, or how datetimes and times are read."""


_PLAIN = {"boolean": pl.Boolean, "date": pl.Date}


def recipe(column: Column, extent: Extent | None) -> Recipe:
    """What holds the values of a column of this `extent` (None: it has no value, or none is needed)."""
    match column.type:
        case "integer":
            return _integer(extent)
        case "number":
            return _decimal(extent)
        case "datetime":
            return _moment(column.format or _DEFAULT_SHAPE, extent) or pl.String
        case "time":
            return _clock(column.format or "00:00:00") or pl.String
        case _:
            return _PLAIN.get(column.type, pl.String)


def needs_extent(column: Column) -> bool:
    """Whether the type depends on which values there are."""
    if column.type != "datetime":
        return column.type in {"integer", "number"}
    how = _moment(column.format or _DEFAULT_SHAPE, None)
    return how is not None and (how.unit == "ns" or bool(how.offset))


def _integer(extent: Extent | None) -> Recipe:
    if isinstance(extent, Digits) and extent.largest > _INT64:
        return _decimal(extent)
    return pl.Int64


def _decimal(extent: Extent | None) -> Recipe:
    if not isinstance(extent, Digits):
        return pl.Decimal(_SHORT, 0)
    digits = extent.whole + extent.fraction
    return pl.String if digits > _LONG else pl.Decimal(_SHORT if digits <= _SHORT else _LONG, extent.fraction)


def _moment(shape: str, extent: Extent | None) -> Moment | None:
    parts = _SHAPE.fullmatch(shape)
    if parts is None:
        return None
    digits = len(parts["digits"] or "")
    unit: Literal["ms", "us", "ns"] = "ms" if digits <= 3 else "us" if digits <= 6 else "ns"
    offset = _offset(parts["zone"])
    if isinstance(extent, Span):
        if unit == "ns" and not _FIRST_NS <= extent.first <= extent.last < _BEHIND_NS:
            return None
        if offset and not _FIRST_MOVABLE <= extent.first <= extent.last < _BEHIND_MOVABLE:
            return None
    seconds = ":%S" if parts["seconds"] else ""
    pattern = f"%Y-%m-%d{parts['between']}%H:%M{seconds}{'%.f' if digits else ''}"
    return Moment(pattern, len(shape) - len(parts["zone"]), unit, offset)


def _clock(shape: str) -> Clock | None:
    parts = _TIME_SHAPE.fullmatch(shape)
    return parts and Clock(f"%H:%M{':%S' if parts['seconds'] else ''}{'%.f' if parts['digits'] else ''}")


def _offset(zone: str) -> int | None:
    """Minutes east of UTC."""
    if (parts := _ZONE.fullmatch(zone)) is None:
        return 0 if zone else None
    minutes = int(parts["hours"]) * 60 + int(parts["minutes"])
    return -minutes if parts["sign"] == "-" else minutes


def typed(text: pl.Series, how: Recipe, _: list[int] | None = None) -> pl.Series:
    """The values of these texts. Raises `PolarsError` for a text that is no such value."""
    if isinstance(how, Moment):
        return _datetimes(text, how)
    if isinstance(how, Clock):
        return text.str.to_time(how.pattern)
    if how == pl.Boolean:
        return text.str.to_lowercase() == "true"
    if how == pl.Date:
        return text.str.to_date("%Y-%m-%d")
    return text if how == pl.String else text.cast(how)


def _datetimes(text: pl.Series, how: Moment) -> pl.Series:
    moments = text.str.slice(0, how.length).str.to_datetime(how.pattern, time_unit=how.unit)
    if how.offset is None:
        return moments
    east = pl.Series([timedelta(minutes=how.offset)], dtype=pl.Duration(how.unit))
    return (moments - east).dt.replace_time_zone("UTC")
