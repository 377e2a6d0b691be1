"""Dates in a format that the caller tells (`DD.MM.YYYY`, `%d.%m.%Y`)."""

import re

import polars as pl

from backend.errors import Invalid

_WORDS = (
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("M", "%m"),
    ("D", "%d"),
)
_PARTS = {
    "%Y": "[0-9]{4}",
    "%y": "[0-9]{2}",
    "%m": "[0-9]{1,2}",
    "%d": "[0-9]{1,2}",
    "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}",
}


def strptime_pattern(date_format: str) -> str:
    """The strptime pattern meant by a `date_format`; 422 if that does not name one day, one month and one year."""
    wanted, foreign = date_format, False
    if "%" not in wanted:
        letters = re.compile("|".join(word for word, _ in _WORDS), re.IGNORECASE)
        foreign = re.search("[A-Za-z]", letters.sub("", wanted)) is not None
        wanted = letters.sub(lambda match: dict(_WORDS)[match[0].upper()], wanted)
    parts = re.findall("%.", wanted)
    named = sorted(part[1].lower() for part in parts)
    if foreign or named not in (["d", "m", "y"], ["b", "d", "y"]) or not set(parts) <= _PARTS.keys():
        raise Invalid(
            f"date_format {date_format!r} must name a day, a month and a year once each (DD.MM.YYYY, %d.%m.%Y)."
        )
    return wanted


def to_iso(column: pl.Series, strptime: str) -> pl.Series:
    """Each value as `YYYY-MM-DD`; null where it is no real date of that pattern."""
    core = "".join(_PARTS.get(part, re.escape(part)) for part in re.split("(%.)", strptime))
    shaped = pl.col(column.name).str.contains(f"^(?:{core})$")
    day = pl.when(shaped).then(pl.col(column.name)).str.to_date(strptime, strict=False)
    in_range = day.dt.year() >= 1
    return (
        column.to_frame().select(pl.when(in_range).then(day).dt.to_string("%Y-%m-%d")).to_series().rename(column.name)
    )
