"""What the caller tells about the cells of a file, applied before anything is inferred: null words, types, guards."""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from backend.errors import BadCells
from backend.inference.batch import Batch
from backend.inference.convert import Conversion, only
from backend.inference.encode import quoted
from backend.inference.fit import Fit, all_match
from backend.schemas.columns import Column
from backend.schemas.imports import ImportOptions, Rejected, Warnings
from backend.schemas.problems import ErrorItem

SHOWN_ERRORS = 20
"""Bad cells listed when an import is refused."""
_NOTED = 100
_DONE = {"reject": "", "null": ": made null", "skip": ": row left out"}
GUARDED = r"^'('*[=+\-@\t\r])"
"""Text before which an export with `escape_formulas` put an apostrophe, all but that as group 1."""


def unguarded(names: Sequence[str]) -> list[str]:
    """Column names without the apostrophe that an export with `escape_formulas` put before what looks like a formula.

    A name that would then stand there twice keeps it.
    """
    plain = [re.sub(GUARDED, r"\1", name) for name in names]
    return [short if plain.count(short) == 1 else name for short, name in zip(plain, names, strict=True)]


class Loss(Struct, frozen=True):
    """Cells of one column that cannot be of its type: the values before, and where they are lost."""

    position: int
    name: str
    values: pl.Series
    lost: pl.Series


