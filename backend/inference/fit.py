"""Cells for a column that is there already: they go in as they are, or not at all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import polars as pl

from backend.inference.convert import Conversion, only
from backend.inference.dates import to_iso
from backend.inference.lattice import CLASSES, DIGITS_AFTER, Reading, anchored, pattern, roomy
from backend.query.values import shaped
from backend.schemas.columns import Column

_ZONED = re.compile(r":.*[Zz+-]")


class Fit:
    """Texts of a file as a column of a dataset stores them: nothing of a value may be lost or added.

    Differently written but the same: a decimal comma and a date by a told pattern, a moment in another shape, the
    casing of a boolean.
    """

    def __init__(self, column: Column, *, days: str | None, comma: bool) -> None:
        self._column = column
        self._days = days if column.type == "date" else None
        self._comma = comma and column.type in {"integer", "number"}
        self._pattern = "" if column.type in {"text", "json"} else _pattern(column)
        self._json = Conversion("json", days=None, comma=False)

    @property
    def plain(self) -> str | None:
        """What a value matches that needs no change; None where that cannot be said of one alone."""
        return None if self._comma or self._column.type == "json" else self._pattern

    def __call__(self, values: pl.Series) -> pl.Series:
        """The values as text of the column's type, null where one does not fit."""
        kind = self._column.type
        if kind == "text":
            return values
        if kind == "json":
            return self._json(values)
        if self._comma:
            values = only(values, ~values.str.contains(".", literal=True)).str.replace(",", ".", literal=True)
        fits = values.str.contains(self._pattern)
        if kind in {"integer", "number"}:
            return only(values, fits & roomy(values))
        if fits.all() or kind == "boolean":
            return only(values, fits)
        return values.zip_with(fits.fill_null(value=True), self._mended(values.filter(~fits), values, fits))

    def _mended(self, strange: pl.Series, values: pl.Series, fits: pl.Series) -> pl.Series:
        """The values that do not have the column's shape in it, each different one looked at once."""
        different = strange.unique()
        if self._days is not None:
            mended = to_iso(different, self._days)
        elif self._column.type == "date":
            return only(values, fits)
        else:
            mended = pl.Series([self._shaped(value) for value in different.to_list()], dtype=pl.String)
        return values.replace_strict(different, mended, default=None, return_dtype=pl.String)

    def _shaped(self, value: str) -> str | None:
        """A moment in the column's shape; one with a zone and one without are never the same."""
        form = self._column.format or shaped_as_default(self._column)
        if not re.fullmatch(CLASSES[self._column.type], value) or bool(_ZONED.search(value)) != bool(
            _ZONED.search(form)
        ):
            return None
        written = shaped(self._column.type, self._column.format, value)
        return None if written is None or written.endswith("~") else written


def all_match(frame: pl.DataFrame, patterns: Mapping[int, str]) -> set[int]:
    """The columns, by position, whose values match their patterns all, none of them very long."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for at, wanted in patterns.items():
        if wanted:
            groups[wanted].append(str(at))
    fits = [pl.col(columns).str.contains(wanted).all() for wanted, columns in groups.items()]
    longest = [pl.col(columns).str.len_bytes().max().fill_null(0) for columns in groups.values()]
    matching, sizes = (frame.select(each).row(0, named=True) if groups else {} for each in (fits, longest))
    good = {name for name, every in matching.items() if every and sizes[name] <= DIGITS_AFTER}
    return {at for at, wanted in patterns.items() if not wanted or str(at) in good}


def shaped_as_default(column: Column) -> str:
    """The shape of a column that has none of its own yet."""
    return "00:00:00" if column.type == "time" else "0000-00-00T00:00:00Z"


def _pattern(column: Column) -> str:
    if column.type in {"datetime", "time"}:
        return pattern(Reading(column.type, column.format or shaped_as_default(column)))
    return anchored(CLASSES[column.type])
