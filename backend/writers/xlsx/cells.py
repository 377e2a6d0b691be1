"""Columns of text → the XML of sheet rows, by polars expressions: no Python per row or cell.

A value becomes a typed cell where such a cell holds it exactly, and else a text cell: numbers of more than 15 digits
that are not the shortest form of a double, dates before 1900-03-01, datetimes with a zone or finer than milliseconds.
Text is an inline string, so it is never a formula. Null is no cell.
"""

from collections.abc import Sequence
from io import BytesIO

import polars as pl
from msgspec import Struct
from xlsxwriter.utility import xl_col_to_name

from backend.schemas.columns import Column, ColumnType
from backend.writers.frames import made, rewritten

_SHORT_NUMBER = r"^-?[0-9.]{1,15}$"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_LONGEST_NUMBER = 300
_DAY_MS = 86_400_000
_EPOCH_SERIAL = 25_569
_FIRST_SERIAL = 61
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(:[0-5][0-9](\.[0-9]{1,3}0*)?)?$"

_CONTROLS = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF]
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"} | {chr(code): f"_x{code:04X}_" for code in _CONTROLS}
_SPECIAL = "[&<>\\x00-\\x08\\x0b-\\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_"
_LITERAL_ESCAPE = "_(x[0-9A-Fa-f]{4})"


class _Group(Struct, frozen=True):
    """What columns have in common whose cells are made alike."""

    type: ColumnType
    format: str | None
    style: int


def rows_xml(frame: pl.DataFrame, columns: Sequence[Column], styles: Sequence[int], first: int) -> memoryview:
    """The `<row>` elements of these records, the first of them in sheet row `first` (from 1).

    `frame`: `String` columns named by position. `styles`: for each column the index of its cell format.
    """
    groups = [_Group(column.type, column.format, style) for column, style in zip(columns, styles, strict=True)]
    rows = pl.int_range(first, first + frame.height, dtype=pl.UInt32, eager=True).cast(pl.String)

    def cells(text: pl.Series, group: _Group, positions: list[int]) -> pl.Series:
        letters = pl.lit(pl.Series([f'<c r="{xl_col_to_name(position)}' for position in positions]))
        number = pl.int_range(len(text), dtype=pl.UInt32)
        row = pl.lit(rows).gather(number % frame.height).alias("row")
        places = pl.select(letters.gather(number // frame.height).alias("letters"), row)
        return _cells(text, places, group)

    opening = pl.concat_str(pl.lit('<row r="'), pl.lit(rows), pl.lit('">')).alias("opening")
    out = BytesIO()
    made(frame, groups, cells).select(opening, pl.all(), closing=pl.lit("</row>")).write_csv(
        out, include_header=False, separator=" ", quote_style="never"
    )
    return out.getbuffer()


def _cells(text: pl.Series, places: pl.DataFrame, group: _Group) -> pl.Series:
    """The `<c>` elements; null where there is no value. `places`: each cell's `letters` and `row`."""
    if group.type in {"text", "json"}:
        return places.select(_text_cell(_escaped(text))).to_series()
    value = text.to_frame("text").select(_value(pl.col("text"), group)).to_series()
    if value.null_count() > text.null_count() and group.type in {"integer", "number"}:
        value = text.to_frame("text").select(_long_number(pl.col("text"))).to_series()
    attributes = (f' s="{group.style}"' if group.style else "") + (' t="b"' if group.type == "boolean" else "")
    cell = pl.concat_str("letters", "row", pl.lit(f'"{attributes}><v>'), pl.lit(value), pl.lit("</v></c>"))
    if value.null_count() > text.null_count():
        cell = pl.coalesce(cell, _text_cell(_escaped(text)))
    return places.select(cell).to_series()


def _text_cell(escaped: pl.Series) -> pl.Expr:
    tag = '" t="inlineStr"><is><t xml:space="preserve">'
    return pl.concat_str("letters", "row", pl.lit(tag), pl.lit(escaped), pl.lit("</t></is></c>"))


def _escaped(text: pl.Series) -> pl.Series:
    def escape(special: pl.Expr) -> pl.Expr:
        return special.str.replace_all(_LITERAL_ESCAPE, "_x005F_${1}").str.replace_many(_XML)

    return rewritten(text, text.str.contains(_SPECIAL), escape)


def _value(text: pl.Expr, group: _Group) -> pl.Expr:
    """What stands in `<v>`; null where the value needs a text cell."""
    shape = group.format or ""
    match group.type:
        case "integer" | "number":
            return pl.when(text.str.contains(_SHORT_NUMBER)).then(text)
        case "boolean":
            return pl.when(text.is_not_null()).then(
                text.str.slice(0, 1).is_in(["t", "T"]).cast(pl.Int8).cast(pl.String)
            )
        case "date":
            days = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32) + _EPOCH_SERIAL
            return pl.when(text.str.contains(_DATE + "$"), days >= _FIRST_SERIAL).then(days.cast(pl.String))
        case "datetime":
            serial = _days(text, "%Y-%m-%d" + (" " if shape[10:11] == " " else "T"), shape[11:]) + _EPOCH_SERIAL
            proper = text.str.contains(_DATE + "[T ]" + _TIME)
            return pl.when(proper, serial >= _FIRST_SERIAL).then(serial.cast(pl.String))
        case "time":
            days = _days(pl.lit("1970-01-01T") + text, "%Y-%m-%dT", shape)
            return pl.when(text.str.contains("^" + _TIME)).then(days.cast(pl.String))
        case _:
            return pl.when(False).then(text)


def _days(text: pl.Expr, date_format: str, time_shape: str) -> pl.Expr:
    """Days since 1970-01-01, with their fraction."""
    time_format = {"00:00": "%H:%M", "00:00:00": "%H:%M:%S"}.get(time_shape, "%H:%M:%S%.f")
    moment = text.str.to_datetime(date_format + time_format, time_unit="ms", strict=False)
    return moment.cast(pl.Int64) / _DAY_MS


def _long_number(text: pl.Expr) -> pl.Expr:
    """The numbers that a double holds: up to 15 significant digits, or with a fraction the shortest form of one."""
    digits = text.str.replace(r"^-?[0.]*", "").str.replace(".", "", literal=True).str.len_bytes()
    shortest = text.str.contains(".", literal=True) & (text.cast(pl.Float64, strict=False).cast(pl.String) == text)
    exact = (digits <= 15) | shortest
    return pl.when(text.str.contains(_NUMBER), text.str.len_bytes() <= _LONGEST_NUMBER, exact).then(text)
