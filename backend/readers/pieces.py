"""A file's text cut at record boundaries into pieces of bounded size, each read the fast or the tolerant way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from backend.readers.base import ReadLimits
from backend.readers.encoding import Utf8Stream
from backend.readers.limits import refuse_long_cell, refuse_long_line, too_wide, zero_byte
from backend.readers.records import Dialect, TooWideError, to_frame
from backend.readers.scan import Piece, scan
from backend.readers.tolerant import RecordParser

_CR = 13
PIECE = 5 * 2**18
"""Bytes of text that are read at once on the fast way, unless one record is longer."""
TOLERANT = 2**14
"""Characters that the tolerant parser takes before the fast way is tried again; more when that leads nowhere."""


class Cut(Struct, frozen=True):
    """How to cut: dialect, column names (as many as a record should have cells), limits, and the sizes of pieces."""

    dialect: Dialect
    names: Sequence[str]
    limits: ReadLimits
    piece: int = PIECE
    tolerant: int = TOLERANT


def pieces(stream: Utf8Stream, cut: Cut, *, line: int) -> Iterator[Piece]:
    """Pieces of the text in order, their lines counted from `line`.

    Raises UnreadableFile at a NUL, LimitExceeded at a line or cell that is too long.
    """
    data = b""
    want = cut.piece
    patience = cut.tolerant
    while True:
        data = _fill(data, stream, want)
        if not data:
            return
        whole = stream.ended() and len(data) <= want
        window = data if whole else _clean_end(data[:want])
        refuse_long_line(window, cut.limits, line)
        if b"\0" in window:
            raise zero_byte(window, cut.dialect, cut.names, line)
        if not whole and b"\n" not in window and b"\r" not in window:
            want = _more(want, cut.limits)
            continue
        piece = scan(window, cut.dialect, width=len(cut.names), widest=cut.limits.max_columns)
        if piece is None:
            near = window if want > cut.piece else _clean_end(window[: 4 * patience])
            piece = _tolerant(near, cut, patience, line, final=whole and len(near) == len(window))
            patience = min(2 * patience, cut.piece)
        elif piece.used > patience:
            patience = cut.tolerant
        if piece is None:
            want = _more(want, cut.limits)
            continue
        if piece.used > cut.limits.max_cell:
            refuse_long_cell(piece, cut.names, cut.limits, line)
        data = data[piece.used :]
        want = cut.piece
        piece.lines += line
        piece.notes = [(line + at, message) for at, message in piece.notes]
        line += piece.passed
        if piece.frame.height:
            yield piece


def _more(want: int, limits: ReadLimits) -> int:
    """Twice as much, but first no more than it takes to see that a line is too long."""
    return min(2 * want, limits.max_line + 1) if want <= limits.max_line else 2 * want


def _fill(data: bytes, stream: Utf8Stream, want: int) -> bytes:
    """`data` grown to at least `want` bytes, or to all there is with a line end behind it."""
    while len(data) < want and not stream.ended():
        data += stream.read(max(want - len(data), 4096))
        if stream.ended() and data and not data.endswith((b"\n", b"\r")):
            data += b"\n"
    return data


def _clean_end(window: bytes) -> bytes:
    """Without a character, or a line end of CR and LF, that may be cut in two."""
    end = len(window)
    while end and window[end - 1] & 0xC0 == 0x80:
        end -= 1
    end = end - 1 if end and window[end - 1] >= 0xC0 else len(window)
    return window[: end - 1] if end and window[end - 1] == _CR else window[:end]


def _tolerant(window: bytes, cut: Cut, budget: int, line: int, *, final: bool) -> Piece | None:
    text = window.decode()
    parser = RecordParser(
        text,
        cut.dialect,
        width=len(cut.names),
        final=final,
        longest=cut.limits.max_cell,
        widest=cut.limits.max_columns,
    )
    try:
        records = parser.parse(budget=budget)
    except TooWideError as error:
        raise too_wide(line + error.line, error.width, cut.limits) from error
    if not records.end:
        return None
    frame, widths = to_frame(records.cells)
    used = records.end if len(text) == len(window) else len(text[: records.end].encode())
    return Piece(frame, np.array(records.lines, np.int64), widths, used, records.passed, records.notes)
