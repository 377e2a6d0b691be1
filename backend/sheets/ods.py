"""OpenDocument spreadsheets, element by element."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from backend.errors import TooLarge, UnreadableFile, Unwelcome
from backend.sheets import raw, xml
from backend.sheets.package import Package
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import MAX_COLUMNS, MAX_ROWS, Area, RawCell, Type
from backend.sheets.values import Values, no_strings

BATCH = 50_000
CONTENT = "content.xml"
_CELL_BYTES = 128
"""What a cell costs here, in bytes."""
_NUMBERS = ("float", "percentage", "currency")
_HOLDING = ("value-type", "formula")
_PADDED = re.compile("0[0-9]+")
_SPACE = re.compile("[ \t\r\n]+")
_ROWS_REPEATED, _COLUMNS_REPEATED = "number-rows-repeated", "number-columns-repeated"


class Ods:
    """An OpenDocument spreadsheet. Raises UnreadableFile when it is none, is damaged or encrypted."""

    format = "ods"

    def __init__(self, package: Package) -> None:
        self._package = package
        self._most = package.memory // _CELL_BYTES
        if "META-INF/manifest.xml" in self._package:
            manifest = xml.tree([self._package.read("META-INF/manifest.xml")], "META-INF/manifest.xml")
            if manifest.first("encryption-data"):
                raise Unwelcome("The workbook is encrypted; save it without a password.")
        self.sheets = self._find_sheets()
        self.share = 0.0
        self.areas: list[Area] = []

    def values(self) -> Values:
        """What turns this workbook's raw cells into text."""
        return Values(no_strings, (), from_1904=False)

    def cells(self, index: int) -> Iterator[pl.DataFrame]:
        """Raw cells of a sheet, whole rows at a time. Raises UnreadableFile where it is damaged."""
        table = _Table(index, self._most)
        self.areas = table.areas
        blocks = self._package.measured(CONTENT)
        for _ in self._feed(table, blocks):
            if len(table.done) >= BATCH:
                self.share = blocks.share
                yield raw.frame(table.done)
                table.done.clear()
        yield raw.frame(table.done)

    def merged(self, index: int) -> list[Area]:
        """Merged areas of a sheet."""
        table = _Table(index, self._most)
        for _ in self._feed(table, self._package.blocks(CONTENT)):
            table.done.clear()
        return table.areas

    def _feed(self, table: _Table, blocks: Iterator[bytes]) -> Iterator[None]:
        return xml.feed(xml.parser(table.start, table.end, table.text), blocks, CONTENT)

    def _find_sheets(self) -> list[SheetInfo]:
        listing = _Listing()
        made = xml.parser(listing.start, listing.end, lambda _: None)
        for _ in xml.feed(made, self._package.blocks(CONTENT), CONTENT):
            pass
        return listing.sheets


class _Listing:
    """The state between XML events while the sheets are listed, each with the last row that holds a cell."""

    def __init__(self) -> None:
        self.sheets: list[SheetInfo] = []
        self._hidden: set[str] = set()
        self._path: list[str] = []
        self._style = ""
        self._table: dict[str, str] = {}
        self._row = self._last = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = xml.local(tag)
        if name == "table-row" and self._path.count("table") == 1:
            self._row += _count(attributes, _ROWS_REPEATED)
        elif name == "table-cell" and self._last < self._row and self._path.count("table") == 1:
            self._last = self._row if any(xml.local(key) in _HOLDING for key in attributes) else self._last
        elif name == "style":
            self._style = _named(attributes).get("name", "")
        elif name == "table-properties" and _named(attributes).get("display") == "false":
            self._hidden.add(self._style)
        elif name == "table" and self._path[-1:] == ["spreadsheet"]:
            self._table = _named(attributes)
            self._row = self._last = 0
        self._path.append(name)

    def end(self, _: str) -> None:
        if self._path.pop() == "table" and self._path[-1:] == ["spreadsheet"]:
            hidden = self._table.get("style-name", "") in self._hidden
            self.sheets.append(SheetInfo(self._table.get("name", ""), hidden, min(self._last, MAX_ROWS)))


