"""The fast way through well-formed text: a vectorised check of every byte, then polars' own parser."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec import Struct

from backend.readers.records import BLANKS, Dialect
from backend.readers.repairs import others, widths_in_doubt

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LF, _CR = 10, 13
_STAND_IN = b"\x1f"
_LINE_END = re.compile(rb"[\r\n]")


class Piece(Struct):
    """Consecutive records of a text, as many columns wide as the longest.

    `lines`: first physical line of each record from 0; `widths`: cells of each; `used`: bytes read;
    `passed`: physical lines in them; `notes`: (line, message) of repaired damage.
    """

    frame: pl.DataFrame
    lines: Positions
    widths: Positions
    used: int
    passed: int
    notes: list[tuple[int, str]] = []


def scan(data: bytes, dialect: Dialect, *, width: int, widest: int) -> Piece | None:
    """The whole records at the start of UTF-8 text `data`, or None when they are not regular enough.

    Regular: every quote opens or closes a cell or is doubled inside one, nothing else is escaped, and records that
    are not `width` cells wide cannot be read in another way. Lines of white space are records
    only at a `width` of one, and no record has more cells than `widest`. `data` must not end between CR and LF.
    """
    if not data or _has_comment(data, dialect.comment):
        return None
    if dialect.escape and dialect.escape.encode() in data:
        unescaped = _doubled(data, dialect)
        if unescaped is None:
            return None
        data = unescaped
    delimiter = dialect.delimiter.encode()
    quote = dialect.quote.encode() if dialect.quote else None
    if quote is not None and quote not in data:
        quote = None
    if quote is not None and len(quote) > 1:
        return None
    if len(delimiter) == 1:
        return _scan(data, dialect, quote, width, widest)
    return _scan_long(data, dialect, quote, width, widest)


def _scan_long(data: bytes, dialect: Dialect, quote: bytes | None, width: int, widest: int) -> Piece | None:
    """The same for a delimiter of several bytes: another one stands in for it, and is put back where it is text."""
    if _STAND_IN in data:
        return None
    delimiter = dialect.delimiter.encode()
    replaced = data.replace(delimiter, _STAND_IN)
    piece = _scan(replaced, dialect, quote, width, widest)
    if piece is None:
        return None
    piece.used += replaced.count(_STAND_IN, 0, piece.used) * (len(delimiter) - 1)
    if quote is not None:
        sign = _STAND_IN.decode()
        piece.frame = piece.frame.with_columns(pl.all().str.replace_all(sign, dialect.delimiter, literal=True))
    return piece


def _has_comment(data: bytes, comment: str | None) -> bool:
    """Whether a physical line begins with the comment sign."""
    if not comment:
        return False
    sign = comment.encode()
    return data.startswith(sign) or b"\n" + sign in data or b"\r" + sign in data


def _doubled(data: bytes, dialect: Dialect) -> bytes | None:
    """The text, as long as before, with doubled quotes for escaped ones; None where that could mean something else."""
    sign, quote, delimiter = ((part or "").encode() for part in (dialect.escape, dialect.quote, dialect.delimiter))
    if not quote or len(sign) > 1 or data.startswith(sign + quote):
        return None
    if any(before + sign + quote in data for before in (b"\n", b"\r", delimiter)):
        return None
    if sign + sign in data or sign + delimiter in data:
        return None
    return data.replace(sign + quote, quote + quote)


def _scan(data: bytes, dialect: Dialect, quote: bytes | None, width: int, widest: int) -> Piece | None:
    delimiter = dialect.delimiter.encode()
    delimiter = delimiter if len(delimiter) == 1 else _STAND_IN
    text: Bytes = np.frombuffer(data, np.uint8)
    feeds = text == _LF
    carriages = text == _CR if b"\r" in data else None
    if carriages is not None:
        feeds[:-1] |= carriages[:-1] > feeds[1:]
        feeds[-1] |= carriages[-1]
    separators = feeds | (text == delimiter[0])
    good = len(text)
    if quote is not None:
        quotes = text == quote[0]
        inside = np.logical_xor.accumulate(quotes)
        good = _first_misplaced(quotes, inside, separators if carriages is None else separators | carriages)
        separators = separators > inside
    marks = np.flatnonzero(separators[:good])
    breaks = np.flatnonzero(feeds[marks])
    ends = marks[breaks]
    if not len(ends):
        return None
    used = int(ends[-1]) + 1
    starts = np.concatenate(([0], ends[:-1] + 1))
    lines, passed = _line_numbers(feeds[:used], ends, quoted=quote is not None)
    body, blank = _plain(text[:used], starts, ends)
    widths = np.diff(breaks, prepend=-1)
    doubt = _first_doubt(data, dialect, starts, ends, np.where(blank, width, widths), width)
    if doubt is not None:
        return _scan(data[: starts[doubt]], dialect, quote, width, widest) if doubt else None
    widths = widths[~blank]
    if widths.max(initial=0) > widest:
        return None
    piece = Piece(pl.DataFrame(), lines[~blank], widths, used, passed)
    if not _read(piece, body, delimiter, quote):
        return None
    if width != 1:
        _drop_blanks(piece, text[starts[~blank]])
    return piece


def _first_doubt(
    data: bytes, dialect: Dialect, starts: Positions, ends: Positions, widths: Positions, width: int
) -> int | None:
    """Index of the first record not as wide as it should be that may be written another way."""
    if width < 2:
        return None
    ragged = np.flatnonzero(widths != width)
    if not len(ragged):
        return None
    doubtful = widths_in_doubt(data, dialect, width)
    ragged = ragged[(widths[ragged] >= doubtful.start) & (widths[ragged] < doubtful.stop)]
    for index in ragged.tolist():
        record = data[starts[index] : ends[index]].rstrip(b"\r")
        if not record.strip(BLANKS.encode()):
            continue
        line = _LINE_END.split(record, maxsplit=1)[0].decode().replace(_STAND_IN.decode(), dialect.delimiter)
        if next(others(line, dialect, width, int(widths[index])), None):
            return index
    return None


def _line_numbers(feeds: Mask, ends: Positions, *, quoted: bool) -> tuple[Positions, int]:
    """The first physical line of each record, from 0, and the number of lines in all."""
    every = np.flatnonzero(feeds) if quoted else ends
    if len(every) == len(ends):
        return np.arange(len(ends)), len(ends)
    after = np.searchsorted(every, ends) + 1
    return np.concatenate(([0], after[:-1])), len(every)


def _first_misplaced(quotes: Mask, inside: Mask, ends: Mask) -> int:
    """The first place where a quote that opens or closes a cell has ordinary text on its outer side."""
    wrong = np.empty_like(quotes)
    wrong[0] = False
    wrong[1:] = quotes[:-1]
    wrong[:-1] |= quotes[1:]
    wrong &= ~(ends | quotes | inside)
    first = int(wrong.argmax())
    return first if wrong[first] else len(quotes)


def _plain(text: Bytes, starts: Positions, ends: Positions) -> tuple[Bytes, Mask]:
    """The text without empty lines and with LF for each lone CR that ends a record; which records were empty."""
    paired = (text[ends] == _LF) & (ends > starts) & (text[ends - 1] == _CR)
    blank = starts + paired == ends
    lone = ends[text[ends] == _CR]
    if not len(lone) and not blank.any():
        return text, blank
    text = text.copy()
    text[lone] = _LF
    keep = np.ones(len(text), np.bool_)
    keep[ends[blank]] = False
    keep[starts[blank]] = False
    return text[keep], blank


def _read(piece: Piece, body: Bytes, delimiter: bytes, quote: bytes | None) -> bool:
    """Fill in the frame. A line of our own goes ahead, since polars looks for signatures and widths in the first."""
    widest = int(piece.widths.max(initial=1))
    ahead = b"0" + delimiter * (widest - 1) + b"\n"
    try:
        frame = pl.read_csv(
            b"".join((ahead, body.data)),
            has_header=False,
            schema={str(index): pl.String for index in range(widest)},
            separator=delimiter.decode(),
            quote_char=quote.decode() if quote else None,
        )
    except pl.exceptions.PolarsError:
        return False
    piece.frame = frame.slice(1)
    return frame.height == len(piece.widths) + 1


def _drop_blanks(piece: Piece, first: Bytes) -> None:
    """Leave out the lines of white space alone; `first` is the first byte of each record."""
    single = np.flatnonzero((piece.widths == 1) & np.isin(first, np.frombuffer(BLANKS.encode(), np.uint8)))
    if not len(single):
        return
    empty = (piece.frame["0"].gather(single).str.strip_chars(BLANKS) == "").fill_null(value=False)
    keep = np.ones(len(piece.widths), np.bool_)
    keep[single[empty.to_numpy()]] = False
    piece.frame = piece.frame.filter(pl.Series(keep))
    piece.lines, piece.widths = piece.lines[keep], piece.widths[keep]
