"""Cells as a workbook holds them, before number formats are looked at."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import polars as pl

from backend.errors import UnreadableFile

MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384
RAW = {
    "row": pl.UInt32,
    "column": pl.UInt32,
    "type": pl.UInt8,
    "style": pl.UInt32,
    "value": pl.String,
    "formula": pl.Boolean,
}
"""Columns of a frame of raw cells: row and column from 0, a `Type`, the style's index, the value's text."""

RawCell = tuple[int, int, int, int, str | None, bool]
"""The same as a tuple."""


class Area(NamedTuple):
    """A rectangle of cells, from 0, both ends within."""

    top: int
    left: int
    bottom: int
    right: int


class Type(IntEnum):
    """What the file says a cell's value is."""

    NUMBER = 0
    SHARED = 1
    TEXT = 2
    BOOLEAN = 3
    ERROR = 4
    ISO = 5


TYPES = {
    "n": Type.NUMBER,
    "s": Type.SHARED,
    "str": Type.TEXT,
    "inlineStr": Type.TEXT,
    "b": Type.BOOLEAN,
    "e": Type.ERROR,
    "d": Type.ISO,
}


def column_index(letters: str) -> int:
    """`A` → 0, `XFD` → 16383."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def check_bounds(cells: pl.DataFrame) -> None:
    """Raises UnreadableFile for a cell that no sheet can hold."""
    if cells.filter((pl.col("row") >= MAX_ROWS) | (pl.col("column") >= MAX_COLUMNS)).height:
        raise UnreadableFile("The workbook is damaged: it has cells beyond row 1,048,576 or column XFD.")


def frame(cells: list[RawCell]) -> pl.DataFrame:
    """Raw cells from tuples in the order of `RAW`."""
    return pl.DataFrame(cells, schema=RAW, orient="row")
