"""Stored values of some columns brought to other types, by the code that reads told types of a file."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from backend.inference.batch import Batch
from backend.inference.encode import encode
from backend.inference.infer import Inference
from backend.inference.plan import JSON_CLASS
from backend.schemas.columns import Column, ColumnType
from backend.schemas.imports import Evidence, ImportOptions, ReadWarning, Warnings

SHOWN_CELLS = 20
"""Bad cells kept for each column."""

Texts = Sequence[str | None]


class TypeChange(Struct, frozen=True):
    """What becomes of a column: as it is (`before`), its new type, and how its values are to be read."""

    before: Column
    type: ColumnType
    null_values: tuple[str, ...] = ()
    date_format: str | None = None
    decimal_comma: bool = False

    @property
    def empties(self) -> bool:
        """Whether a value may become null."""
        return bool(self.null_values) or self.type == "json"

    @property
    def reads(self) -> tuple[Column, ...]:
        """As what the stored values are to be read: their text and, where they may be of any kind, their JSON."""
        if self.before.type == "json":
            return (Column(self.before.key, self.before.name, "text"), self.before)
        if self.before.type == "boolean" and self.type != "text":
            return (Column(self.before.key, self.before.name, "boolean"),)
        return (self.before,)


class _Column:
    """One column on its way, and what was met in it. `nulls`: records that have no value afterwards, the first few."""

    def __init__(self, told: TypeChange) -> None:
        self.told = told
        self.warnings = Warnings(SHOWN_CELLS)
        self.nulls: list[int] = []
        self.nulls_total = 0
        options = ImportOptions(
            types={told.before.name: told.type},
            null_values=told.null_values,
            date_format=told.date_format,
            decimal_comma=told.decimal_comma,
            on_error="null",
        )
        self.inference = Inference(options, self.warnings)
        self._names = [told.before.name]

    def convert(self, ids: pl.Series, texts: list[pl.Series]) -> tuple[pl.Series, pl.Series]:
        """The values as they will be, and where they differ from what is stored."""
        batch = self.inference.observe(Batch(pl.DataFrame({"0": texts[0]}), ids), self._names)
        values = batch.frame.to_series()
        if (count := values.null_count()) > 0:
            self.nulls_total += count
            self.nulls += ids.filter(values.is_null()).head(SHOWN_CELLS - len(self.nulls)).to_list()
        return values, self._differ(values, texts)

    def _differ(self, values: pl.Series, texts: list[pl.Series]) -> pl.Series:
        before, after = (JSON_CLASS.get(kind, "string") for kind in (self.told.before.type, self.told.type))
        stored = values.str.to_lowercase() if after == "boolean" else values
        if self.told.before.type == "json":
            document = texts[1]
            quoted = document.str.starts_with('"')
            same = quoted & (texts[0] == stored) if after == "string" else document == stored
            return ~(same | document.is_null()).fill_null(value=False)
        return texts[0].ne_missing(stored) if before == after else texts[0].is_not_null()

    def finish(self) -> tuple[str | None, Evidence]:
        self.inference.finish(self._names)
        return self.inference.plan()[0].format, self.inference.evidence()[0]


class Retyping:
    """The values of some columns, brought to what is told of them chunk by chunk; `changed` counts records."""

    def __init__(self, told: Sequence[TypeChange], version: int) -> None:
        """`version`: the one in which the new images begin."""
        self._columns = [_Column(each) for each in told]
        self._keys = [each.before.key for each in told]
        self._version = version
        self.changed = 0

    def __call__(self, ids: Sequence[int], texts: Sequence[Texts]) -> bytes:
        """COPY lines for the records that change, each with all these columns' values; none after a bad cell.

        `texts`: for each told column those of its `reads`, all as long as `ids`. Blocking.
        """
        numbers = pl.Series(ids, dtype=pl.Int64)
        given = iter(texts)
        changed = pl.repeat(value=False, n=len(ids), eager=True)
        frame: dict[str, pl.Series] = {}
        for at, column in enumerate(self._columns):
            series = [pl.Series(next(given), dtype=pl.String) for _ in column.told.reads]
            values, differ = column.convert(numbers, series)
            frame[str(at)] = values.rename(str(at))
            changed |= differ
        self.changed += int(changed.sum())
        if self.bad_total:
            return b""
        plan = [each.inference.plan()[0] for each in self._columns]
        batch = Batch(pl.DataFrame(frame).filter(changed), numbers.filter(changed))
        return encode(batch, plan, self._keys, batch.rows, self._version)

    @property
    def bad_total(self) -> int:
        """Cells that cannot be of their new type."""
        return sum(each.warnings.total for each in self._columns)

    def bad(self) -> list[tuple[int, ReadWarning]]:
        """The first of these cells, each with the place of its column; `row` is the record's id."""
        cells = [(place, cell) for place, each in enumerate(self._columns) for cell in each.warnings.items]
        return sorted(cells, key=lambda found: found[1].row or 0)[:SHOWN_CELLS]

    def nulls(self) -> list[tuple[list[int], int]]:
        """For each column the first records that have no value afterwards, and how many there are."""
        return [(each.nulls, each.nulls_total) for each in self._columns]

    def finish(self) -> list[tuple[str | None, Evidence]]:
        """After the last chunk: the format and the evidence of each column."""
        return [each.finish() for each in self._columns]
