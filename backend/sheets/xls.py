"""Binary workbooks of Excel 97 and before, through xlrd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import xlrd

from backend.errors import UnreadableFile, Unwelcome
from backend.sheets import raw
from backend.sheets.formats import BUILTIN, GENERAL, Format, classify
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import Area, RawCell, Type
from backend.sheets.values import Values, no_strings

BATCH = 50_000
_ENCRYPTED = "EncryptedPackage".encode("utf-16le")


class Xls:
    """A BIFF workbook. Raises UnreadableFile when it is none, is damaged or encrypted."""

    format = "xls"

    def __init__(self, file: BinaryIO) -> None:
        content = file.read()
        if _ENCRYPTED in content:
            raise Unwelcome("The workbook is encrypted; save it without a password.")
        try:
            with Path(os.devnull).open("w", encoding="utf-8") as log:
                self._book = xlrd.open_workbook(
                    file_contents=content, logfile=log, formatting_info=True, ragged_rows=True
                )
        except MemoryError:
            raise
        except Exception as error:
            # xlrd meets damage with whatever its code runs into: struct.error, IndexError, AssertionError, …
            raise _refusal(error) from error
        self._sheets = self._book.sheets()
        self.sheets = [SheetInfo(sheet.name, sheet.visibility != 0, sheet.nrows) for sheet in self._sheets]
        self.share = 0.0
        self.areas: list[Area] = []

    def values(self) -> Values:
        """What turns this workbook's raw cells into text."""
        return Values(no_strings, self._formats(), from_1904=self._book.datemode == 1)

    def cells(self, index: int) -> Iterator[pl.DataFrame]:
        """Raw cells of a sheet, whole rows at a time."""
        sheet = self._sheets[index]
        self.areas = self.merged(index)
        cells: list[RawCell] = []
        for row in range(sheet.nrows):
            columns = enumerate(zip(sheet.row_types(row), sheet.row_values(row), strict=True))
            cells += [
                _cell(row, column, kind, value, sheet.cell_xf_index(row, column))
                for column, (kind, value) in columns
                if kind != xlrd.XL_CELL_EMPTY
            ]
            if len(cells) >= BATCH:
                self.share = (row + 1) / sheet.nrows
                yield raw.frame(cells)
                cells.clear()
        yield raw.frame(cells)

    def merged(self, index: int) -> list[Area]:
        """Merged areas of a sheet."""
        return [Area(top, left, below - 1, right - 1) for top, below, left, right in self._sheets[index].merged_cells]

    def _formats(self) -> list[Format]:
        named = {key: found.format_str for key, found in self._book.format_map.items()}
        keys = [style.format_key for style in self._book.xf_list]
        return [classify(named[key]) if key in named else BUILTIN.get(key, GENERAL) for key in keys]


def _cell(row: int, column: int, kind: int, value: Any, style: int) -> RawCell:
    if kind == xlrd.XL_CELL_TEXT:
        return row, column, Type.TEXT, style, value, False
    if kind == xlrd.XL_CELL_BOOLEAN:
        return row, column, Type.BOOLEAN, style, str(value), False
    if kind == xlrd.XL_CELL_ERROR:
        return row, column, Type.ERROR, style, xlrd.error_text_from_code.get(value, "#ERROR"), False
    if kind == xlrd.XL_CELL_BLANK:
        return row, column, Type.TEXT, style, None, False
    return row, column, Type.NUMBER, style, repr(value), False


def _refusal(error: Exception) -> UnreadableFile:
    if "encrypted" in str(error):
        return Unwelcome("The workbook is encrypted; save it without a password.")
    return UnreadableFile("The file is damaged or holds no workbook.")
