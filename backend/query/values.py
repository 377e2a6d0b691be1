"""Filter values: from the caller's text to what the column's type compares with. None: the text is no such value."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

Bound: TypeAlias = Decimal | int | bool | str
"""A value as psycopg binds it."""

_DEFAULT_SHAPES = {"date": "0000-00-00", "time": "00:00:00", "datetime": "0000-00-00T00:00:00Z"}
_BEHIND = "~"
_LONGEST_NUMBER = 1_000
_DIGITS = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_NUMBER = re.compile(_DIGITS + "(?:[eE][+-]?[0-9]{1,4})?")
_ANY_NUMBER = re.compile(_DIGITS + "(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,100}))?)?"
_ZONE = r"(?P<zone>[zZ]|(?P<sign>[+\- ])(?P<zone_hour>[0-9]{2}):?(?P<zone_minute>[0-9]{2})?)?"
_MOMENT = re.compile(f"{_DATE}(?:[Tt ]{_TIME}{_ZONE})?")
_TIME_OF_DAY = re.compile(_TIME)
_SHAPE = re.compile(
    r"(?P<date>0000-00-00)?(?P<between>[T ]?)"
    r"(?P<clock>00:00(?P<seconds>:00)?(?:(?P<point>[.,])(?P<fraction>0+))?)?(?P<zone>.*)"
)


def number(text: str) -> Decimal | None:
    """The exact number."""
    return Decimal(text) if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) else None


def is_number(text: str) -> bool:
    """Whether this is a number, of whatever size."""
    return _ANY_NUMBER.fullmatch(text) is not None


def whole(text: str) -> int | None:
    """The whole number, of up to 18 digits."""
    return int(text) if _WHOLE.fullmatch(text) else None


def boolean(text: str) -> bool | None:
    """`true` and `false` in any casing, `1` and `0`."""
    return _BOOLEANS.get(text.lower())


def moment(text: str) -> tuple[datetime, str] | None:
    """An ISO 8601 date or datetime as whole seconds, with a zone where one is given, and the digits of its fraction.

    A space before the zone's hours is a `+` that a query string has swallowed.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    try:
        date = datetime(int(match["year"]), int(match["month"]), int(match["day"]), tzinfo=_zone(match))
        return _at(match, date)
    except ValueError:
        return None


def time_of_day(text: str) -> tuple[datetime, str] | None:
    """A time of day, on some day, and the digits of its fraction."""
    match = _TIME_OF_DAY.fullmatch(text)
    try:
        return _at(match, datetime(1, 1, 1)) if match else None  # noqa: DTZ001
    except ValueError:
        return None


def _at(match: re.Match[str], date: datetime) -> tuple[datetime, str]:
    clock = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    hour, minute, second = clock
    return date.replace(hour=hour, minute=minute, second=second), (match["fraction"] or "").rstrip("0")


def _zone(match: re.Match[str]) -> timezone | None:
    if not match["zone"]:
        return None
    if match["sign"] is None:
        return UTC
    offset = timedelta(hours=int(match["zone_hour"]), minutes=int(match["zone_minute"] or 0))
    return timezone(-offset if match["sign"] == "-" else offset)


class _Shape(Struct, frozen=True):
    """How all values of a column are written (`Column.format`); `digits`: of the fraction of a second."""

    date: bool
    between: str
    clock: bool
    seconds: bool
    point: str
    digits: int
    zone: timezone | None
    suffix: str


@lru_cache(maxsize=256)
def _shape(kind: str, form: str | None) -> _Shape:
    match = _SHAPE.fullmatch(form or _DEFAULT_SHAPES[kind])
    if match is None:
        raise ValueError(f"{form!r} is no shape of a {kind}")
    zone = re.fullmatch(_ZONE, match["zone"])
    return _Shape(
        date=match["date"] is not None,
        between=match["between"],
        clock=match["clock"] is not None,
        seconds=match["seconds"] is not None,
        point=match["point"] or "",
        digits=len(match["fraction"] or ""),
        zone=_zone(zone) if zone else None,
        suffix=match["zone"],
    )


def shaped(kind: str, form: str | None, text: str) -> str | None:
    """A date, datetime or time as the column would write it, so that text order is time order.

    A value without a zone is taken in the column's zone, one with a zone is converted to it (to UTC where the column
    has none). What is finer than the column can say is put directly behind the value that it follows.
    """
    read = time_of_day(text) if kind == "time" else moment(text)
    if read is None:
        return None
    point, fraction = read
    shape = _shape(kind, form)
    if point.tzinfo is not None and shape.clock:
        try:
            point = point.astimezone(shape.zone or UTC)
        except OverflowError:
            return None
    return _written(point, fraction, shape)


def _written(point: datetime, fraction: str, shape: _Shape) -> str:
    finer = fraction[shape.digits :] != ""
    written = f"{point.year:04}-{point.month:02}-{point.day:02}{shape.between}" if shape.date else ""
    if shape.clock:
        written += f"{point.hour:02}:{point.minute:02}"
    else:
        finer = finer or point.hour + point.minute > 0
    if shape.seconds:
        written += f":{point.second:02}"
    else:
        finer = finer or point.second > 0
    if shape.digits:
        written += shape.point + fraction[: shape.digits].ljust(shape.digits, "0")
    return written + shape.suffix + (_BEHIND if finer else "")
