"""Delimited records: how they are written, and what a reading of them found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import polars as pl
from msgspec import Struct, field

BLANKS = " \t\v\f"
"""A line of nothing else is no record, unless the table has a single column."""


class Dialect(Struct, frozen=True):
    """How delimited text is written. `escape` is a character besides the doubled quote, e.g. a backslash."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None


class Records(Struct):
    """Consecutive records. `lines`: first physical line of each, counted from 0 at the text's start.

    `notes`: (line, message) of each damage that was repaired. `end`: where the next record begins;
    `passed`: physical lines up to there.
    """

    cells: list[list[str | None]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    end: int = 0
    passed: int = 0


class TooWideError(Exception):
    """A record has more cells than are allowed; `line` counts from 0 at the text's start."""

    def __init__(self, line: int, width: int) -> None:
        super().__init__(line, width)
        self.line = line
        self.width = width


def count_lines(text: str) -> int:
    """Physical line ends: LF, CRLF and a lone CR are one each."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def to_frame(cells: Sequence[Sequence[str | None]]) -> tuple[pl.DataFrame, np.ndarray]:
    """Records as a frame as wide as the longest, and the number of cells of each."""
    widths = np.fromiter(map(len, cells), np.int64, len(cells))
    columns = list(zip_longest(*cells))
    frame = pl.DataFrame([pl.Series(str(index), column, pl.String) for index, column in enumerate(columns)])
    return frame, widths
