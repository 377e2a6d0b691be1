"""What the caller tells about the cells of a file, applied before anything is inferred: null words, types, guards."""

import re
from collections.abc import Callable, Mapping, Sequence

import polars as pl
from msgspec.structs import replace

from backend.errors import BadCells
from backend.inference.batch import Batch
from backend.inference.convert import Conversion, only
from backend.inference.encode import quoted
from backend.inference.fit import Fit
from backend.schemas.columns import Column
from backend.schemas.imports import ImportOptions, Warnings
from backend.schemas.problems import ErrorItem

SHOWN_ERRORS = 20
"""Bad cells listed when an import is refused."""
_NOTED = 100
_GUARDED = r"^'('*[=+\-@\t\r])"


def unguarded(names: Sequence[str]) -> list[str]:
    """Column names without the apostrophe that an export with `escape_formulas` put before what looks like a formula.

    A name that would then stand there twice keeps it.
    """
    plain = [re.sub(_GUARDED, r"\1", name) for name in names]
    return [short if plain.count(short) == 1 else name for short, name in zip(plain, names, strict=True)]


class Cleaner:
    """Applies what the options tell (`null_values`, `types`, `on_error`, …) to one batch after the other.

    `known`: columns of a dataset by name, which take only what they give back to the letter.
    """

    def __init__(self, options: ImportOptions, days: str | None, known: Mapping[str, Column]) -> None:
        self._options = options
        self._days = days
        self._known = known
        self._types = {**options.types, **{name: column.type for name, column in known.items()}}
        self._conversions: dict[int, Callable[[pl.Series], pl.Series]] = {}

    def __call__(self, batch: Batch, names: Sequence[str], warnings: Warnings | None) -> Batch:
        """The batch without null words, its told columns as text of their types, without rows that are to be skipped.

        Raises BadCells when a cell cannot be of its told type and `on_error` is `reject`. Cells made null and rows
        skipped are noted in `warnings`.
        """
        if self._options.decode_formulas and batch.frame.width:
            batch = replace(batch, frame=batch.frame.select(pl.all().str.replace(_GUARDED, "$1")))
        if self._options.null_values and batch.frame.width:
            words = pl.Series(self._options.null_values, dtype=pl.String)
            keep = pl.when(~pl.all().is_in(words.implode())).then(pl.all())
            batch = replace(batch, frame=batch.frame.select(keep))
        told = [at for at in range(batch.frame.width) if names[at] in self._types]
        return self._apply(batch, names, told, warnings) if told and batch.frame.height else batch

    def _apply(self, batch: Batch, names: Sequence[str], told: list[int], warnings: Warnings | None) -> Batch:
        changed, bad = [], pl.repeat(value=False, n=batch.frame.height, eager=True)
        errors: list[ErrorItem] = []
        for at in told:
            before = batch.frame.to_series(at)
            if self._types[names[at]] == "json":
                before = quoted(before, batch) if batch.nested else only(before, before.str.strip_chars() != "null")
            after = self._conversion(at, names[at], batch)(before)
            changed.append(after)
            lost = after.is_null() & (before.is_not_null() | self._needs_value(names[at]))
            if lost.any():
                bad |= lost
                errors += self._errors(before, batch.rows, lost, names[at], warnings)
        batch = replace(batch, frame=batch.frame.with_columns(changed))
        firm = [error for error in errors if self._needs_value(error.column or "")]
        if not errors or (self._options.on_error == "null" and not firm):
            return batch
        if self._options.on_error != "skip":
            raise self._refusal(errors if self._options.on_error == "reject" else firm)
        kinds = batch.kinds.filter(~bad) if batch.kinds is not None else None
        return Batch(batch.frame.filter(~bad), batch.rows.filter(~bad), kinds, batch.nested)

    def _needs_value(self, name: str) -> bool:
        return name in self._known and not self._known[name].nullable

    def _refusal(self, errors: Sequence[ErrorItem]) -> BadCells:
        shown = sorted(errors, key=lambda error: error.row or 0)[:SHOWN_ERRORS]
        told = f"Row {shown[0].row}, column {shown[0].column!r}: {shown[0].message}."
        column = self._known.get(shown[0].column or "")
        if column is not None and column.nullable:
            told += (
                f" The dataset's column is of type {column.type} and takes only what it gives back to the letter:"
                " change its type first (PATCH …/schema), or tell by on_error what becomes of such cells."
            )
        return BadCells(told, errors=shown)

    def _errors(
        self, values: pl.Series, rows: pl.Series, lost: pl.Series, name: str, warnings: Warnings | None
    ) -> list[ErrorItem]:
        message = f"not of type {self._types[name]}"
        places = lost.arg_true()
        cells = [(rows[at], values[at]) for at in places.head(_NOTED)]
        if warnings is not None:
            done = "made null" if self._options.on_error == "null" else "row left out"
            for row, value in cells:
                warnings.add(f"{message}: {done}", row=row, column=name, value=value)
            warnings.total += len(places) - len(cells)
        return [
            ErrorItem("there is no value" if value is None else f"{value[:200]!r} is {message}", row=row, column=name)
            for row, value in cells
        ]

    def _conversion(self, at: int, name: str, batch: Batch) -> Callable[[pl.Series], pl.Series]:
        if at not in self._conversions:
            comma = self._options.decimal_comma and batch.kinds is None
            if (column := self._known.get(name)) is not None:
                self._conversions[at] = Fit(column, days=self._days, comma=comma)
            else:
                self._conversions[at] = Conversion(self._types[name], days=self._days, comma=comma)
        return self._conversions[at]
