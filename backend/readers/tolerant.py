"""The tolerant record parser: the authority on what delimited text means, well formed or not.

It works record by record in plain Python. Whatever the fast scan takes (`scan.py`) must come out the same here.
"""

from __future__ import annotations

import re
from typing import Literal

from backend.readers.records import BLANKS, Dialect, Records, TooWideError, count_lines

LOOKAHEAD = 16_384
"""Characters behind the line of a damaged quote in which its cell may still be closed on a later line."""
LONGEST = 32 * 2**20
"""Characters after which a quoted cell counts as never closed."""
WIDEST = 1_000_000
"""Cells of a record beyond which it is no record, where nothing else is said."""

Cells = list[str | None]
Mode = Literal["strict", "line", "literal", "lines"]

_EMPTY_LINES = re.compile(r"[\r\n]+")
_READINGS: tuple[tuple[Mode, str], ...] = (
    ("line", "the cell ends at the first fitting quote of its line"),
    ("literal", "the quote was read as text"),
    ("lines", "the cell ends at a quote on a later line"),
)
"""How a damaged record may be read, the likeliest way first."""


class _IncompleteError(Exception):
    """The text ends before it is known how the record goes on."""


class _DamagedError(Exception):
    """A quoted cell does not end as it should."""


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
        self._longest = longest
        self._widest = widest
        self._carriage = "\r" in text
        self._feed = (0, -1)
        self._line = 0
        self._special = re.compile("|".join(re.escape(c) for c in (dialect.quote, dialect.escape) if c) or r"(?!)")
        self._quoted, self._doubled, self._closing = _patterns(dialect)

    def parse(self, *, start: int = 0, budget: int | None = None, most: int | None = None) -> Records:
        """Records from `start` on, until the text ends, `budget` characters are passed or `most` records are read.

        Raises TooWideError.
        """
        result = Records(end=start)
        stop_at = self._size if budget is None else min(self._size, start + budget)
        while result.end < stop_at and (most is None or len(result.cells) < most):
            empty = _EMPTY_LINES.match(self._text, result.end)
            if empty:
                result.passed += count_lines(empty[0])
                result.end = empty.end()
                continue
            try:
                cells, end = self._next(result)
            except _IncompleteError:
                break
            if cells is not None:
                result.cells.append(cells)
                result.lines.append(result.passed)
            result.passed += 1 if end <= self._after_line(result.end) else count_lines(self._text[result.end : end])
            result.end = end
        return result

    def _next(self, result: Records) -> tuple[Cells | None, int]:
        start = result.end
        self._line = result.passed
        after = self._after_line(start)
        if after == self._size and not self._final and self._text[after - 1] not in "\r\n":
            raise _IncompleteError
        line = self._text[start : self._content_end(start, after)]
        if self._skipped(line):
            return None, after
        if len(line) > self._widest and (width := line.count(self._delimiter) + 1) > self._widest:
            raise TooWideError(self._line, width)
        if not self._special.search(line):
            return [cell or None for cell in line.split(self._delimiter)], after
        try:
            return self._record(start, "strict")
        except _DamagedError as damage:
            cells, end, how = self._repair(start)
            result.notes.append((result.passed, f"{damage}: {how}"))
            return cells, end

    def _skipped(self, line: str) -> bool:
        if self._dialect.comment and line.startswith(self._dialect.comment):
            return True
        return self._width != 1 and not line.strip(BLANKS) and self._delimiter not in line

    def _after_line(self, start: int) -> int:
        """Position behind the line end of the line that holds `start`."""
        since, feed = self._feed
        if not since <= start <= feed:
            feed = self._text.find("\n", start)
            feed = self._size if feed < 0 else feed
            self._feed = (start, feed)
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
        return end

    def _repair(self, start: int) -> tuple[Cells, int, str]:
        """The reading of a damaged record that comes nearest to the width that it should have."""
        best: tuple[float, Cells, int, str] | None = None
        for mode, how in _READINGS:
            try:
                cells, end = self._record(start, mode)
            except _DamagedError:
                continue
            distance = 0.0 if self._width is None else abs(len(cells) - self._width)
            if mode == "literal" and self._width is not None and not self._goes_on(end):
                distance += 0.5
            if best is None or distance < best[0]:
                best = (distance, cells, end, how)
            if distance == 0:
                break
        if best is None:
            raise AssertionError("the literal reading takes any text")
        return best[1:]

    def _goes_on(self, start: int) -> bool:
        """Whether what follows is a record of the right width, and not the rest of the one before."""
        after = self._after_line(start)
        if after == self._size and not self._final:
            raise _IncompleteError
        if start == after or not self._text[start : self._content_end(start, after)].strip(BLANKS):
            return True
        return len(self._record(start, "literal")[0]) == self._width

    def _record(self, start: int, mode: Mode) -> tuple[Cells, int]:
        """One record under a way of reading quotes, and where the next one begins."""
        quote = self._dialect.quote
        cells: Cells = []
        position = start
        after = self._after_line(start)
        stop = self._content_end(start, after)
        while True:
            if quote and position < stop and self._text.startswith(quote, position):
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
                    raise _IncompleteError
                return cells, after
            if len(cells) >= self._widest:
                raise TooWideError(self._line, len(cells) + 1)
            position += len(self._delimiter)

    def _bare_cell(self, position: int, stop: int) -> tuple[str, int]:
        end = self._text.find(self._delimiter, position, stop)
        end = stop if end < 0 else end
        escape = self._dialect.escape
        if escape is None or self._text.find(escape, position, end) < 0:
            return self._text[position:end], end
        return self._escaped_bare_cell(position, stop, escape)

    def _escaped_bare_cell(self, position: int, stop: int, escape: str) -> tuple[str, int]:
        """A bare cell in which escaped delimiters, quotes and escapes stand for themselves."""
        parts: list[str] = []
        begin = position
        while True:
            end = self._text.find(self._delimiter, position, stop)
            end = stop if end < 0 else end
            at = self._text.find(escape, position, end)
            if at < 0:
                return "".join(parts) + self._text[begin:end], end
            position = at + 1
            if self._text.startswith(self._delimiter, position):
                length = len(self._delimiter)
            elif self._text[position : position + 1] in (escape, self._dialect.quote):
                length = 1
            else:
                continue
            parts.append(self._text[begin:at])
            begin = position
            position += length

    def _quoted_cell(self, position: int, mode: Mode, stop: int) -> tuple[str, int]:
        """The cell whose opening quote stands at `position`, and where it ends."""
        try:
            return self._strict_cell(position + 1)
        except _DamagedError:
            if mode == "strict":
                raise
        if mode == "literal":
            return self._bare_cell(position, stop)
        if mode == "line":
            return self._lenient_cell(position + 1, position + 1, stop)
        reach = stop + LOOKAHEAD
        if reach > self._size and not self._final:
            raise _IncompleteError
        return self._lenient_cell(position + 1, stop, min(reach, self._size))

    def _strict_cell(self, begin: int) -> tuple[str, int]:
        """A cell that is closed by a quote in front of a delimiter or line end; inner ones doubled or escaped."""
        reach = begin + self._longest
        found = self._quoted.match(self._text, begin, reach)
        if found is None or (found.end() == self._size and not self._final):
            if self._size < reach and not self._final:
                raise _IncompleteError
            raise _DamagedError("A quote is never closed")
        at = found.end() - 1
        if not self._closes(at):
            raise _DamagedError("A quote stands inside a quoted cell")
        return self._doubled.sub(lambda pair: pair[0][1], self._text[begin:at]), at + 1

    def _closes(self, at: int) -> bool:
        """Whether the quote at `at` stands in front of a delimiter, a line end or the end of all."""
        behind = at + 1
        if behind >= self._size or self._text[behind] in "\r\n":
            return True
        if behind + len(self._delimiter) > self._size and not self._final:
            raise _IncompleteError
        return self._text.startswith(self._delimiter, behind)

    def _lenient_cell(self, begin: int, since: int, stop: int) -> tuple[str, int]:
        """A cell that ends at the first quote between `since` and `stop` that could close one; others are text."""
        found = self._closing.search(self._text, since, stop)
        if found is None or not self._closes(found.start()):
            raise _DamagedError("A quote is never closed")
        quote = found[0]
        return self._text[begin : found.start()].replace(quote * 2, quote), found.end()


def _patterns(dialect: Dialect) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A quoted cell behind its opening quote, the pairs in it that stand for their second half, a quote that closes."""
    quote = re.escape(dialect.quote or "")
    if not quote:
        return (re.compile(r"(?!)"),) * 3
    closing = re.compile(rf"{quote}(?={re.escape(dialect.delimiter)}|[\r\n]|\Z)")
    if not dialect.escape:
        return re.compile(f"(?:[^{quote}]++|{quote}{quote})*+{quote}"), re.compile(quote * 2), closing
    escape = re.escape(dialect.escape)
    inside = f"(?:[^{quote}{escape}]++|{quote}{quote}|{escape}.)*+{quote}"
    return re.compile(inside, re.DOTALL), re.compile(f"{quote}{quote}|{escape}[{quote}{escape}]"), closing
