"""Workbooks through calamine, where the usual reader refuses them.

It tells no number formats, and no errors from empty cells, so it is never the first choice.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from backend.errors import UnreadableFile, Unwelcome
from backend.sheets import raw
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import Area, RawCell, Type
from backend.sheets.values import Values, no_strings

BATCH = 50_000
_FAILURES = (CalamineError, OSError, ValueError)


class Second:
    """A workbook as calamine sees it. Raises UnreadableFile when it sees none."""

    def __init__(self, file: BinaryIO, *, format_: str) -> None:
        self.format = format_
        file.seek(0)
        try:
            self._book = CalamineWorkbook.from_filelike(file)
        except PasswordError as error:
            raise Unwelcome("The workbook is encrypted; save it without a password.") from error
        except _FAILURES as error:
            raise UnreadableFile("The file is damaged or holds no workbook.") from error
        self.sheets = [
            SheetInfo(sheet.name, sheet.visible != SheetVisibleEnum.Visible, cells=sheet.typ == SheetTypeEnum.WorkSheet)
            for sheet in self._book.sheets_metadata
        ]
        self.share = 0.0
        self.areas: list[Area] = []

    def values(self) -> Values:
        """What turns this workbook's raw cells into text."""
        return Values(no_strings, (), from_1904=False)

    def cells(self, index: int) -> Iterator[pl.DataFrame]:
        """Raw cells of a sheet, whole rows at a time."""
        try:
            sheet = self._book.get_sheet_by_index(index)
        except _FAILURES as error:
            raise UnreadableFile(f"The sheet {self.sheets[index].name!r} is damaged.") from error
        with contextlib.suppress(*_FAILURES):
            self.areas = _merged(sheet)
        cells: list[RawCell] = []
        left = (sheet.start or (0, 0))[1]
        for row, values in enumerate(sheet.iter_rows()):
            cells += [_cell(row, column, value) for column, value in enumerate(values, left) if value != ""]
            if len(cells) >= BATCH:
                self.share = (row + 1) / max(sheet.total_height, row + 1)
                yield raw.frame(cells)
                cells.clear()
        yield raw.frame(cells)

    def merged(self, index: int) -> list[Area]:
        """Merged areas of a sheet, where calamine tells them."""
        try:
            return _merged(self._book.get_sheet_by_index(index))
        except _FAILURES as error:
            raise UnreadableFile("The merged areas of the sheet are damaged; import without fill_merged.") from error


def _merged(sheet: CalamineSheet) -> list[Area]:
    return [Area(*first, *last) for first, last in sheet.merged_cell_ranges or []]


def _cell(row: int, column: int, value: object) -> RawCell:
    if isinstance(value, bool):
        return row, column, Type.BOOLEAN, 0, "1" if value else "0", False
    if isinstance(value, int | float):
        return row, column, Type.NUMBER, 0, repr(value), False
    if isinstance(value, dt.timedelta):
        seconds = value // dt.timedelta(seconds=1)
        return row, column, Type.ISO, 0, f"{'-' if seconds < 0 else ''}PT{abs(seconds)}S", False
    if isinstance(value, dt.date | dt.time):
        return row, column, Type.ISO, 0, value.isoformat(), False
    return row, column, Type.TEXT, 0, str(value), False
