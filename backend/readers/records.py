"""The tolerant record parser: the authority on what delimited text means, well formed or not.

It works record by record in plain Python. Whatever the fast scan takes (`scan.py`) must come out the same here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import polars as pl
from msgspec import Struct, field

BLANKS = " \t\v\f"
"""A line of nothing else is no record, unless the table has a single column."""
LOOKAHEAD = 65_536
"""Characters behind a damaged quote in which its cell may still be closed on a later line."""


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


class _Incomplete(Exception):
    """The text ends before it is known how the record goes on."""


class _Damaged(Exception):
    """A quote stands where none can stand; `at` is its position, -1 when the cell is never closed."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def count_lines(text: str) -> int:
    """Physical line ends: LF, CRLF and a lone CR are one each."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


class RecordParser:
    """Parses records of one text under a dialect.

    `width`: cells that a record should have, to choose between readings of a damaged one. `final`: no more text
    follows. `longest`: characters after which a quoted cell counts as never closed.
    """

    def __init__(
        self, text: str, dialect: Dialect, *, width: int | None = None, final: bool = True, longest: int = 32 * 2**20
    ) -> None:
        self._text = text
        self._size = len(text)
        self._dialect = dialect
        self._width = width
        self._final = final
        self._longest = longest
        self._carriage = "\r" in text
        self._special = re.compile("|".join(re.escape(c) for c in (dialect.quote, dialect.escape) if c) or r"(?!)")

    def parse(self, *, start: int = 0, budget: int | None = None, most: int | None = None) -> Records:
        """Records from `start` on, until the text ends, `budget` characters are passed or `most` records are read."""
        result = Records(end=start)
        stop_at = self._size if budget is None else min(self._size, start + budget)
        while result.end < stop_at and (most is None or len(result.cells) < most):
            try:
                cells, end = self._next(result)
            except _Incomplete:
                break
            if cells is not None:
                result.cells.append(cells)
                result.lines.append(result.passed)
            lines = 1 if end <= self._after_line(result.end) else count_lines(self._text[result.end : end])
            result.passed += lines
            result.end = end
        return result

    def _next(self, result: Records) -> tuple[list[str | None] | None, int]:
        start = result.end
        after = self._after_line(start)
        if after == self._size and not self._final and self._text[after - 1 : after] not in ("\n", "\r"):
            raise _Incomplete
        line = self._text[start : self._content_end(start, after)]
        if self._skipped(line):
            return None, after
        if not self._special.search(line):
            return [cell or None for cell in line.split(self._dialect.delimiter)], after
        return self._quoted_record(start, result)

    def _skipped(self, line: str) -> bool:
        if self._dialect.comment and line.startswith(self._dialect.comment):
            return True
        if not line.strip(BLANKS):
            return not line or (self._width != 1 and self._dialect.delimiter not in line)
        return False

    def _after_line(self, start: int) -> int:
        """Position behind the line end of the line that holds `start`."""
        feed = self._text.find("\n", start)
        if feed < 0:
            feed = self._size
        if self._carriage:
            carriage = self._text.find("\r", start, feed)
            if carriage >= 0:
                return carriage + (2 if self._text.startswith("\n", carriage + 1) else 1)
        return min(feed + 1, self._size)

    def _content_end(self, start: int, after: int) -> int:
        """Position of the line end that `after` lies behind."""
        end = after
        if end > start and self._text[end - 1] == "\n":
            end -= 1
            if end > start and self._text[end - 1] == "\r":
                end -= 1
        elif end > start and self._text[end - 1] == "\r":
            end -= 1
        return end

    def _quoted_record(self, start: int, result: Records) -> tuple[list[str | None], int]:
        try:
            return self._record(start, "strict")
        except _Damaged as damage:
            what = "A quote is never closed" if damage.at < 0 else "A quote stands inside a quoted cell"
            cells, end, how = self._repair(start)
            result.notes.append((result.passed, f"{what}: {how}"))
            return cells, end

    def _repair(self, start: int) -> tuple[list[str | None], int, str]:
        """The reading of a damaged record that comes nearest to the width that it should have."""
        best: tuple[int, list[str | None], int, str] | None = None
        readings = (
            ("line", "the cell ends at the first fitting quote of its line"),
            ("literal", "the quote was read as text"),
            ("lines", "the cell ends at a quote on a later line"),
        )
        for mode, how in readings:
            try:
                cells, end = self._record(start, mode)
            except _Damaged:
                continue
            distance = 0 if self._width is None else abs(len(cells) - self._width)
            if best is None or distance < best[0]:
                best = (distance, cells, end, how)
            if distance == 0:
                break
        if best is None:
            raise AssertionError("the literal reading takes any text")
        return best[1:]

    def _record(self, start: int, mode: str) -> tuple[list[str | None], int]:
        """One record under a way of reading odd quotes: strict, line, lines or literal."""
        text, delimiter, quote = self._text, self._dialect.delimiter, self._dialect.quote
        cells: list[str | None] = []
        position = start
        after = self._after_line(start)
        stop = self._content_end(start, after)
        while True:
            if quote and text.startswith(quote, position) and position < stop:
                value, position = self._quoted_cell(position, mode, stop)
                if position > stop:
                    after = self._after_line(position)
                    stop = self._content_end(position, after)
                cells.append(value)
            else:
                value, position = self._bare_cell(position, stop)
                cells.append(value or None)
            if position >= stop:
                if after == self._size and not self._final and stop == after:
                    raise _Incomplete
                return cells, after
            position += len(delimiter)

    def _bare_cell(self, position: int, stop: int) -> tuple[str, int]:
        delimiter, escape = self._dialect.delimiter, self._dialect.escape
        end = self._text.find(delimiter, position, stop)
        end = stop if end < 0 else end
        if escape is None or self._text.find(escape, position, end) < 0:
            return self._text[position:end], end
        parts: list[str] = []
        begin = position
        while (at := self._text.find(escape, position, stop)) >= 0 and at < end:
            following = self._text[at + 1 : at + 1 + len(delimiter)]
            if following == delimiter or (following and following[0] in (escape, self._dialect.quote)):
                parts.append(self._text[begin:at])
                begin = at + 1
                position = at + 1 + (len(delimiter) if following == delimiter else 1)
                end = self._text.find(delimiter, position, stop)
                end = stop if end < 0 else end
            else:
                position = at + 1
        return "".join(parts) + self._text[begin:end], end

    def _quoted_cell(self, position: int, mode: str, stop: int) -> tuple[str, int]:
        """The cell whose opening quote stands at `position`, and where it ends."""
        if mode == "literal":
            try:
                value, end = self._strict_cell(position + 1)
            except _Damaged:
                return self._bare_cell(position, stop)
            return (value, end) if end <= stop else self._bare_cell(position, stop)
        try:
            return self._strict_cell(position + 1)
        except _Damaged:
            if mode == "strict":
                raise
        if mode == "lines":
            stop = position + LOOKAHEAD
            if stop > self._size and not self._final:
                raise _Incomplete
        return self._lenient_cell(position + 1, min(stop, self._size))

    def _strict_cell(self, begin: int) -> tuple[str, int]:
        """A cell that is closed by a quote in front of a delimiter or line end; inner ones doubled or escaped."""
        text, quote, escape = self._text, self._dialect.quote or "", self._dialect.escape
        parts: list[str] = []
        position = begin
        reach = begin + self._longest
        while True:
            found = self._special.search(text, position, reach)
            if found is None:
                if self._size < reach and not self._final:
                    raise _Incomplete
                raise _Damaged(-1)
            at = found.start()
            following = text[at + 1 : at + 2]
            if not following and not self._final:
                raise _Incomplete
            if found[0] == escape and found[0] != quote:
                if following and following in (quote, escape):
                    parts.append(text[begin:at])
                    begin = at + 1
                position = at + 2
            elif following == quote:
                parts.append(text[begin : at + 1])
                begin = position = at + 2
            elif self._closes(at):
                parts.append(text[begin:at])
                return "".join(parts), at + 1
            else:
                raise _Damaged(at)

    def _closes(self, at: int) -> bool:
        """Whether the quote at `at` stands in front of a delimiter, a line end or the end of all."""
        behind = at + 1
        if behind >= self._size or self._text[behind] in "\r\n":
            return True
        delimiter = self._dialect.delimiter
        if behind + len(delimiter) > self._size and not self._final:
            raise _Incomplete
        return self._text.startswith(delimiter, behind)

    def _lenient_cell(self, begin: int, stop: int) -> tuple[str, int]:
        """A cell that is closed by the first quote before `stop` that could close one; quotes inside are text."""
        quote = self._dialect.quote or ""
        position = begin
        while (at := self._text.find(quote, position, stop)) >= 0:
            if self._closes(at):
                return self._text[begin:at].replace(quote * 2, quote), at + 1
            position = at + 1
        raise _Damaged(-1)


def to_frame(cells: Sequence[Sequence[str | None]]) -> tuple[pl.DataFrame, np.ndarray]:
    """Records as a frame as wide as the longest, and the number of cells of each."""
    widths = np.fromiter(map(len, cells), np.int64, len(cells))
    columns = list(zip_longest(*cells))
    frame = pl.DataFrame([pl.Series(str(index), column, pl.String) for index, column in enumerate(columns)])
    return frame, widths
