"""A strict parser of delimited text that tells an empty cell (None) from an empty text (`""`).

It shares nothing with the service's own readers, and knows no repair: what is not plain raises NotPlain.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class NotPlain(ValueError):
    """The text is not what RFC 4180 says, under the given delimiter and quote."""


class Record(NamedTuple):
    line: int
    """The physical line where it begins, from 1."""
    cells: tuple[str | None, ...]


def parse(text: str, delimiter: str = ",", quote: str = '"', *, blank_is_null: bool = False) -> Iterator[Record]:
    """The records; a blank line is none, or (`blank_is_null`, for tables of one column) a null."""
    end_of_cell = re.compile(f"{re.escape(delimiter)}|\r|\n|\\Z")
    at, line = 0, 1
    while at < len(text):
        start, cells, more = line, [], True
        while more:
            cell, at, lines = _cell(text, at, quote, end_of_cell)
            line += lines
            cells.append(cell)
            more = text.startswith(delimiter, at)
            at += len(delimiter) * more
        if text.startswith("\r\n", at):
            at += 2
        elif at < len(text):
            at += 1
        line += 1
        if cells != [None] or blank_is_null:
            yield Record(start, tuple(cells))


def _cell(text: str, at: int, quote: str, end_of_cell: re.Pattern[str]) -> tuple[str | None, int, int]:
    """A cell, where it ends, and how many line ends it holds."""
    if not text.startswith(quote, at):
        end = _end(text, at, end_of_cell)
        return text[at:end] or None, end, 0
    end = at + 1
    while True:
        end = text.find(quote, end)
        if end < 0:
            raise NotPlain(f"the quote at {at} never closes")
        if not text.startswith(quote, end + 1):
            break
        end += 2
    content, after = text[at + 1 : end], end + 1
    if after < len(text) and _end(text, after, end_of_cell) != after:
        raise NotPlain(f"text after the closing quote at {end}")
    return content.replace(quote * 2, quote), after, len(re.findall("\r\n|\r|\n", content))


def _end(text: str, at: int, end_of_cell: re.Pattern[str]) -> int:
    found = end_of_cell.search(text, at)
    return found.start() if found else len(text)
