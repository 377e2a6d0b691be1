"""Type inference over a whole file, batch by batch."""

from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from backend.inference.batch import Batch
from backend.inference.column import NUMERIC, Column
from backend.inference.dates import strptime_pattern, to_iso
from backend.inference.plan import ColumnPlan
from backend.schemas.imports import ImportOptions


class Inference:
    """The types of a table's columns, refined with every batch; whole-file, never from a sample.

    `rows` and `rejected` count the records taken and left out so far.
    """

    def __init__(self, options: ImportOptions) -> None:
        self._options = options
        self._days = strptime_pattern(options.date_format) if options.date_format else None
        self._columns: list[Column] = []
        self.rows = 0

    def observe(self, batch: Batch, names: Sequence[str]) -> None:
        """Take in the next batch. Polars' calls go over many columns at once, as a file may have thousands."""
        frame, height = batch.frame, batch.frame.height
        while len(self._columns) < frame.width:
            self._columns.append(self._column(names[len(self._columns)], comma=batch.kinds is None))
        self.rows += height
        nulls = frame.null_count().row(0) if height else ()
        live = [at for at, null in enumerate(nulls) if null < height]
        if not live:
            return
        valid = {at: height - nulls[at] for at in live}
        series = {at: frame.to_series(at) for at in live}
        self._measure(series, valid, height)
        for at in live:
            kinds = batch.kinds.to_series(at) if batch.kinds is not None else None
            column = self._columns[at]
            if column.reading is None:
                column.begin(series[at], batch.rows, kinds)
            if kinds is not None and not column.forced:
                column.meet_kinds(series[at], kinds, batch.rows)
            if column.days:
                column.meet_days(to_iso(series[at], column.days), valid[at])
        self._test(series, valid, batch.rows)
        self._compare(series, height)

    def plan(self) -> tuple[ColumnPlan, ...]:
        """What holds for each column so far, by position."""
        return tuple(column.plan() for column in self._columns)

    def _column(self, name: str, *, comma: bool) -> Column:
        forced = self._options.types.get(name)
        return Column(comma=comma and self._options.decimal_comma, days=None if forced else self._days, forced=forced)

    def _measure(self, series: dict[int, pl.Series], valid: dict[int, int], height: int) -> None:
        stack = pl.concat(list(series.values()), rechunk=False)
        hashes = stack.hash().rechunk()
        longest = stack.str.len_bytes().rechunk().reshape((len(series), height)).arr.max()
        for place, (at, values) in enumerate(series.items()):
            part = hashes.slice(place * height, height)
            self._columns[at].measure(values, part, longest[place], valid[at])

    def _test(self, series: dict[int, pl.Series], valid: dict[int, int], rows: pl.Series) -> None:
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for at in series:
            if wanted := self._columns[at].pattern:
                groups[wanted].append(at)
        for wanted, members in groups.items():
            fits = pl.concat([series[at] for at in members], rechunk=False).str.contains(wanted).rechunk()
            for place, at in enumerate(members):
                self._columns[at].meet(series[at], fits.slice(place * len(rows), len(rows)), rows, valid[at])

    def _compare(self, series: dict[int, pl.Series], height: int) -> None:
        numeric = [at for at in series if (reading := self._columns[at].reading) and reading.type in NUMERIC]
        if not numeric:
            return
        stack = pl.concat([series[at] for at in numeric], rechunk=False)
        if self._options.decimal_comma:
            stack = stack.str.replace(",", ".", literal=True)
        floats = stack.cast(pl.Float64).rechunk()
        for place, at in enumerate(numeric):
            self._columns[at].meet_numbers(series[at], floats.slice(place * height, height))
