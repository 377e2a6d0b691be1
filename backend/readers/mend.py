"""Ragged records put right where the other records leave no doubt: a cell too many or too few, another delimiter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from backend.readers.columns import Columns
from backend.readers.records import Dialect
from backend.readers.scan import Piece
from backend.readers.table import Row
from backend.readers.tolerant import RecordParser

MOST = 10_000
"""Ragged records of a file that are looked at; where there are more they are no exceptions."""
_SIGNS = (";", "\t", "|", ",", " ")


class Mender:
    """Puts right the ragged records of one table; `names` are those of the header."""

    def __init__(self, columns: Columns, dialect: Dialect, names: Sequence[str]) -> None:
        self.columns = columns
        self._dialect = dialect
        self._names = names

    def mended(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """The same pieces with such records put right and a note about each."""
        looked_at = 0
        for piece in pieces:
            if self.columns.known and looked_at < MOST:
                ragged = np.flatnonzero(piece.widths != self.columns.width)[: MOST - looked_at]
                looked_at += len(ragged)
                if len(ragged):
                    self._mend(piece, ragged.tolist())
            yield piece

    def _mend(self, piece: Piece, ragged: Sequence[int]) -> None:
        found: dict[int, list[str | None]] = {}
        for index in ragged:
            cells = piece.frame.row(index)[: int(piece.widths[index])]
            mended = self._record(cells)
            if mended is not None:
                found[index], message = mended
                piece.notes.append((int(piece.lines[index]), message))
        if not found:
            return
        piece.notes.sort()
        piece.widths = piece.widths.copy()
        piece.widths[list(found)] = self.columns.width
        piece.frame = _replaced(piece.frame, found, int(piece.widths.max()))

    def _record(self, cells: Row) -> tuple[list[str | None], str] | None:
        width, count = self.columns.width, len(cells)
        if 2 * count <= width:
            again = self.divided(cells)
            if again is not None:
                return again
        aligned = self.columns.aligned(cells)
        if aligned is None:
            return None
        if count > width:
            return aligned, f"The record has {count} cells instead of {width}: empty ones too many were left out"
        names = ", ".join(self._names[place] for place in _gaps(aligned, cells))
        return aligned, f"The record has {count} cells instead of {width}: by their looks those lack of {names}"

    def divided(self, cells: Row) -> tuple[list[str | None], str] | None:
        """The record as if written with another delimiter, and a message; None where its cells do not fit then."""
        text = self._dialect.delimiter.join(cell or "" for cell in cells)
        for sign in _SIGNS:
            if sign == self._dialect.delimiter or text.count(sign) < self.columns.width - 1:
                continue
            dialect = Dialect(sign, self._dialect.quote, self._dialect.escape)
            records = RecordParser(text, dialect).parse(most=1).cells
            plain = records[0] if records else []
            found = self.columns.divided(sign.join(cell or "" for cell in plain), sign)
            if found is not None:
                shown = {" ": "spaces", "\t": "tabs"}.get(sign, sign)
                return found, f"The record is written with {shown} between its cells"
        return None


def _gaps(aligned: Row, cells: Row) -> list[int]:
    """Places of the nulls that were put in."""
    gaps: list[int] = []
    for place, cell in enumerate(aligned):
        index = place - len(gaps)
        if index >= len(cells) or (cell is None and cells[index] is not None):
            gaps.append(place)
    return gaps


def _replaced(frame: pl.DataFrame, rows: dict[int, list[str | None]], width: int) -> pl.DataFrame:
    """The first `width` columns with other cells in these rows."""
    places = list(rows)
    columns = []
    for place, column in enumerate(frame.get_columns()[:width]):
        values = [cells[place] if place < len(cells) else None for cells in rows.values()]
        columns.append(column.clone().scatter(places, pl.Series(values, dtype=pl.String)))
    lacking = range(frame.width, width)
    columns += [pl.Series(str(place), [None], pl.String).new_from_index(0, frame.height) for place in lacking]
    return pl.DataFrame(columns)
