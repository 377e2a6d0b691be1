"""A file's text cut at record boundaries into pieces of bounded size, each read the fast or the tolerant way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from backend.errors import LimitExceeded, UnreadableFile
from backend.readers.base import ReadLimits
from backend.readers.encoding import Utf8Stream
from backend.readers.headers import made_up
from backend.readers.records import Dialect, RecordParser, to_frame
from backend.readers.scan import Piece, scan
from backend.schemas.problems import ErrorItem

_CR = 13
PIECE = 2 * 2**20
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
        if b"\0" in window:
            raise _zero_byte(window, cut, line)
        piece = scan(window, cut.dialect, width=len(cut.names))
        if piece is None:
            near = window if want > cut.piece else _clean_end(window[: 4 * patience])
            piece = _tolerant(near, cut, patience, final=whole and len(near) == len(window))
            patience = min(2 * patience, cut.piece)
        elif piece.used > patience:
            patience = cut.tolerant
        if piece is None:
            _refuse_long_line(data, cut.limits, line)
            want *= 2
            continue
        if piece.used > cut.limits.max_cell:
            _refuse_long_cell(piece, cut, line)
        data = data[piece.used :]
        want = cut.piece
        piece.lines += line
        piece.notes = [(line + at, message) for at, message in piece.notes]
        line += piece.passed
        if piece.frame.height:
            yield piece


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


def _tolerant(window: bytes, cut: Cut, budget: int, *, final: bool) -> Piece | None:
    text = window.decode()
    parser = RecordParser(text, cut.dialect, width=len(cut.names), final=final, longest=cut.limits.max_cell)
    records = parser.parse(budget=budget)
    if not records.end:
        return None
    frame, widths = to_frame(records.cells)
    used = records.end if len(text) == len(window) else len(text[: records.end].encode())
    return Piece(frame, np.array(records.lines, np.int64), widths, used, records.passed, records.notes)


def _zero_byte(window: bytes, cut: Cut, line: int) -> UnreadableFile:
    records = RecordParser(window.decode(), cut.dialect, width=len(cut.names)).parse()
    for cells, at in zip(records.cells, records.lines, strict=True):
        for position, cell in enumerate(cells):
            if cell and "\0" in cell:
                column = cut.names[position] if position < len(cut.names) else made_up(position)
                item = ErrorItem("A NUL byte cannot be stored", row=line + at, column=column, code="NUL_BYTE")
                return UnreadableFile(f"A NUL byte stands in line {line + at}, column {column}", errors=[item])
    return UnreadableFile(f"A NUL byte stands behind line {line}")


def _refuse_long_line(data: bytes, limits: ReadLimits, line: int) -> None:
    if len(data) > max(limits.max_line, 2 * limits.max_cell) or (
        len(data) > limits.max_line and b"\n" not in data and b"\r" not in data
    ):
        raise LimitExceeded(f"Line {line} is longer than max_line, {limits.max_line} bytes")


def _refuse_long_cell(piece: Piece, cut: Cut, line: int) -> None:
    for position, column in enumerate(piece.frame.iter_columns()):
        lengths = column.str.len_bytes()
        longest = lengths.arg_max()
        if longest is not None and lengths[longest] > cut.limits.max_cell:
            name = cut.names[position] if position < len(cut.names) else made_up(position)
            at = line + int(piece.lines[longest])
            message = f"The cell in line {at}, column {name} is longer than max_cell, {cut.limits.max_cell} bytes"
            raise LimitExceeded(message, errors=[ErrorItem(message, row=at, column=name, code="MAX_CELL")])
