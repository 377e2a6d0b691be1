"""Records that are written another way than the rest of their file: which ways are worth a try, and which fit."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from backend.readers.records import Dialect
from backend.readers.shapes import shape

_DELIMITERS = (";", "\t", "|", ",", " ")
_QUOTES = "\"'"


class Patterns(Struct, frozen=True):
    """What a parser looks for under a dialect.

    `special`: any quote or escape; `quoted`: a quoted cell behind its opening quote; `doubled`: the pairs in it that
    stand for their second half; `closing`: a quote that closes; `blanks`: white space that is no delimiter.
    """

    special: re.Pattern[str]
    quoted: re.Pattern[str]
    doubled: re.Pattern[str]
    closing: re.Pattern[str]
    blanks: re.Pattern[str]


def patterns(dialect: Dialect) -> Patterns:
    """The patterns of a dialect."""
    never = re.compile(r"(?!)")
    special = "|".join(re.escape(sign) for sign in (dialect.quote, dialect.escape) if sign)
    if not dialect.quote:
        return Patterns(re.compile(special) if special else never, never, never, never, never)
    quote, delimiter, escape = (re.escape(sign or "") for sign in (dialect.quote, dialect.delimiter, dialect.escape))
    blanks = "".join(sign for sign in " \t" if sign not in dialect.delimiter)
    inside = f"(?:[^{quote}]++|{quote}{quote})*+{quote}"
    pairs = quote * 2
    if escape:
        inside = f"(?:[^{quote}{escape}]++|{quote}{quote}|{escape}.)*+{quote}"
        pairs = f"{quote}{quote}|{escape}[{quote}{escape}]"
    return Patterns(
        special=re.compile(special),
        quoted=re.compile(inside, re.DOTALL),
        doubled=re.compile(pairs),
        closing=re.compile(rf"{quote}(?={delimiter}|[\r\n]|\Z)"),
        blanks=re.compile(f"[{blanks}]*+") if blanks else re.compile(""),
    )


def others(line: str, dialect: Dialect, width: int, found: int) -> Iterator[tuple[Dialect, str]]:
    """Other ways to read a record whose first line is `line`, likely ones first, and how each is called.

    `found`: cells under the dialect of the file, which is not `width`; 0 where its quotes are damaged.
    """
    if width < 2:
        return
    quote, delimiter = dialect.quote, dialect.delimiter
    if quote and dialect.escape is None and f"\\{quote}" in line:
        yield structs.replace(dialect, escape="\\"), "a backslash escapes the quotes of this record"
    for mark in _QUOTES if quote else "":
        if mark != quote and line.count(mark) > 1:
            yield structs.replace(dialect, quote=mark), f"the quote of this record is {mark}"
    if found > width:
        return
    for sign in _DELIMITERS:
        if sign not in delimiter and line.count(sign) >= width - 1 and (sign != " " or (width > 2 and found < 2)):
            shown = {"\t": "a tab", " ": "a space"}.get(sign, sign)
            yield structs.replace(dialect, delimiter=sign), f"the delimiter of this record is {shown}"


def widths_in_doubt(text: bytes, dialect: Dialect, width: int) -> range:
    """The widths that records of a text may have by being written in another way, as far as its signs say."""
    if any(mark.encode() in text for mark in ("\\", *_QUOTES) if mark != dialect.quote):
        return range(1, sys.maxsize)
    divided = any(sign.encode() in text for sign in _DELIMITERS if sign not in dialect.delimiter and sign != " ")
    return range(1, width if divided else 2)


def fits(cells: Sequence[str | None], line: str, dialect: Dialect, other: Dialect) -> bool:
    """Whether `cells`, as many as there should be, hold the delimiter of the file in quotes or numbers alone.

    What spaces divide are words as well, unless most of them are values or stand in quotes.
    """
    if dialect.delimiter == other.delimiter:
        return True
    quote = dialect.quote or ""
    quoted = [bool(cell and quote) and f"{quote}{cell}{quote}" in line for cell in cells]
    shapes = [shape(cell) for cell in cells]
    if any(
        cell and dialect.delimiter in cell and name != "number" and not inside
        for cell, name, inside in zip(cells, shapes, quoted, strict=True)
    ):
        return False
    return other.delimiter != " " or 2 * (sum(quoted) + sum(n not in ("text", "empty") for n in shapes)) > len(cells)
