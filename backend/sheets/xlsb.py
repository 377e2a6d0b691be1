"""Binary OOXML workbooks, record by record."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cached_property

import polars as pl

from backend.errors import TooLarge, UnreadableFile
from backend.sheets import raw, related
from backend.sheets.formats import BUILTIN, GENERAL, Format, classify
from backend.sheets.package import Package
from backend.sheets.protocol import SheetInfo
from backend.sheets.raw import MAX_ROWS, Area, RawCell, Type, check_bounds
from backend.sheets.values import Values

BATCH = 50_000
LONGEST = 64 * 2**20
"""Bytes that one record may have."""
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
MAIN = "xl/workbook.bin"
_ROW, _STRING_ITEM, _FORMAT, _STYLE, _RICH = 0, 19, 44, 47, 62
_DATA, _DATA_END, _DIMENSION, _PROPERTIES, _SHEET, _MERGED = 145, 146, 148, 153, 156, 176
_STYLES, _STYLES_END = 617, 618
_RK, _ERROR, _BOOLEAN, _REAL, _TEXT, _SHARED = range(2, 8)
_OF_FORMULA = {8: _TEXT, 9: _REAL, 10: _BOOLEAN, 11: _ERROR}
_SHORT = {number + 11: number for number in range(_RK, _SHARED + 1)}
"""Cells that stand right of the one before them and say no column."""
_SMALLEST_ROW = 19
"""Bytes of a row without cells."""
_U16, _U32, _F64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<d")
_CELL, _EDGES = struct.Struct("<II"), struct.Struct("<4I")


class Xlsb:
    """A binary OOXML workbook. Raises UnreadableFile when it is none or is damaged."""

    format = "xlsb"

    def __init__(self, package: Package) -> None:
        self._package = package
        self.share = 0.0
        self.areas: list[Area] = []
        self.sheets: list[SheetInfo] = []
        self._parts: list[str] = []
        self._from_1904 = False
        leading = related.relations(package, MAIN)
        self._kinds = dict(leading.values())
        try:
            self._list_sheets(leading)
        except (struct.error, IndexError) as error:
            raise _broken(MAIN) from error

    def _list_sheets(self, leading: dict[str, tuple[str, str]]) -> None:
        for number, content in self._records(MAIN):
            if number == _PROPERTIES:
                self._from_1904 = bool(_U32.unpack_from(content)[0] & 1)
            elif number == _SHEET:
                relation, after = _text(content, 8)
                kind, target = leading.get(relation, ("", ""))
                holds = kind == "worksheet" and target in self._package
                missing = not holds and kind not in related.SHEETS_WITHOUT_CELLS
                hidden = _U32.unpack_from(content)[0] != 0
                rows = self._rows(target) if holds else None
                self.sheets.append(SheetInfo(_text(content, after)[0], hidden, rows, holds, missing))
                self._parts.append(target)

    def values(self) -> Values:
        """What turns this workbook's raw cells into text."""
        return Values(self._strings, self._formats, from_1904=self._from_1904)

    def cells(self, index: int) -> Iterator[pl.DataFrame]:
        """Raw cells of a sheet, whole rows at a time. Raises UnreadableFile where it is damaged."""
        try:
            yield from self._cells(self._parts[index])
        except (struct.error, IndexError) as error:
            raise _broken(self._parts[index]) from error

    def _cells(self, part: str) -> Iterator[pl.DataFrame]:
        blocks = self._package.measured(part)
        self.areas = []
        cells: list[RawCell] = []
        row = column = 0
        for number, content in _sound(records(blocks), part):
            if number == _ROW:
                row, column = _U32.unpack_from(content)[0], -1
                if len(cells) >= BATCH:
                    self.share = blocks.share
                    yield _checked(cells)
                    cells.clear()
            elif number <= 18 or number == _RICH:
                if number in _SHORT or number == 12:
                    column += 1
                    content = _U32.pack(column) + content  # noqa: PLW2901
                column = _U32.unpack_from(content)[0]
                if (cell := _cell(row, number, content)) is not None:
                    cells.append(cell)
            elif number == _MERGED:
                top, bottom, left, right = _EDGES.unpack_from(content)
                self.areas.append(Area(top, left, bottom, right))
        yield _checked(cells)

    def merged(self, index: int) -> list[Area]:
        """Merged areas of a sheet."""
        listed = self._records(self._parts[index])
        found = [_EDGES.unpack_from(content) for number, content in listed if number == _MERGED]
        return [Area(top, left, bottom, right) for top, bottom, left, right in found]

    def _records(self, part: str) -> Iterator[tuple[int, bytes]]:
        return _sound(records(self._package.blocks(part)), part)

    def _rows(self, part: str) -> int | None:
        """The last row by the sheet's own dimension; None where it tells none, or one that its size refutes."""
        try:
            for number, content in self._records(part):
                if number == _DIMENSION:
                    rows = int(_EDGES.unpack_from(content)[1]) + 1
                    return rows if rows <= min(MAX_ROWS, self._package.size(part) // _SMALLEST_ROW) else None
                if number == _DATA:
                    return None
        except (UnreadableFile, TooLarge, struct.error):
            return None
        return None

    def _strings(self) -> pl.Series:
        part = self._kinds.get("sharedStrings", "")
        found = self._records(part) if part in self._package else iter(())
        return pl.Series([_text(content, 1)[0] for number, content in found if number == _STRING_ITEM], dtype=pl.String)

    @cached_property
    def _formats(self) -> list[Format]:
        part = self._kinds.get("styles", "")
        codes: dict[int, Format] = {}
        used: list[Format] = []
        within = False
        for number, content in self._records(part) if part in self._package else ():
            if number == _FORMAT:
                codes[_U16.unpack_from(content)[0]] = classify(_text(content, 2)[0])
            elif number in (_STYLES, _STYLES_END):
                within = number == _STYLES
            elif number == _STYLE and within:
                key = _U16.unpack_from(content, 2)[0]
                used.append(codes.get(key) or BUILTIN.get(key, GENERAL))
        return used


def records(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and content of each record. Raises EOFError where the last one breaks off, ValueError for one too long."""
    rest = b""
    for block in blocks:
        rest += block
        at, size = 0, len(rest)
        while size - at >= 6 and (found := _head(rest, at)) and found[1] + found[2] <= size:
            number, start, length = found
            yield number, rest[start : start + length]
            at = start + length
        rest = rest[at:]
    at = 0
    padded = rest + bytes(6)
    while at < len(rest):
        number, start, length = _head(padded, at)
        if start + length > len(rest):
            raise EOFError
        yield number, rest[start : start + length]
        at = start + length


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """A record's number, where its content starts, and its length."""
    number = data[at]
    at += 1
    if number & 0x80:
        number = number & 0x7F | (data[at] & 0x7F) << 7
        at += 1
    length = shift = 0
    while shift < 28:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    if length > LONGEST:
        raise ValueError(length)
    return number, at, length


def _sound(found: Iterator[tuple[int, bytes]], part: str) -> Iterator[tuple[int, bytes]]:
    try:
        yield from found
    except (EOFError, ValueError) as error:
        raise _broken(part) from error


def _broken(part: str) -> UnreadableFile:
    return UnreadableFile(f"The workbook is damaged: its part {part} breaks off or holds what it should not.")


def _text(content: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where it ends."""
    length = _U32.unpack_from(content, at)[0]
    end = at + 4 + 2 * length
    if length == 0xFFFF_FFFF:
        return "", at + 4
    if end > len(content):
        raise UnreadableFile("The workbook is damaged: a text in it breaks off.")
    return content[at + 4 : end].decode("utf-16-le", "replace"), end


def _cell(row: int, number: int, content: bytes) -> RawCell | None:
    """The cell that a record of this number holds, behind its column and style."""
    column, style = _CELL.unpack_from(content)
    kind = _OF_FORMULA.get(number) or _SHORT.get(number, number)
    if kind not in _VALUES:
        return None
    type_, value = _VALUES[kind]
    return row, column, type_, style & 0xFF_FFFF, value(content), number in _OF_FORMULA


def _rk(packed: int) -> str:
    """A number in 30 bits: an integer or the upper half of a double, perhaps a hundred times too large."""
    if packed & 2:
        value = packed >> 2
        whole = value - (1 << 30) if value & (1 << 29) else value
        return repr(whole / 100) if packed & 1 else str(whole)
    double = _F64.unpack(bytes(4) + _U32.pack(packed & 0xFFFF_FFFC))[0]
    return repr(double / 100 if packed & 1 else double)


def _checked(cells: list[RawCell]) -> pl.DataFrame:
    frame = raw.frame(cells)
    check_bounds(frame)
    return frame


_VALUES: dict[int, tuple[Type, Callable[[bytes], str | None]]] = {
    _RK: (Type.NUMBER, lambda content: _rk(_U32.unpack_from(content, 8)[0])),
    _ERROR: (Type.ERROR, lambda content: ERRORS.get(content[8], "#ERROR")),
    _BOOLEAN: (Type.BOOLEAN, lambda content: str(content[8])),
    _REAL: (Type.NUMBER, lambda content: repr(_F64.unpack_from(content, 8)[0])),
    _TEXT: (Type.TEXT, lambda content: _text(content, 8)[0] or None),
    _SHARED: (Type.SHARED, lambda content: str(_U32.unpack_from(content, 8)[0])),
    _RICH: (Type.TEXT, lambda content: _text(content, 9)[0] or None),
}
"""What each kind of cell holds behind its column and style."""
