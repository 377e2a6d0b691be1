"""The fast way through well-formed text: a vectorised check of every byte, then polars' own parser."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec import Struct

from backend.readers.records import BLANKS, Dialect

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

_LF, _CR = 10, 13
_STAND_IN = b"\x1f"


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


def scan(data: bytes, dialect: Dialect, *, width: int) -> Piece | None:
    """The whole records at the start of UTF-8 text `data`, or None when they are not regular enough.

    Regular: every quote opens or closes a cell or is doubled inside one, nothing is escaped otherwise, and no
    record of several lines differs from `width`. `data` must not end between CR and LF.
    """
    if _needs_care(data, dialect):
        return None
    delimiter = dialect.delimiter.encode()
    if len(delimiter) > 1:
        if _STAND_IN in data or (dialect.quote and dialect.quote.encode() in data):
            return None
        piece = _scan(data.replace(delimiter, _STAND_IN), _STAND_IN, None, width)
        if piece is not None:
            piece.used += int((piece.widths - 1).sum()) * (len(delimiter) - 1)
        return piece
    quote = dialect.quote.encode() if dialect.quote else None
    return _scan(data, delimiter, quote if quote is not None and quote in data else None, width)


def _needs_care(data: bytes, dialect: Dialect) -> bool:
    return any(part and part.encode() in data for part in (dialect.escape, dialect.comment))


def _scan(data: bytes, delimiter: bytes, quote: bytes | None, width: int) -> Piece | None:
    text: Bytes = np.frombuffer(data, np.uint8)
    feeds = text == _LF
    carriages = data.count(b"\r")
    if carriages and carriages != data.count(b"\r\n"):
        returns = text == _CR
        returns[:-1] &= ~feeds[1:]
        feeds |= returns
    separators = feeds | (text == delimiter[0])
    quotes = None
    if quote is not None:
        quotes = text == quote[0]
        separators &= (np.cumsum(quotes, dtype=np.uint8) & 1) == 0
    marks = np.flatnonzero(separators)
    breaks = np.flatnonzero(feeds[marks])
    if not len(breaks):
        return None
    ends = marks[breaks]
    used = int(ends[-1]) + 1
    if quotes is not None and not _well_placed(text, np.flatnonzero(quotes[:used]), delimiter[0]):
        return None
    widths = np.diff(breaks, prepend=-1)
    lines, passed = _line_numbers(feeds[:used], ends, quoted=quotes is not None)
    several = np.diff(lines, append=passed) > 1
    if (widths[several] != width).any():
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    body, blank = _plain(text[:used], starts, ends)
    piece = Piece(pl.DataFrame(), lines[~blank], widths[~blank], used, passed)
    if not _read(piece, body, delimiter, quote):
        return None
    if width != 1:
        _drop_blanks(piece, text[starts[~blank]])
    return piece


def _well_placed(text: Bytes, quotes: Positions, delimiter: int) -> bool:
    """Whether each opening quote follows, and each closing one precedes, a delimiter, line end or quote."""
    if not len(quotes):
        return True
    fits = np.zeros(256, np.bool_)
    fits[[delimiter, _LF, _CR, text[quotes[0]]]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    if opening[0] == 0:
        opening = opening[1:]
    return bool(fits[text[opening - 1]].all() and fits[text[closing + 1]].all())


def _line_numbers(feeds: npt.NDArray[np.bool_], ends: Positions, *, quoted: bool) -> tuple[Positions, int]:
    """The first physical line of each record, from 0, and the number of lines in all."""
    if not quoted:
        return np.arange(len(ends)), len(ends)
    every = np.flatnonzero(feeds)
    if len(every) == len(ends):
        return np.arange(len(ends)), len(ends)
    after = np.searchsorted(every, ends) + 1
    return np.concatenate(([0], after[:-1])), len(every)


def _plain(text: Bytes, starts: Positions, ends: Positions) -> tuple[bytes, npt.NDArray[np.bool_]]:
    """The text without empty lines and with LF for each lone CR that ends a record; which records were empty."""
    paired = (text[ends] == _LF) & (ends > starts) & (text[ends - 1] == _CR)
    blank = starts + paired == ends
    lone = ends[text[ends] == _CR]
    if not len(lone) and not blank.any():
        return text.tobytes(), blank
    text = text.copy()
    text[lone] = _LF
    keep = np.ones(len(text), np.bool_)
    keep[ends[blank]] = False
    keep[starts[blank]] = False
    return text[keep].tobytes(), blank


def _read(piece: Piece, body: bytes, delimiter: bytes, quote: bytes | None) -> bool:
    """Fill in the frame. A line of our own goes ahead, since polars looks for signatures and widths in the first."""
    widest = int(piece.widths.max(initial=1))
    ahead = b"0" + delimiter * (widest - 1) + b"\n"
    try:
        frame = pl.read_csv(
            ahead + body,
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
