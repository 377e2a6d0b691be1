"""Workbooks through calamine: XLSB, and XLS files that xlrd refuses.

It tells no number formats, and no errors from empty cells, so it is not the first choice elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from backend.errors import UnreadableFile
from backend.sheets import raw
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import Area, RawCell, Type
from backend.sheets.values import Values, no_strings

BATCH = 50_000


class Second:
    """A workbook as calamine sees it. Raises UnreadableFile when it sees none."""

    def __init__(self, file: BinaryIO, *, format_: str) -> None:
        self.format = format_
        file.seek(0)
        try:
            self._book = CalamineWorkbook.from_filelike(file)
        except PasswordError as error:
            raise UnreadableFile("The workbook is encrypted; save it without a password.") from error
        except (CalamineError, OSError, ValueError) as error:
            raise UnreadableFile("The file is damaged or holds no workbook.") from error
        found = [
            (index, SheetInfo(sheet.name, sheet.visible != SheetVisibleEnum.Visible))
            for index, sheet in enumerate(self._book.sheets_metadata)
            if sheet.typ == SheetTypeEnum.WorkSheet
        ]
        self._indices = [index for index, _ in found]
        self.sheets = [sheet for _, sheet in found]

    def values(self) -> Values:
        """What turns this workbook's raw cells into text."""
        return Values(no_strings, (), from_1904=False)

    def cells(self, index: int) -> Iterator[pl.DataFrame]:
        """Raw cells of a sheet, whole rows at a time."""
        try:
            sheet = self._book.get_sheet_by_index(self._indices[index])
        except (CalamineError, OSError, ValueError) as error:
            raise UnreadableFile(f"The sheet {self.sheets[index].name!r} is damaged.") from error
        cells: list[RawCell] = []
        left = (sheet.start or (0, 0))[1]
        for row, values in enumerate(sheet.iter_rows()):
            cells += [_cell(row, column, value) for column, value in enumerate(values, left) if value != ""]
            if len(cells) >= BATCH:
                yield raw.frame(cells)
                cells.clear()
        yield raw.frame(cells)

    def merged(self, index: int) -> list[Area]:
        """Merged areas of a sheet, where calamine tells them."""
        ranges = self._book.get_sheet_by_index(self._indices[index]).merged_cell_ranges or []
        return [Area(*first, *last) for first, last in ranges]


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