class _Table:
    """The state between XML events while one table is read; `done` are the cells of rows that have ended."""

    def __init__(self, index: int, most: int) -> None:
        self.done: list[RawCell] = []
        self.areas: list[Area] = []
        self._left = index
        self._budget = most
        self._path: list[str] = []
        self._depth = 0
        self._inner = 0
        self._at = [0, 0]
        self._row: list[RawCell] = []
        self._rows = 1
        self._cell: dict[str, str] = {}
        self._paragraphs: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = xml.local(tag)
        self._path.append(name)
        if name == "table" and self._path[-2:-1] == ["spreadsheet"]:
            self._left -= 1
            self._depth = len(self._path) if self._left == -1 else 0
        elif not self._depth or self._inner:
            self._inner += name == "table" and self._inner > 0
        elif name == "table":
            self._inner = 1
        elif name == "table-row":
            self._row.clear()
            self._rows = _count(attributes, _ROWS_REPEATED)
            self._at[1] = 0
        elif name in ("table-cell", "covered-table-cell"):
            self._cell = _named(attributes)
            self._paragraphs.clear()
        elif name == "p" and self._path[-2] in ("table-cell", "covered-table-cell"):
            self._paragraphs.append("")
        elif name in ("s", "tab", "line-break"):
            self._add({"s": " " * _count(attributes, "c"), "tab": "\t", "line-break": "\n"}[name])

    def end(self, tag: str) -> None:
        name = xml.local(tag)
        if len(self._path) == self._depth:
            self._depth = 0
        self._path.pop()
        if self._inner:
            self._inner -= name == "table"
        elif not self._depth:
            return
        elif name in ("table-cell", "covered-table-cell"):
            self._finish_cell()
        elif name == "table-row":
            self._finish_row()

    def text(self, data: str) -> None:
        if self._depth and not self._inner:
            self._add(_SPACE.sub(" ", data))

    def _add(self, text: str) -> None:
        if self._paragraphs and "p" in self._path and "annotation" not in self._path:
            self._paragraphs[-1] += text

    def _finish_cell(self) -> None:
        row, column = self._at
        count = _count(self._cell, _COLUMNS_REPEATED)
        self._at[1] += count
        kind, value = _value(self._cell, self._paragraphs)
        formula = "formula" in self._cell
        down, right = _count(self._cell, "number-rows-spanned"), _count(self._cell, "number-columns-spanned")
        if down * right > 1:
            self.areas.append(Area(row, column, row + down - 1, column + right - 1))
        if value is None and not formula:
            return
        self._spend(count)
        if self._at[1] > MAX_COLUMNS:
            raise UnreadableFile(f"Row {row + 1} of the sheet has more than {MAX_COLUMNS:,} columns.")
        self._row += [(row, column + step, kind, 0, value, formula) for step in range(count)]

    def _finish_row(self) -> None:
        if self._row:
            self._spend(len(self._row) * (self._rows - 1))
        row = self._at[0]
        for step in range(self._rows if self._row else 0):
            self.done += [(row + step, *cell[1:]) for cell in self._row]
        self._at = [row + self._rows, 0]

    def _spend(self, cells: int) -> None:
        """Count cells that repetition makes."""
        self._budget -= cells if cells > 1 else 0
        if self._budget < 0:
            raise TooLarge("The sheet repeats cells beyond what SHEAF_WORKBOOK_MEMORY allows.")


def _named(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes by local name; those of an extension go behind the standard's own of the same name."""
    named: dict[str, str] = {}
    for key, value in attributes.items():
        prefix, _, name = key.rpartition(":")
        if prefix == "calcext":
            named[f"calcext-{name}"] = value
        else:
            named[name] = value
    return named


def _count(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name) or next((value for key, value in attributes.items() if xml.local(key) == name), "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 10 else 1


def _value(cell: dict[str, str], paragraphs: list[str]) -> tuple[Type, str | None]:
    """What a cell holds; None for nothing."""
    kind = cell.get("value-type")
    shown = "\n".join(paragraphs)
    if cell.get("calcext-value-type") == "error":
        return Type.ERROR, shown or "#ERROR"
    if kind in _NUMBERS and "value" in cell:
        if _PADDED.fullmatch(shown) and shown.lstrip("0") == cell["value"].removesuffix(".0").lstrip("0"):
            return Type.TEXT, shown
        return Type.NUMBER, cell["value"]
    if kind == "boolean" and "boolean-value" in cell:
        return Type.BOOLEAN, cell["boolean-value"]
    if kind in ("date", "time") and f"{kind}-value" in cell:
        return Type.ISO, cell[f"{kind}-value"]
    text = cell.get("string-value", shown)
    return Type.TEXT, text or None
