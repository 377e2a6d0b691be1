"""What is known of one column after some of its batches: the reading that still holds, and what was seen."""

from collections import Counter
from decimal import Decimal
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from backend.inference.batch import Kind
from backend.inference.hints import Hints
from backend.inference.lattice import (
    CLASSES,
    DIGITS_AFTER,
    JSON,
    TEXT,
    Reading,
    anchored,
    any_typed,
    number_core,
    pattern,
    read,
    roomy,
    shape,
)
from backend.inference.plan import JSON_CLASS, ColumnPlan
from backend.inference.sketch import Distinct, Hashes
from backend.schemas.columns import ColumnType

SHOWN_CELLS = 3
"""Cells kept as examples for each refused type."""
FEW = 100
"""So few values are faster looked at one by one than by polars."""

DAYS_AND_TIMES: tuple[ColumnType, ...] = ("date", "datetime", "time")
KIND_TYPES: dict[int, tuple[ColumnType, ...]] = {
    Kind.NUMBER: ("integer", "number"),
    Kind.BOOLEAN: ("boolean",),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("datetime",),
    Kind.TIME: ("time",),
    Kind.JSON: ("json",),
    Kind.STRING: DAYS_AND_TIMES,
}
"""The types that cells of known kinds may make, the widest last; cells of other kinds are text."""
UNTYPED = (None, TEXT, JSON)
"""Readings that no value can end."""

NUMERIC = frozenset({"integer", "number"})
_CLOCKS: tuple[ColumnType, ...] = ("datetime", "time")


Codes: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
"""Kinds of cells."""


class Cell(NamedTuple):
    """A value and the line or sheet row where a person finds it."""

    row: int
    value: str


