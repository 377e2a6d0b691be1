"""The cells of one OOXML sheet of any shape, element by element."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import polars as pl

from backend.sheets import raw, texts, xml
from backend.sheets.raw import TYPES, Area, RawCell, Type, column_index
from backend.sheets.strings import StringItem

BATCH = 50_000
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})")


def exact(blocks: Iterable[bytes], name: str, areas: list[Area]) -> Iterator[pl.DataFrame]:
    """Raw cells in the order of the file, whole rows at a time; merged areas go to `areas`.

    Raises UnreadableFile where the XML is broken.
    """
    sheet = _Sheet(areas)
    for _ in xml.feed(xml.parser(sheet.start, sheet.end, sheet.text), blocks, name):
        if len(sheet.done) >= BATCH:
            yield raw.frame(sheet.done)
            sheet.done.clear()
    yield raw.frame(sheet.done)


class _Sheet:
    """The state between XML events; `done` are the cells of rows that have ended."""

    def __init__(self, areas: list[Area]) -> None:
        self.done: list[RawCell] = []
        self._areas = areas
        self._data = False
        self._row: list[RawCell] = []
        self._at = [-1, -1]
        self._cell: dict[str, str] | None = None
        self._value: list[str] = []
        self._has_formula = False
        self._inside = ""
        self._item = StringItem()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = xml.local(tag)
        if not self._data:
            self._data = name == "sheetData"
            if name == "mergeCell" and (found := _REFERENCE.fullmatch(attributes.get("ref", ""))):
                left, top, right, bottom = found.groups()
                self._areas.append(Area(int(top) - 1, column_index(left), int(bottom) - 1, column_index(right)))
        elif name == "row":
            self._at = [_number(attributes.get("r"), self._at[0] + 1), -1]
        elif name == "c":
            self._cell = attributes
            self._has_formula = False
            self._place(attributes.get("r", ""))
        elif name == "v":
            self._inside = "v"
        elif name == "f":
            self._has_formula = True
        elif name == "is":
            self._inside = "is"
        elif self._inside == "is":
            self._item.start(name)

    def end(self, tag: str) -> None:
        name = xml.local(tag)
        if name == "c" and self._cell is not None:
            self._row.append(self._finished(self._cell))
            self._cell = None
        elif name == "row":
            self.done += self._row
            self._row.clear()
        elif name == "sheetData":
            self._data = False
        elif name in ("v", "is"):
            self._inside = ""
        elif self._inside == "is":
            self._item.end(name)

    def text(self, data: str) -> None:
        if self._inside == "v":
            self._value.append(data)
        elif self._inside == "is":
            self._item.text(data)

    def _place(self, reference: str) -> None:
        letters = reference.upper().rstrip("0123456789")
        row, column = self._at
        if letters.isascii() and letters.isalpha() and len(letters) < 4:
            self._at = [_number(reference[len(letters) :], row), column_index(letters)]
        else:
            self._at = [row, column + 1]

    def _finished(self, attributes: dict[str, str]) -> RawCell:
        kind = TYPES.get(attributes.get("t", "n"), Type.NUMBER)
        style = attributes.get("s", "")
        value = "".join(self._value)
        if kind is Type.TEXT:
            value = self._item.take() or texts.escaped(value)
        self._value.clear()
        row, column = self._at
        return row, column, kind, int(style) if style.isdecimal() else 0, value or None, self._has_formula


def _number(text: str | None, otherwise: int) -> int:
    """A row number as people count, made to count from 0."""
    return int(text) - 1 if text and text.isdecimal() and len(text) < 9 else otherwise
