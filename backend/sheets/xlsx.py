"""OOXML workbooks: which sheets there are, and the cells of one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property

import polars as pl

from backend.errors import UnreadableFile
from backend.sheets import sheet_exact, sheet_fast, xml
from backend.sheets.formats import BUILTIN, GENERAL, Format, classify
from backend.sheets.package import Package
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import Area, check_bounds, column_index
from backend.sheets.strings import OddShape, shared_strings
from backend.sheets.values import Values

_MERGED = re.compile(rb'<(?:[\w.-]+:)?mergeCell [^>]*?ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')


class Xlsx:
    """An OOXML workbook, with macros or without. Raises UnreadableFile when it is none, is damaged or encrypted."""

    def __init__(self, package: Package) -> None:
        self._package = package
        main = self._main_part()
        book = self._tree(main)
        related = self._relations(main)
        self._kinds = dict(related.values())
        self._parts: list[str] = []
        self.sheets: list[SheetInfo] = []
        for sheet in book.all("sheet"):
            kind, target = related.get(sheet.attributes.get("id", ""), ("", ""))
            if kind == "worksheet" and target in self._package:
                hidden = sheet.attributes.get("state", "visible") != "visible"
                self.sheets.append(SheetInfo(sheet.attributes.get("name", ""), hidden))
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
        done = 0
        try:
            for cells in sheet_fast.fast(self._package.blocks(part)):
                check_bounds(cells)
                done += cells.height
                yield cells
        except OddShape:
            skip = done
            for cells in sheet_exact.exact(self._package.blocks(part), part):
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
            areas += [_area(*found) for found in _MERGED.findall(tail)]
            tail = tail[tail.rfind(b"<") :] if b"<" in tail else b""
        return areas

    def _strings(self) -> pl.Series:
        part = self._kinds.get("sharedStrings", "")
        return shared_strings(self._package, part) if part in self._package else pl.Series([], dtype=pl.String)

    @cached_property
    def _formats(self) -> list[Format]:
        part = self._kinds.get("styles", "")
        if part not in self._package:
            return []
        styles = self._tree(part)
        codes = {
            node.attributes.get("numFmtId"): classify(node.attributes.get("formatCode", ""))
            for node in styles.all("numFmt")
        }
        cell_styles = styles.first("cellXfs")
        used = [node.attributes.get("numFmtId", "0") for node in cell_styles.all("xf")] if cell_styles else []
        return [codes.get(name) or BUILTIN.get(int(name) if name.isdecimal() else 0, GENERAL) for name in used]

    def _main_part(self) -> str:
        for kind, target in self._relations("").values():
            if kind == "officeDocument" and target in self._package:
                return target
        if "xl/workbook.xml" in self._package:
            return "xl/workbook.xml"
        raise UnreadableFile("This is a ZIP file that holds no workbook.")

    def _tree(self, part: str) -> xml.Node:
        return xml.tree([self._package.read(part)], part)

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """By id: the last word of the relation's type, and the part it leads to."""
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        if listed not in self._package:
            return {}
        found = {}
        for node in self._tree(listed).all("Relationship"):
            kind = node.attributes.get("Type", "").rpartition("/")[2]
            target = posixpath.normpath(
                posixpath.join("/", folder, node.attributes.get("Target", "").replace("\\", "/"))
            )
            found[node.attributes.get("Id", "")] = kind, target.lstrip("/")
        return found


def _area(left: bytes, top: bytes, right: bytes, bottom: bytes) -> Area:
    return Area(int(top) - 1, column_index(left.decode()), int(bottom) - 1, column_index(right.decode()))
