"""What a person should know of how a sheet was read."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from backend.readers.workbook_layout import SheetLayout
from backend.schemas.imports import Warnings
from backend.sheets.protocol import Chosen, End, Part, SheetInfo, address, span


class SheetReport:
    """Adds to `warnings` what is met on the first way through a sheet, and nothing on later ones."""

    def __init__(self, chosen: Chosen, layout: SheetLayout, warnings: Warnings, *, alone: bool) -> None:
        self._sheet = chosen.sheet
        self._layout = layout
        self._warnings = warnings
        self._parts = 0
        self._row = layout.first_row - 1
        self._blank = 0
        self._first_blank = 0
        self._ended = False
        if alone:
            report_others(chosen.others, warnings)
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
        self._report_merged(end)
        if self._blank:
            self._warnings.add(f"{self._blank} rows without any value were left out", row=self._first_blank)
        after = end.last_row - self._row
        if after > 0 and self._layout.names:
            message = f"{after} rows without any value behind the last record were left out"
            self._warnings.add(message, row=self._row + 1)

    def _report_merged(self, end: End) -> None:
        """Report merged areas among the records, which hold their value in the first cell alone."""
        below = [area for area in end.merged if area.bottom + 1 >= self._layout.first_row]
        count = len(below) if len(below) < len(end.merged) else end.merged_total
        if count:
            first = min(below)
            self._warnings.add(
                "Merged areas have their value in the first cell alone; `fill_merged` fills them",
                row=first.top + 1,
                cell=f"{self._sheet}!{span(first)}",
                value=f"{count} in all",
            )

    def _count_blank(self, rows: pl.Series) -> None:
        """Count the numbers that are missing between the last row met and these."""
        numbers = pl.concat([pl.Series([self._row], dtype=pl.Int64), rows.cast(pl.Int64)])
        missing = numbers.diff() - 1
        if not self._blank and (missing > 0).any():
            self._first_blank = int(numbers.filter(missing.shift(-1) > 0)[0]) + 1
        self._blank += int(missing.filter(missing > 0).sum())
        self._row = int(numbers[-1])


def report_others(others: Sequence[SheetInfo], warnings: Warnings) -> None:
    """Report the sheets of a workbook that are not read."""
    shown = [sheet.name for sheet in others if sheet.cells and not sheet.hidden]
    if shown:
        warnings.add("Other sheets of the workbook were not read", value=", ".join(shown))
    report_unfit(others, warnings)


def report_unfit(others: Sequence[SheetInfo], warnings: Warnings) -> None:
    """Report the sheets that are hidden, and those that hold no cells or are not in the file."""
    hidden = [sheet.name for sheet in others if sheet.cells and sheet.hidden]
    if hidden:
        warnings.add("Hidden sheets of the workbook were not read", value=", ".join(hidden))
    charts = [sheet.name for sheet in others if not sheet.cells and not sheet.missing]
    if charts:
        warnings.add("Sheets without cells (charts, dialogs, macros) were left out", value=", ".join(charts))
    missing = [sheet.name for sheet in others if sheet.missing]
    if missing:
        warnings.add("The workbook is damaged: sheets of it are missing in the file", value=", ".join(missing))