class ColumnState:
    """What is known of one column so far. Batches come in file order; those without any value here are left out.

    `reading` is None until a value is met, `days` the told date pattern while every value fits it. `first` holds the
    first cells with a value, `broke` the first cells that ended a reading that had held until then, `formats` the
    formats of these readings. `kind` is what the file says of the first cell, `mixed` that others are of another.
    """

    def __init__(self, *, comma: bool, days: str | None, forced: ColumnType | None) -> None:
        self.comma = comma
        self.days = days
        self.forced = forced
        self.kind: int | None = None
        self.reading: Reading | None = None
        self.values = 0
        self.counts: Counter[str] = Counter()
        self.distinct = Distinct()
        self.longest = 0
        self.text_range: tuple[str, str] | None = None
        self.day_range: tuple[str, str] | None = None
        self.number_range: tuple[str, str] | None = None
        self.hints = Hints()
        self.shapes: set[str | None] = set()
        self.mixed = False
        self.formats: dict[str, str | None] = {}
        self.first: list[Cell] = []
        self.broke: dict[ColumnType, list[Cell]] = {}

    def begin(self, values: pl.Series, rows: pl.Series, kind: int | None) -> None:
        """Take the first guess, from the first value and what the file says that it is."""
        self.first = _first_cells(values, rows)
        guess = read(self.first[0].value, decimal_comma=self.comma)
        if self.forced:
            self.reading = guess if guess.type == self.forced else Reading(self.forced)
            return
        self.kind = kind
        self.reading = TEXT if kind is not None and guess.type not in KIND_TYPES.get(kind, ()) else guess
        if kind == Kind.JSON:
            self.reading = JSON

    def measure(self, values: pl.Series, hashes: Hashes, valid: int) -> None:
        """Take in what does not depend on the type."""
        self.values += valid
        self.distinct.add(hashes)
        self.text_range = _wider(self.text_range, str(values.min()), str(values.max()))

    @property
    def pattern(self) -> str | None:
        """What the values of the next batch are to be tested with; None: with nothing."""
        if self.forced and self.forced != "boolean":
            return None
        if self.reading in UNTYPED or self.reading is None:
            return None if self.kind is not None else any_typed(decimal_comma=self.comma)
        return pattern(self.reading, decimal_comma=self.comma)

    def meet(self, values: pl.Series, fits: pl.Series, hits: int, rows: pl.Series, valid: int) -> None:
        """Take in which values match `pattern`, and how many; widen the reading where some do not."""
        reading = self.reading or TEXT
        if reading.type in NUMERIC and self.longest > DIGITS_AFTER:
            fits = fits & roomy(values)
            hits = int(fits.sum())
        if self.forced:
            self.counts[self.forced] += valid
            self.reading = reading if hits == valid else Reading(self.forced)
        elif reading == TEXT:
            self.counts["text"] += valid - hits
            if hits:
                self._count(values.filter(fits))
            if self.hints.alive and hits < valid:
                self.hints.meet(values.filter(~fits) if hits else values)
        elif hits < valid:
            self._widen(reading, values, fits, rows)
        elif reading.type not in NUMERIC:
            self.counts[reading.type] += valid

    def _widen(self, reading: Reading, values: pl.Series, fits: pl.Series, rows: pl.Series) -> None:
        self._break(reading, values, rows, ~fits)
        if reading.type == "integer":
            wider = Reading("number")
            fits = values.str.contains(pattern(wider, decimal_comma=self.comma))
            if self.longest > DIGITS_AFTER:
                fits = fits & roomy(values)
            if fits.sum() + values.null_count() == len(values):
                self.reading = wider
                return
            self._break(wider, values, rows, ~fits)
        self.reading = TEXT
        self._count(values)
        if self.kind == Kind.STRING:
            for name in ("integer", "number", "boolean"):
                self.counts["text"] += self.counts.pop(name, 0)
        self.hints.meet(values.filter(~values.str.contains(any_typed(decimal_comma=self.comma))))

    def _break(self, reading: Reading, values: pl.Series, rows: pl.Series, where: pl.Series) -> None:
        self.broke[reading.type] = cells(values, rows, where)
        if reading.type in _CLOCKS:
            self.shapes.add(reading.format)
        self.formats[reading.type] = reading.format

    def meet_kinds(self, values: pl.Series, codes: Codes, rows: pl.Series, wide: Reading) -> None:
        """Take in what the file says its cells are (`EMPTY` for nulls); a column of two kinds is `wide`."""
        reading = self.reading or TEXT
        tally = np.bincount(codes, minlength=len(Kind)).tolist()
        if tally[self.kind or 0] + tally[Kind.EMPTY] < len(values):
            if reading not in UNTYPED:
                self._break(reading, values, rows, pl.Series((codes != self.kind) & (codes != Kind.EMPTY)))
            self.reading = wide
            self.mixed = True
        if self.reading in UNTYPED:
            self._count_kinds(values, codes, tally)

    def _count_kinds(self, values: pl.Series, codes: Codes, tally: list[int]) -> None:
        for kind in KIND_TYPES.keys() | {Kind.TEXT}:
            if kind == Kind.NUMBER and tally[kind]:
                self._count(values.filter(pl.Series(codes == kind)))
            elif tally[kind]:
                self.counts["text" if kind == Kind.STRING else KIND_TYPES.get(kind, ("text",))[-1]] += tally[kind]
        texts = Kind.STRING if tally[Kind.STRING] else Kind.TEXT
        if tally[texts] and self.hints.alive:
            self.hints.meet(values if tally[texts] == len(values) else values.filter(pl.Series(codes == texts)))

    def _count(self, values: pl.Series) -> None:
        """Count values by the type that each would have alone; nulls do not count."""
        if len(values) <= FEW:
            readings = [read(value, decimal_comma=self.comma) for value in values.to_list() if value is not None]
            self.counts.update(reading.type for reading in readings)
            self.shapes.update(reading.format for reading in readings if reading.type in _CLOCKS)
            return
        hits = {"number": int(values.str.contains(anchored(number_core(decimal_comma=self.comma))).sum())}
        hits |= {
            name: int(values.str.contains(anchored(core)).sum()) for name, core in CLASSES.items() if name != "number"
        }
        hits["number"] -= hits["integer"]
        for name in _CLOCKS:
            if hits[name]:
                digits = values.filter(values.str.contains(anchored(CLASSES[name]))).str.replace_all("[0-9]", "0")
                self.shapes.update(map(shape, digits.unique()))
        hits["text"] = len(values) - values.null_count() - sum(hits.values())
        self.counts.update(hits)

    def meet_days(self, iso: pl.Series, valid: int) -> None:
        """Take in the values as dates of the told pattern (null where one is none)."""
        if len(iso) - iso.null_count() < valid:
            self.days = None
        else:
            self.day_range = _wider(self.day_range, str(iso.min()), str(iso.max()))

    def meet_numbers(self, values: pl.Series, floats: pl.Series, low: float, high: float) -> None:
        """Take in numbers, with their floats and these floats' range.

        Floats only pre-select: rounding keeps order, so the least value is among those whose float is least, and
        these are compared as decimals.
        """
        known = self.number_range or ("Infinity", "-Infinity")
        if low <= float(_exact(known[0])[0]):
            known = min([known[0], *_different(values.filter(floats == low))], key=_exact), known[1]
        if high >= float(_exact(known[1])[0]):
            known = known[0], max([known[1], *_different(values.filter(floats == high))], key=_exact)
        self.number_range = known

    def meet_whole(self, values: pl.Series, whole: pl.Series, hits: int, valid: int) -> None:
        """Count integers and other numbers; `whole`: those whose float is, and how many: no others are integers."""
        integers = valid if self.reading == Reading("integer") else 0
        if hits and not integers:
            integers = int(values.filter(whole).str.contains(anchored(CLASSES["integer"])).sum())
        self.counts.update(integer=integers, number=valid - integers)

    def plan(self) -> ColumnPlan:
        form = self.reading.format if self.reading else None
        if self.forced:
            return ColumnPlan(self.forced, form, JSON_CLASS.get(self.forced, "string"), forced=True)
        if self.reading is None:
            return ColumnPlan("text", None, "none")
        if self.days:
            return ColumnPlan("date", "0000-00-00", "string", self.days)
        kind = self.reading.type
        comma = "comma" if self.comma and kind == "number" else None
        return ColumnPlan(kind, form, JSON_CLASS.get(kind, "string"), comma)


def cells(values: pl.Series, rows: pl.Series, where: pl.Series) -> list[Cell]:
    """The first few cells at which the mask is true."""
    if len(values) <= FEW:
        every = zip(rows.to_list(), values.to_list(), where.to_list(), strict=True)
        return [Cell(row, value) for row, value, wanted in every if wanted][:SHOWN_CELLS]
    at = where.fill_null(value=False).arg_true().head(SHOWN_CELLS)
    return [Cell(row, value) for row, value in zip(rows.gather(at), values.gather(at), strict=True)]


def _first_cells(values: pl.Series, rows: pl.Series) -> list[Cell]:
    head = zip(rows.head(SHOWN_CELLS).to_list(), values.head(SHOWN_CELLS).to_list(), strict=True)
    found = [Cell(row, value) for row, value in head if value is not None]
    return found if len(found) == SHOWN_CELLS else cells(values, rows, values.is_not_null())


def _exact(value: str) -> tuple[Decimal, str]:
    return Decimal(value.replace(",", ".")), value


def _different(values: pl.Series) -> set[str]:
    return set((values.unique() if len(values) > 500 else values).to_list())


def _wider(known: tuple[str, str] | None, low: str, high: str) -> tuple[str, str]:
    return (min(known[0], low), max(known[1], high)) if known else (low, high)
