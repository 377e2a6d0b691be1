"""What a person should know of how a sheet was read."""

from __future__ import annotations

import polars as pl

from backend.readers.workbook_layout import SheetLayout
from backend.schemas.imports import Warnings
from backend.sheets.protocol import Chosen, End, Part, address


class SheetReport:
    """Adds to `warnings` what is met on the first way through a sheet, and nothing on later ones."""

    def __init__(self, chosen: Chosen, layout: SheetLayout, warnings: Warnings) -> None:
        self._sheet = chosen.sheet
        self._layout = layout
        self._warnings = warnings
        self._parts = 0
        self._row = layout.first_row - 1
        self._blank = 0
        self._first_blank = 0
        self._ended = False
        others = [sheet.name for sheet in chosen.others if not sheet.hidden]
        hidden = [sheet.name for sheet in chosen.others if sheet.hidden]
        if others:
            warnings.add("Other sheets of the workbook were not read", value=", ".join(others))
        if hidden:
            warnings.add("Hidden sheets of the workbook were not read", value=", ".join(hidden))
        for note in chosen.notes:
            warnings.add(note)

    def part(self, index: int, part: Part, rows: pl.Series, columns: list[int], names: list[str]) -> None:
        """Report a part: cells that could not be taken, and rows without any value."""
        if index < self._parts:
            return
        self._parts = index + 1
        named = dict(zip(columns, names, strict=True))
        for problem in part.problems:
            self._warnings.add(
                problem.message,
                row=problem.row + 1,
                column=named.get(problem.column),
                cell=f"{self._sheet}!{address(problem.row, problem.column)}",
                value=problem.value,
            )
        self._warnings.total += part.problems_total - len(part.problems)
        if len(rows):
            self._count_blank(rows)

    def grown(self, part: Part, place: int, records: pl.DataFrame, name: str) -> None:
        """Report a column that the header does not name."""
        row = int(records.filter(pl.col(f"k{place}") > 0)["row"][0])
        cell = f"{self._sheet}!{address(row - 1, part.columns[place])}"
        self._warnings.add(f"A cell outside the header: its column is named {name}", row=row, column=name, cell=cell)

    def end(self, end: End) -> None:
        """Report what is known at the end of the sheet."""
        if self._ended:
            return
        self._ended = True
        if self._blank:
            self._warnings.add(f"{self._blank} rows without any value were left out", row=self._first_blank)
        after = end.last_row - self._row
        if after > 0 and self._layout.names:
            message = f"{after} rows without any value behind the last record were left out"
            self._warnings.add(message, row=self._row + 1)

    def _count_blank(self, rows: pl.Series) -> None:
        """Count the numbers that are missing between the last row met and these."""
        numbers = pl.concat([pl.Series([self._row], dtype=pl.Int64), rows.cast(pl.Int64)])
        missing = numbers.diff() - 1
        if not self._blank and (missing > 0).any():
            self._first_blank = int(numbers.filter(missing.shift(-1) > 0)[0]) + 1
        self._blank += int(missing.filter(missing > 0).sum())
        self._row = int(numbers[-1])
