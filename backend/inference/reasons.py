"""In words: why a value is not of a stricter type."""

import re

from backend.inference.lattice import CLASSES, shape, storable
from backend.schemas.columns import ColumnType

_TYPES = {name: re.compile(core) for name, core in CLASSES.items()}
_NUMBERS = (
    (re.compile(r"-?0[0-9]+(?:\.[0-9]+)?"), "leading zero"),
    (re.compile(r"-0(?:\.0+)?"), "negative zero"),
    (re.compile(r"\+[0-9].*"), "plus sign"),
    (re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+"), "exponent"),
    (re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?"), "thousands separators"),
    (re.compile(r"-?[0-9]+,[0-9]+"), "decimal comma"),
    (re.compile(r"-?\.[0-9]+"), "no digit before the point"),
    (re.compile(r"-?[0-9]+\."), "no digit after the point"),
    (re.compile(r"[+-]?[0-9.,]+ ?%"), "percent sign"),
    (re.compile(r"[^0-9A-Za-z\s]? ?-?[0-9][0-9.,]* ?(?:[^0-9A-Za-z\s]|[A-Z]{3})?"), "currency or other sign"),
)
_WORDS = frozenset({"yes", "no", "y", "n", "t", "f", "on", "off", "1", "0"})
_OTHER_DATE = re.compile("[0-9]{1,4}([./-])[0-9]{1,2}[./-][0-9]{1,4}")
_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_MOMENT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")
_CLOCK = re.compile("[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?.*")


def reason(wanted: ColumnType, value: str, form: str | None) -> str | None:
    """Why `value` refuses the type `wanted` of the format `form`; None if there is nothing special to say."""
    if value == "" or wanted not in _TYPES:
        return "empty text" if value == "" else None
    if _TYPES[wanted].fullmatch(value):
        return _spelling(wanted, value, form)
    if _TYPES[wanted].fullmatch(value.strip()):
        return "white space around"
    if wanted in {"integer", "number"}:
        decimal = wanted == "integer" and _TYPES["number"].fullmatch(value)
        return "decimal point" if decimal else next((words for like, words in _NUMBERS if like.fullmatch(value)), None)
    return _word(value) if wanted == "boolean" else _day_or_time(wanted, value)


def general(wanted: ColumnType) -> str:
    return "not true or false" if wanted == "boolean" else f"not {'an' if wanted == 'integer' else 'a'} {wanted}"


def _spelling(wanted: ColumnType, value: str, form: str | None) -> str | None:
    if wanted in {"integer", "number"}:
        return None if storable(value) else "more digits than a number can hold"
    if wanted == "boolean":
        return "another casing than the cells before"
    return f"another format than {form}" if wanted != "date" and shape(value) != form else None


def _word(value: str) -> str | None:
    if value.lower() in {"true", "false"}:
        return "another casing than the cells before"
    return "another word than true or false" if value.lower() in _WORDS else None


def _day_or_time(wanted: ColumnType, value: str) -> str | None:
    if wanted == "date":
        if _ISO_DATE.fullmatch(value):
            return "no such day"
        if _OTHER_DATE.fullmatch(value):
            return "not written as YYYY-MM-DD"
        return "a time follows" if _ISO_MOMENT.fullmatch(value) else None
    if wanted == "datetime":
        if _ISO_MOMENT.fullmatch(value):
            return "no such day, time or zone"
        return "no time of day" if _TYPES["date"].fullmatch(value) else None
    return "no such time of day" if _CLOCK.fullmatch(value) else None
