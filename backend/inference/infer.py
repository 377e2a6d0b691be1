"""Type inference over a whole file, batch by batch."""

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from backend.errors import UnknownTypedColumn
from backend.inference.batch import Batch, Kind
from backend.inference.clean import Cleaner
from backend.inference.column import NUMERIC, Codes, ColumnState
from backend.inference.dates import strptime_pattern, to_iso
from backend.inference.lattice import JSON, TEXT
from backend.inference.plan import ColumnPlan
from backend.inference.report import evidence
from backend.schemas.columns import Column, ColumnType
from backend.schemas.imports import Evidence, ImportOptions, Rejected, Warnings
from backend.schemas.problems import ErrorItem


class Inference:
    """The types of a table's columns, refined with every batch: from the whole file, never from a sample.

    `rows` and `rejected` count the records taken and left out so far. What is wrong with cells but does not refuse
    the file is added to `warnings`. Raises Invalid for options that say nothing sensible.
    """

    def __init__(
        self,
        options: ImportOptions,
        warnings: Warnings | None = None,
        *,
        known: Mapping[str, Column] | None = None,
        planning: bool = False,
    ) -> None:
        """`known`: columns of a dataset by name, whose types hold for the file's. `planning`: no bad cell refuses."""
        self._options = options
        self._forced: dict[str, ColumnType] = options.types | {
            name: column.type for name, column in (known or {}).items()
        }
        self._days = strptime_pattern(options.date_format) if options.date_format is not None else None
        self._warnings = Warnings() if warnings is None else warnings
        self._cleaner = Cleaner(options, self._days, known or {}, planning=planning)
        self._columns: list[ColumnState] = []
        self.rows = 0
        self.rejected = 0

    def observe(self, batch: Batch, names: Sequence[str]) -> Batch:
        """Take in the next batch; returned is the batch as it is to be encoded, told options applied.

        Raises BadCells when a cell is not of its told type and `on_error` is `reject`.
        """
        cleaned = self._cleaner(batch, names, self._warnings)
        self.rows += cleaned.frame.height
        self.rejected += batch.frame.height - cleaned.frame.height
        self._know(names[: cleaned.frame.width], typed=batch.kinds is not None)
        self._take_in(cleaned)
        return cleaned

    def take_rejected(self) -> list[Rejected]:
        """The rows left out since this was last asked."""
        taken, self._cleaner.rejected = self._cleaner.rejected, []
        return taken

    def clean(self, batch: Batch, names: Sequence[str]) -> Batch:
        """A batch that was observed before as it is to be encoded."""
        return self._cleaner(batch, names, None)

    def finish(self, names: Sequence[str]) -> None:
        """After the last batch: columns without any value count too.

        Raises UnknownTypedColumn when `types` names a column that never came.
        """
        self._know(names, typed=False)
        if unknown := [name for name in self._options.types if name not in names]:
            near = difflib.get_close_matches(unknown[0], names, n=3)
            hint = f"; did you mean {', '.join(map(repr, near))}?" if near else "."
            items = [ErrorItem(f"no column {name!r}", pointer=f"/types/{name}") for name in unknown]
            raise UnknownTypedColumn(f"types: the file has no column {unknown[0]!r}{hint}", errors=items)

    def evidence(self) -> list[Evidence]:
        """What was seen of each column, by position."""
        return [evidence(column, self.rows) for column in self._columns]

    def plan(self) -> tuple[ColumnPlan, ...]:
        """What holds for each column so far, by position."""
        return tuple(column.plan() for column in self._columns)

    def _know(self, names: Sequence[str], *, typed: bool) -> None:
        for name in names[len(self._columns) :]:
            forced = self._forced.get(name)
            comma = self._options.decimal_comma and not typed and not forced
            self._columns.append(ColumnState(comma=comma, days=None if forced else self._days, forced=forced))

    def _take_in(self, batch: Batch) -> None:
        """Polars' calls go over many columns at once: a file may have thousands of them."""
        frame, height = batch.frame, batch.frame.height
        nulls = frame.null_count().row(0) if height and frame.width else ()
        valid = {at: height - null for at, null in enumerate(nulls) if null < height}
        if not valid:
            return
        series = {at: frame.to_series(at) for at in valid}
        self._measure(series, valid, height)
        codes = _codes(frame, batch.kinds) if batch.kinds is not None else None
        for at, values in series.items():
            column = self._columns[at]
            if column.reading is None:
                column.begin(values, batch.rows, None if codes is None else _first(codes[:, at]))
            if column.forced and column.forced != "boolean":
                column.counts[column.forced] += valid[at]
            elif codes is not None:
                column.meet_kinds(values, codes[:, at], batch.rows, JSON if batch.nested else TEXT)
            if column.days:
                column.meet_days(to_iso(values, column.days), valid[at])
        self._test(series, valid, batch.rows)
        self._compare(series, valid, height)

    def _measure(self, series: dict[int, pl.Series], valid: dict[int, int], height: int) -> None:
        stack = pl.concat(list(series.values()), rechunk=False)
        hashes = stack.hash().to_numpy().reshape(len(series), height)
        for place, (at, values) in enumerate(series.items()):
            self._columns[at].measure(values, hashes[place], valid[at])
        longest = _rows(stack.str.len_bytes(), height).arr.max().to_list()
        longer = [at for at, size in zip(series, longest, strict=True) if size > self._columns[at].longest]
        for at, size in zip(longer, self._characters([series[at] for at in longer], height), strict=True):
            self._columns[at].longest = max(self._columns[at].longest, size)

    def _characters(self, columns: Sequence[pl.Series], height: int) -> list[int]:
        if not columns:
            return []
        lengths: list[int] = _rows(pl.concat(columns, rechunk=False).str.len_chars(), height).arr.max().to_list()
        return lengths

    def _test(self, series: dict[int, pl.Series], valid: dict[int, int], rows: pl.Series) -> None:
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for at in series:
            if wanted := self._columns[at].pattern:
                groups[wanted].append(at)
        height = len(rows)
        for wanted, members in groups.items():
            fits = pl.concat([series[at] for at in members], rechunk=False).str.contains(wanted).rechunk()
            hits = _rows(fits, height).arr.sum().to_list()
            for place, at in enumerate(members):
                part = fits.slice(place * height, height)
                self._columns[at].meet(series[at], part, hits[place], rows, valid[at])

    def _compare(self, series: dict[int, pl.Series], valid: dict[int, int], height: int) -> None:
        numeric = [at for at in series if (reading := self._columns[at].reading) and reading.type in NUMERIC]
        if not numeric:
            return
        stack = pl.concat([series[at] for at in numeric], rechunk=False)
        if self._options.decimal_comma:
            stack = stack.str.replace(",", ".", literal=True)
        floats = stack.cast(pl.Float64).rechunk()
        whole = floats == floats.floor()
        lows, highs = _rows(floats, height).arr.min().to_list(), _rows(floats, height).arr.max().to_list()
        hits = _rows(whole, height).arr.sum().to_list()
        for place, at in enumerate(numeric):
            column, part = self._columns[at], slice(place * height, (place + 1) * height)
            column.meet_numbers(series[at], floats[part], lows[place], highs[place])
            if not column.forced:
                column.meet_whole(series[at], whole[part], hits[place], valid[at])


def _rows(stack: pl.Series, height: int) -> pl.Series:
    """A stack of equally long columns as one array for each of them."""
    return stack.rechunk().reshape((len(stack) // height, height))


def _codes(frame: pl.DataFrame, kinds: pl.DataFrame) -> Codes:
    """What the file says its values are, `EMPTY` where there is none."""
    return np.where(frame.select(pl.all().is_null()).to_numpy(), Kind.EMPTY.value, kinds.to_numpy())


def _first(codes: Codes) -> int:
    return int(codes[np.flatnonzero(codes)[0]])
