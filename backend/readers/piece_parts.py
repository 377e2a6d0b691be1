"""Pieces cut, put together and thinned out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from backend.readers.records import count_lines
from backend.readers.scan import Piece
from backend.readers.table import Row


def row_of(piece: Piece, index: int) -> Row:
    """The cells of a record."""
    return piece.frame.row(index)[: int(piece.widths[index])]


def line_behind(piece: Piece, index: int) -> int:
    """The physical line behind a record."""
    inside = sum(count_lines(cell) for cell in row_of(piece, index) if cell)
    return int(piece.lines[index]) + 1 + inside


def cut(piece: Piece, at: int) -> tuple[Piece, Piece]:
    """The records before index `at`, and those from there on."""
    if at >= piece.frame.height:
        return piece, _part(piece, piece.frame.height, piece.frame.height)
    return _part(piece, 0, at), _part(piece, at, piece.frame.height)


def without(piece: Piece, rows: Sequence[int]) -> Piece:
    """All records but those at these indices."""
    keep = np.ones(piece.frame.height, np.bool_)
    keep[list(rows)] = False
    widths = piece.widths[keep]
    frame = piece.frame.filter(pl.Series(keep))[:, : int(widths.max(initial=1))]
    return Piece(frame, piece.lines[keep], widths, piece.used, piece.passed, piece.notes)


def together(first: Piece, second: Piece) -> Piece:
    """Two pieces as one."""
    if not first.frame.height:
        return second
    return Piece(
        pl.concat([first.frame, second.frame], how="diagonal"),
        np.concatenate([first.lines, second.lines]),
        np.concatenate([first.widths, second.widths]),
        first.used + second.used,
        first.passed + second.passed,
        [*first.notes, *second.notes],
    )


def _part(piece: Piece, start: int, stop: int) -> Piece:
    lines, widths = piece.lines[start:stop], piece.widths[start:stop]
    since = -1 if start == 0 else int(piece.lines[start]) if start < len(piece.lines) else None
    until = int(piece.lines[stop]) if stop < len(piece.lines) else None
    notes = [
        note for note in piece.notes if since is not None and note[0] >= since and (until is None or note[0] < until)
    ]
    frame = piece.frame[start:stop, : int(widths.max(initial=1))]
    return Piece(frame, lines, widths, piece.used, piece.passed, notes)
