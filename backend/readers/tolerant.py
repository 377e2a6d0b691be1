"""The tolerant record parser: the authority on what delimited text means, well formed or not.

It works record by record in plain Python. Whatever the fast scan takes (`scan.py`) must come out the same here.
"""

from __future__ import annotations

import re

from backend.readers.cells import LONGEST, LOOKAHEAD, WIDEST, Cells, DamagedError, IncompleteError, Mode, RecordReader
from backend.readers.records import BLANKS, Dialect, Records, TooWideError, count_lines
from backend.readers.repairs import fits, others

_EMPTY_LINES = re.compile(r"[\r\n]+")
SPACED = "White space around quotes was left out"
_READINGS: tuple[tuple[Mode, str], ...] = (
    ("line", "the cell ends at the first fitting quote of its line"),
    ("literal", "the quote was read as text"),
    ("trailing", "its quotes were read as text"),
    ("lines", "the cell ends at a quote on a later line"),
)
"""How a damaged record may be read, the likeliest way first."""


class RecordParser:
    """Parses records of one text under a dialect.

    `width`: cells that a record should have, to choose between readings of a damaged one. `final`: no more text
    follows. `longest`: characters after which a quoted cell counts as never closed. `widest`: most cells.
    """

    def __init__(
        self,
        text: str,
        dialect: Dialect,
        *,
        width: int | None = None,
        final: bool = True,
        longest: int = LONGEST,
        widest: int = WIDEST,
    ) -> None:
        self._text = text
        self._size = len(text)
        self._dialect = dialect
        self._delimiter = dialect.delimiter
        self._width = width
        self._final = final
        self._widest = widest
        self._reader = RecordReader(text, dialect, final=final, longest=longest, widest=widest)
        self._others: dict[Dialect, RecordReader] = {}

    def parse(self, *, budget: int | None = None, most: int | None = None) -> Records:
        """Records, until the text ends, `budget` characters are passed or `most` records are read.

        Raises TooWideError.
        """
        result = Records(end=0)
        stop_at = self._size if budget is None else min(self._size, budget)
        while result.end < stop_at and (most is None or len(result.cells) < most):
            empty = _EMPTY_LINES.match(self._text, result.end)
            if empty:
                result.passed += count_lines(empty[0])
                result.end = empty.end()
                continue
            try:
                cells, end = self._next(result)
            except IncompleteError:
                break
            if cells is not None:
                result.cells.append(cells)
                result.lines.append(result.passed)
            result.passed += (
                1 if end <= self._reader.after_line(result.end) else count_lines(self._text[result.end : end])
            )
            result.end = end
        return result

    def _next(self, result: Records) -> tuple[Cells | None, int]:
        start = result.end
        self._reader.line = result.passed
        after = self._reader.after_line(start)
        if after == self._size and not self._final and self._text[after - 1] not in "\r\n":
            raise IncompleteError
        line = self._text[start : self._reader.content_end(start, after)]
        if self._skipped(line):
            return None, after
        if len(line) > self._widest and (width := line.count(self._delimiter) + 1) > self._widest:
            raise TooWideError(self._reader.line, width)
        if not self._reader.patterns.special.search(line):
            bare: Cells = [cell or None for cell in line.split(self._delimiter)]
            return self._other(result, start, line, len(bare)) or (bare, after)
        try:
            cells, end = self._reader.record(start, "strict")
        except DamagedError as damage:
            other = self._spaced(result, start) or self._other(result, start, line, 0)
            return other or self._repair(result, start, damage)
        return self._other(result, start, line, len(cells)) or (cells, end)

    def _other(self, result: Records, start: int, line: str, found: int) -> tuple[Cells, int] | None:
        """The record as another dialect reads it, where that gives the width and the file's own does not."""
        if self._width is None or found == self._width:
            return None
        for dialect, how in others(line, self._dialect, self._width, found):
            if dialect not in self._others:
                self._others[dialect] = RecordReader(
                    self._text, dialect, final=self._final, longest=LOOKAHEAD, widest=self._widest
                )
            try:
                cells, end = self._others[dialect].record(start, "strict")
            except (DamagedError, TooWideError):
                continue
            if len(cells) == self._width and fits(cells, line, self._dialect, dialect):
                result.notes.append((result.passed, f"The record is written in another way: {how}"))
                return cells, end
        return None

    def _spaced(self, result: Records, start: int) -> tuple[Cells, int] | None:
        """A damaged record without white space around its quotes, where that makes it as wide as the others."""
        try:
            cells, end = self._reader.record(start, "spaced")
        except DamagedError:
            return None
        if self._distance(cells) or (self._width is None and end > self._reader.after_line(start)):
            return None
        result.notes.append((result.passed, SPACED))
        return cells, end

    def _distance(self, cells: Cells | None) -> int:
        """How far from the width a record is; a damaged one is none."""
        return 0 if cells is None or self._width is None else abs(len(cells) - self._width)

    def _skipped(self, line: str) -> bool:
        if self._dialect.comment and line.startswith(self._dialect.comment):
            return True
        return self._width != 1 and not line.strip(BLANKS) and self._delimiter not in line

    def _repair(self, result: Records, start: int, damage: DamagedError) -> tuple[Cells, int]:
        """The reading of a damaged record that comes nearest to the width that it should have."""
        best: tuple[float, Cells, int, str] | None = None
        for mode, how in _READINGS:
            try:
                cells, end = self._reader.record(start, mode)
            except DamagedError:
                continue
            distance = float(self._distance(cells))
            if mode == "literal" and self._width is not None and not self._goes_on(end):
                distance += 0.5
            if mode == "lines" and self._swallows(start, end):
                continue
            if best is None or distance < best[0]:
                best = (distance, cells, end, how)
            if distance == 0:
                break
        if best is None:
            raise AssertionError("the literal reading takes any text")
        result.notes.append((result.passed, f"{damage}: {best[3]}"))
        return best[1:3]

    def _swallows(self, start: int, end: int) -> bool:
        """Whether a sound record of the right width begins in a later line of what is read as one record."""
        position = self._reader.after_line(start)
        while self._width is not None and position < end:
            try:
                if len(self._reader.record(position, "strict")[0]) == self._width:
                    return True
            except DamagedError:
                pass
            position = self._reader.after_line(position)
        return False

    def _goes_on(self, start: int) -> bool:
        """Whether what follows is a record of the right width, and not the rest of the one before."""
        after = self._reader.after_line(start)
        if after == self._size and not self._final:
            raise IncompleteError
        if start == after or not self._text[start : self._reader.content_end(start, after)].strip(BLANKS):
            return True
        return len(self._reader.record(start, "literal")[0]) == self._width
