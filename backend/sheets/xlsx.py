"""OOXML workbooks: which sheets there are, and the cells of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import polars as pl

from backend.errors import TooLarge, UnreadableFile
from backend.sheets import related, sheet_exact, sheet_fast
from backend.sheets.formats import BUILTIN, GENERAL, Format, classify
from backend.sheets.package import Package
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import MAX_ROWS, Area, check_bounds, column_index
from backend.sheets.strings import OddShape, shared_strings
from backend.sheets.values import Values

_MERGED = re.compile(rb'<(?:[\w.-]+:)?mergeCell [^>]*?ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
_DIMENSION = re.compile(rb'<(?:[\w.-]+:)?dimension [^>]*?ref="[A-Z]+[0-9]+:[A-Z]+([0-9]{1,7})"')
_SHORTEST_ROW = len('<row r="1"/>')


class Xlsx:
    """An OOXML workbook, with macros or without. Raises UnreadableFile when it is none, is damaged or encrypted."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self.share = 0.0
        self.areas: list[Area] = []
        main = self._main_part()
        book = related.tree(package, main)
        leading = related.relations(package, main)
        self._kinds = dict(leading.values())
        self._parts: list[str] = []
        self.sheets: list[SheetInfo] = []
        for sheet in book.all("sheet"):
            kind, target = leading.get(sheet.attributes.get("id", ""), ("", ""))
            holds = kind == "worksheet" and target in self._package
            missing = not holds and kind not in related.SHEETS_WITHOUT_CELLS
            hidden = sheet.attributes.get("state", "visible") != "visible"
            rows = self._rows(target) if holds else None
            self.sheets.append(SheetInfo(sheet.attributes.get("name", ""), hidden, rows, holds, missing))
            self._parts.append(target)
        properties = book.first("workbookPr")
        self._from_1904 = properties is not None and properties.attributes.get("date1904") in ("1", "true", "on")
        macros = any(name.endswith("vbaproject.bin") for name in self._package.names())
        self.format = "xlsm" if macros else "xlsx"

    def values(self) -> Values:
        """What turns this workbook's raw cells into text."""
        return Values(self._strings, self._formats, from_1904=self._from_1904)

    def cells(self, index: int) -> Iterator[pl.DataFrame]:
        """Raw cells of a sheet, whole rows at a time. Raises UnreadableFile where it is damaged."""
        part = self._parts[index]
        size = max(self._package.size(part), 1)
        self.areas = []
        done = 0
        try:
            for cells, read in sheet_fast.fast(self._package.blocks(part), self._take_areas):
                self.share = min(read / size, 1.0)
                check_bounds(cells)
                done += cells.height
                yield cells
        except OddShape:
            skip = done
            self.areas = []
            blocks = self._package.measured(part)
            for cells in sheet_exact.exact(blocks, part, self.areas):
                self.share = max(self.share, blocks.share)
                check_bounds(cells)
                if skip < cells.height:
                    yield cells.slice(skip)
                skip = max(0, skip - cells.height)

    def merged(self, index: int) -> list[Area]:
        """Merged areas of a sheet."""
        tail = b""
        areas: list[Area] = []
        for block in self._package.blocks(self._parts[index]):
            tail += block
            areas += _areas(tail)
            tail = tail[tail.rfind(b"<") :] if b"<" in tail else b""
        return areas

    def _take_areas(self, tail: bytes) -> None:
        self.areas += _areas(tail)

    def _rows(self, part: str) -> int | None:
        """The last row by the sheet's own dimension; None where it tells none, or one that its size refutes."""
        try:
            head = next(self._package.blocks(part), b"")
        except (UnreadableFile, TooLarge):
            return None
        start = head.find(b"sheetData")
        found = _DIMENSION.search(head, 0, start if start >= 0 else len(head))
        rows = int(found[1]) if found else 0
        return rows if 0 < rows <= min(MAX_ROWS, self._package.size(part) // _SHORTEST_ROW) else None

    def _strings(self) -> pl.Series:
        part = self._kinds.get("sharedStrings", "")
        return shared_strings(self._package, part) if part in self._package else pl.Series([], dtype=pl.String)

    @cached_property
    def _formats(self) -> list[Format]:
        part = self._kinds.get("styles", "")
        if part not in self._package:
            return []
        styles = related.tree(self._package, part)
        codes = {
            node.attributes.get("numFmtId"): classify(node.attributes.get("formatCode", ""))
            for node in styles.all("numFmt")
        }
        cell_styles = styles.first("cellXfs")
        used = [node.attributes.get("numFmtId", "0") for node in cell_styles.all("xf")] if cell_styles else []
        return [codes.get(name) or BUILTIN.get(int(name) if name.isdecimal() else 0, GENERAL) for name in used]

    def _main_part(self) -> str:
        for kind, target in related.relations(self._package, "").values():
            if kind == "officeDocument" and target in self._package:
                return target
        if "xl/workbook.xml" in self._package:
            return "xl/workbook.xml"
        raise UnreadableFile("This is a ZIP file that holds no workbook.")


def _areas(text: bytes) -> list[Area]:
    """The merged areas named in a piece of XML."""
    return [
        Area(int(top) - 1, column_index(left.decode()), int(bottom) - 1, column_index(right.decode()))
        for left, top, right, bottom in _MERGED.findall(text)
    ]
