"""One record of delimited text, cell by cell, under one way of reading its quotes."""

from __future__ import annotations

from typing import Literal

from backend.readers.records import Dialect, TooWideError
from backend.readers.repairs import patterns

LOOKAHEAD = 16_384
"""Characters behind the line of a damaged quote in which its cell may still be closed on a later line."""
LONGEST = 32 * 2**20
"""Characters after which a quoted cell counts as never closed."""
WIDEST = 1_000_000
"""Cells of a record beyond which it is no record, where nothing else is said."""

Cells = list[str | None]
Mode = Literal["strict", "spaced", "line", "literal", "trailing", "lines"]
"""How quotes are read: as they should be; with white space around them; a cell that does not end as it should ends at
the first fitting quote of its line, or is bare text, or is text whose quoted part holds no delimiters, or ends at a
quote on a later line."""


class IncompleteError(Exception):
    """The text ends before it is known how the record goes on."""


class DamagedError(Exception):
    """A quoted cell does not end as it should."""


class RecordReader:
    """Reads single records of a text; what it is made with is that of `RecordParser`.

    `line`: the physical line that is being read, for errors.
    """

    def __init__(self, text: str, dialect: Dialect, *, final: bool, longest: int, widest: int) -> None:
        self._text = text
        self._size = len(text)
        self._dialect = dialect
        self._delimiter = dialect.delimiter
        self._final = final
        self._longest = longest
        self._widest = widest
        self._carriage = "\r" in text
        self._feed = (0, -1)
        self.line = 0
        self.patterns = patterns(dialect)

    def after_line(self, start: int) -> int:
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

    def content_end(self, start: int, after: int) -> int:
        """Position of the line end that `after` lies behind."""
        end = after
        if end > start and self._text[end - 1] == "\n":
            end -= 1
        if end > start and self._text[end - 1] == "\r":
            end -= 1
        return end

    def record(self, start: int, mode: Mode) -> tuple[Cells, int]:
        """One record under a way of reading quotes, and where the next one begins."""
        quote = self._dialect.quote
        cells: Cells = []
        position = start
        after = self.after_line(start)
        stop = self.content_end(start, after)
        while True:
            opens = position
            if mode == "spaced" and (blanks := self.patterns.blanks.match(self._text, position, stop)):
                opens = blanks.end()
            if quote and opens < stop and self._text.startswith(quote, opens):
                value, position = self._quoted_cell(opens, mode, stop)
                if position > stop:
                    after = self.after_line(position)
                    stop = self.content_end(position, after)
                cells.append(value)
            else:
                value, position = self._bare_cell(position, stop)
                cells.append(value or None)
            if position >= stop:
                if after == self._size and not self._final and stop == after:
                    raise IncompleteError
                return cells, after
            if len(cells) >= self._widest:
                raise TooWideError(self.line, len(cells) + 1)
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
            return self._strict_cell(position + 1, spaced=mode == "spaced")
        except DamagedError:
            if mode in ("strict", "spaced"):
                raise
        if mode == "literal":
            return self._bare_cell(position, stop)
        if mode == "trailing":
            found = self.patterns.quoted.match(self._text, position + 1, stop)
            end = self._bare_cell(found.end() if found else position, stop)[1]
            return self._text[position:end], end
        if mode == "line":
            return self._lenient_cell(position + 1, position + 1, stop)
        reach = stop + LOOKAHEAD
        if reach > self._size and not self._final:
            raise IncompleteError
        return self._lenient_cell(position + 1, stop, min(reach, self._size))

    def _strict_cell(self, begin: int, *, spaced: bool = False) -> tuple[str, int]:
        """A cell that is closed by a quote in front of a delimiter or line end; inner ones doubled or escaped."""
        reach = begin + self._longest
        found = self.patterns.quoted.match(self._text, begin, reach)
        if found is None or (found.end() == self._size and not self._final):
            if self._size < reach and not self._final:
                raise IncompleteError
            raise DamagedError("A quote is never closed")
        behind = found.end()
        if spaced and (blanks := self.patterns.blanks.match(self._text, behind)):
            behind = blanks.end()
        if not self._ends(behind):
            raise DamagedError("A quote stands inside a quoted cell")
        return self.patterns.doubled.sub(lambda pair: pair[0][1], self._text[begin : found.end() - 1]), behind

    def _ends(self, at: int) -> bool:
        """Whether a delimiter, a line end or the end of all stands at `at`."""
        if at >= self._size or self._text[at] in "\r\n":
            return True
        if at + len(self._delimiter) > self._size and not self._final:
            raise IncompleteError
        return self._text.startswith(self._delimiter, at)

    def _lenient_cell(self, begin: int, since: int, stop: int) -> tuple[str, int]:
        """A cell that ends at the first quote between `since` and `stop` that could close one; others are text."""
        found = self.patterns.closing.search(self._text, since, stop)
        if found is None or not self._ends(found.end()):
            raise DamagedError("A quote is never closed")
        quote = found[0]
        return self._text[begin : found.start()].replace(quote * 2, quote), found.end()