class Cleaner:
    """Applies what the options tell (`null_values`, `types`, `on_error`, …) to one batch after the other.

    `known`: columns of a dataset by name, which take only what they give back to the letter. `rejected` collects the
    rows that are skipped until somebody takes them. `planning`: bad cells are noted where they would refuse the import.
    """

    def __init__(
        self, options: ImportOptions, days: str | None, known: Mapping[str, Column], *, planning: bool = False
    ) -> None:
        self._options = options
        self._days = days
        self._planning = planning
        self._known = known
        self._types = {**options.types, **{name: column.type for name, column in known.items()}}
        self._conversions: dict[int, Callable[[pl.Series], pl.Series]] = {}
        self.rejected: list[Rejected] = []

    def __call__(self, batch: Batch, names: Sequence[str], warnings: Warnings | None) -> Batch:
        """The batch without null words, its told columns as text of their types, without rows that are to be skipped.

        Raises BadCells when a cell cannot be of its told type and `on_error` is `reject`. Cells made null and rows
        skipped are noted in `warnings`.
        """
        if self._options.decode_formulas and batch.frame.width:
            batch = replace(batch, frame=batch.frame.select(pl.all().str.replace(GUARDED, "$1")))
        if self._options.null_values and batch.frame.width:
            words = pl.Series(self._options.null_values, dtype=pl.String)
            keep = pl.when(~pl.all().is_in(words.implode())).then(pl.all())
            batch = replace(batch, frame=batch.frame.select(keep))
        told = [at for at in range(batch.frame.width) if names[at] in self._types]
        if self._known and batch.frame.height:
            told = self._unsettled(batch, names, told)
        if not told or not batch.frame.height:
            return batch
        cleaned, losses = self._converted(batch, names, told)
        return self._judged(batch, cleaned, losses, warnings) if losses else cleaned

    def _unsettled(self, batch: Batch, names: Sequence[str], told: Sequence[int]) -> list[int]:
        """Those of the told columns in which some value has to be looked at by itself."""
        nulls = batch.frame.null_count().row(0)
        patterns: dict[int, str] = {}
        for at in told:
            fit = self._conversion(at, names[at], batch)
            if isinstance(fit, Fit) and fit.plain is not None and not (nulls[at] and self._needs_value(names[at])):
                patterns[at] = fit.plain
        settled = all_match(batch.frame, patterns)
        return [at for at in told if at not in settled]

    def _converted(self, batch: Batch, names: Sequence[str], told: list[int]) -> tuple[Batch, list[Loss]]:
        """The batch with its told columns converted, and what could not be."""
        changed, losses = [], list[Loss]()
        for at in told:
            before = batch.frame.to_series(at)
            if self._types[names[at]] == "json":
                before = quoted(before, batch) if batch.nested else only(before, before.str.strip_chars() != "null")
            after = self._conversion(at, names[at], batch)(before)
            changed.append(after)
            lost = after.is_null() & (before.is_not_null() | self._needs_value(names[at]))
            if lost.any():
                losses.append(Loss(at, names[at], before, lost))
        return replace(batch, frame=batch.frame.with_columns(changed)), losses

    def _judged(self, batch: Batch, cleaned: Batch, losses: Sequence[Loss], warnings: Warnings | None) -> Batch:
        """What goes in of a batch with bad cells. Raises BadCells where it is to be refused."""
        errors = [error for loss in losses for error in self._errors(batch, loss, warnings)]
        firm = [error for error in errors if self._needs_value(error.column or "")]
        noted = self._options.on_error == "null" or (self._planning and self._options.on_error == "reject")
        if noted and not firm:
            return cleaned
        if self._options.on_error != "skip":
            raise self._refusal(errors if self._options.on_error == "reject" else firm)
        if warnings is not None:
            self.rejected += self._rejects(batch, losses)
        return cleaned.filter(~reduce(operator.or_, (loss.lost for loss in losses)))

    def _rejects(self, batch: Batch, losses: Sequence[Loss]) -> list[Rejected]:
        """The rows that are left out, with all reasons."""
        reasons: defaultdict[int, list[str]] = defaultdict(list)
        for loss in losses:
            for at in loss.lost.arg_true():
                reasons[at].append(f"{loss.name}: {self._what(loss, at)}")
        return [Rejected(int(batch.rows[at]), "; ".join(reasons[at]), batch.frame.row(at)) for at in sorted(reasons)]

    def _what(self, loss: Loss, at: int) -> str:
        value = loss.values[at]
        if value is None:
            return "there is no value"
        return f"{value[:200]!r} is not of type {self._types[loss.name]}"

    def _needs_value(self, name: str) -> bool:
        return name in self._known and not self._known[name].nullable

    def _refusal(self, errors: Sequence[ErrorItem]) -> BadCells:
        shown = sorted(errors, key=lambda error: error.row or 0)[:SHOWN_ERRORS]
        where = f"Cell {shown[0].cell}" if shown[0].cell else f"Row {shown[0].row}"
        told = f"{where}, column {shown[0].column!r}: {shown[0].message}."
        column = self._known.get(shown[0].column or "")
        if column is not None and column.nullable:
            told += (
                f" The dataset's column is of type {column.type} and takes only what it gives back to the letter:"
                " change its type first (PATCH …/schema), or tell by on_error what becomes of such cells."
            )
        return BadCells(told, errors=shown)

    def _errors(self, batch: Batch, loss: Loss, warnings: Warnings | None) -> list[ErrorItem]:
        """The first bad cells of a column; `warnings` counts them all."""
        places = loss.lost.arg_true()
        shown = [(at, int(batch.rows[at])) for at in places.head(_NOTED)]
        if warnings is not None:
            message = f"not of type {self._types[loss.name]}{_DONE[self._options.on_error]}"
            for at, row in shown:
                cell = batch.cell(row, loss.position)
                warnings.add(message, row=row, column=loss.name, cell=cell, value=loss.values[at])
            warnings.total += len(places) - len(shown)
        return [
            ErrorItem(
                self._what(loss, at), row=row, column=loss.name, cell=batch.cell(row, loss.position), code="BAD_CELL"
            )
            for at, row in shown
        ]

    def _conversion(self, at: int, name: str, batch: Batch) -> Callable[[pl.Series], pl.Series]:
        if at not in self._conversions:
            comma = self._options.decimal_comma and batch.kinds is None
            if (column := self._known.get(name)) is not None:
                self._conversions[at] = Fit(column, days=self._days, comma=comma)
            else:
                self._conversions[at] = Conversion(self._types[name], days=self._days, comma=comma)
        return self._conversions[at]
