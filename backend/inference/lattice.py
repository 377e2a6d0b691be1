"""The types that text may have, and what each accepts.

Every type is a regular language, so one anchored pattern answers for polars and for Python alike: a value is of a
type exactly if the pattern matches, and then its own text is what the type gives back.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from backend.schemas.columns import ColumnType

INTEGER = "0|-?[1-9][0-9]*"
NUMBER = r"(?:0|-?[1-9][0-9]*)(?:\.[0-9]+)?|-0\.[0-9]*[1-9][0-9]*"
BOOLEANS = {"true": ("true", "false"), "True": ("True", "False"), "TRUE": ("TRUE", "FALSE")}
BOOLEAN = "|".join(word for words in BOOLEANS.values() for word in words)
YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
DAY = (
    f"(?:{YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{LEAP_YEAR}-02-29)"
)
MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
CLOCK = rf"{MINUTE}(?::[0-5][0-9](?:\.[0-9]+)?)?"
ZONE = "Z|[+-](?:0[0-9]|1[0-5]):?[0-5][0-9]"
MOMENT = f"{DAY}[T ]{CLOCK}(?:{ZONE})?"

DIGITS_BEFORE = 131_072
"""Digits before the point that a jsonb number can hold."""
DIGITS_AFTER = 16_383
"""Digits after the point that a jsonb number can hold."""

CLASSES: dict[ColumnType, str] = {
    "integer": INTEGER,
    "number": NUMBER,
    "boolean": BOOLEAN,
    "date": DAY,
    "datetime": MOMENT,
    "time": CLOCK,
}
"""What each type accepts at all, before one spelling is settled for a column."""

_SHAPE = re.compile(
    r"(?P<date>0000-00-00)?(?P<between>[T ]?)(?:00:00(?P<seconds>:00)?(?:\.(?P<fraction>0+))?)?(?P<zone>.*)"
)
_FULL = {name: re.compile(core) for name, core in CLASSES.items()}


class Reading(NamedTuple):
    """A type with the one spelling that all values of a column share (`Column.format`)."""

    type: ColumnType
    format: str | None = None


TEXT = Reading("text")
JSON = Reading("json")


def anchored(core: str) -> str:
    return f"^(?:{core})$"


def any_typed(*, decimal_comma: bool) -> str:
    """A pattern for every value that is of some type other than text."""
    return anchored(
        "|".join(
            number_core(decimal_comma=decimal_comma) if name == "number" else core for name, core in CLASSES.items()
        )
    )


def number_core(*, decimal_comma: bool) -> str:
    return NUMBER.replace(r"\.", ",") if decimal_comma else NUMBER


@lru_cache(maxsize=4096)
def pattern(reading: Reading, *, decimal_comma: bool = False) -> str:
    """The anchored pattern of the values that a column read so may hold."""
    if reading.type == "boolean":
        return anchored("|".join(BOOLEANS[reading.format or "true"]))
    if reading.type == "number":
        return anchored(number_core(decimal_comma=decimal_comma))
    if reading.format and reading.type in {"datetime", "time"}:
        return anchored(_shaped(reading.format))
    return anchored(CLASSES[reading.type])


def read(value: str, *, decimal_comma: bool = False) -> Reading:
    """The strictest reading of one value."""
    if _FULL["integer"].fullmatch(value):
        return Reading("integer") if len(value) <= DIGITS_BEFORE else TEXT
    if re.fullmatch(number_core(decimal_comma=decimal_comma), value):
        return Reading("number") if storable(value) else TEXT
    if _FULL["boolean"].fullmatch(value):
        return Reading("boolean", _casing(value))
    for name in ("date", "datetime", "time"):
        if _FULL[name].fullmatch(value):
            return Reading(name, shape(value))
    return TEXT


def accepts(wanted: ColumnType, value: str) -> bool:
    """Whether a value alone could be of a type (other than text and json)."""
    return bool(_FULL[wanted].fullmatch(value)) and (wanted not in {"integer", "number"} or storable(value))


def shape(value: str) -> str:
    """A date, datetime or time with its digits as `0` and its zone as written."""
    clock = value.find(":")
    zone = re.search("[Z+-]", value[clock:]) if clock >= 0 else None
    end = clock + zone.start() if zone else len(value)
    return re.sub("[0-9]", "0", value[:end]) + value[end:]


def storable(value: str) -> bool:
    """Whether a jsonb number has room for the digits of this number (sign, digits, point or comma, digits)."""
    whole, _, fraction = value.replace(",", ".").partition(".")
    return len(whole.lstrip("-")) <= DIGITS_BEFORE and len(fraction) <= DIGITS_AFTER


def roomy(values: pl.Series) -> pl.Series:
    """Which numbers fit into a jsonb number; only the very long ones are looked at one by one."""
    bad = [at for at in (values.str.len_bytes() > DIGITS_AFTER).arg_true() if not storable(values[at])]
    return pl.repeat(value=True, n=len(values), eager=True).scatter(bad, values=False)


def _casing(value: str) -> str | None:
    form = next(name for name, words in BOOLEANS.items() if value in words)
    return None if form == "true" else form


def _shaped(form: str) -> str:
    parts = _SHAPE.fullmatch(form)
    if parts is None:
        raise ValueError(form)
    seconds = ":[0-5][0-9]" if parts["seconds"] else ""
    fraction = rf"\.[0-9]{{{len(parts['fraction'])}}}" if parts["fraction"] else ""
    return f"{DAY if parts['date'] else ''}{parts['between']}{MINUTE}{seconds}{fraction}{re.escape(parts['zone'])}"
