"""Where a table ends though the file goes on: a header that stands again, another table below, lines of remarks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from backend.readers.heads import NOTHING, WORDS
from backend.readers.mend import Mender
from backend.readers.piece_parts import cut, line_behind, row_of, together, without
from backend.readers.scan import Piece
from backend.readers.shapes import shape
from backend.readers.table import Row, is_year

Report = Callable[[int, str, str], None]
"""Takes a line, a message, and what stands there."""

_AHEAD = 3
"""Records below the header of another table by which it is known."""
_REMARKS = 30
"""Most lines of remarks below a table."""
_LINE_END = r"\r\n|\r|\n"
_REMARK = re.compile(
    r"\W*(?:sources?|notes?|remarks?|footnotes?|legend|disclaimer)\b *(?:[:.–-]|\d|\w+ )|[*†‡]+ *\w+ |\(?\d\) *\w+ ",
    re.IGNORECASE,
)


class TableEnd:
    """Finds the end of the one table that is imported.

    `header`: the cells of its header as they stand, none without one; `line`: where its first record may begin;
    `remarks`: whether lines of remarks at the end are left out.
    """

    def __init__(self, header: Row, mender: Mender, line: int, report: Report, *, remarks: bool) -> None:
        self._written = header
        self._header = [(cell or "").strip() for cell in header]
        self._mender = mender
        self._columns = mender.columns
        self._report = report
        self._remarks = remarks
        self._behind = line
        self._blank = False
        self._lone = 0

    def until(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """The pieces of the table, without headers that stand again and remarks at the end."""
        held: Piece | None = None
        end: int | None = None
        for piece in pieces:
            now, headers = self._without_headers(piece if held is None else together(held, piece))
            starts = self._starts(now)
            end = self._end(now, headers, starts)
            if end is not None:
                held = cut(now, end)[0]
                break
            now, held = cut(now, self._open(now, starts))
            if now.frame.height:
                self._pass(now)
                yield now
        if held is not None and held.frame.height:
            held = self._without_remarks(held, titles=end is not None)
            if held.frame.height:
                yield held

    def _pass(self, piece: Piece) -> None:
        """Remember how what is handed on ends."""
        last = piece.frame.height - 1
        lone = self._lone_from(piece)
        self._lone = piece.frame.height - lone + (self._lone if lone == 0 else 0)
        self._behind = line_behind(piece, last)
        self._blank = _is_null(row_of(piece, last))

    def _without_headers(self, piece: Piece) -> tuple[Piece, list[int]]:
        """Leave out records that say the header again; and the indices of longer and shorter ones."""
        found = self._like_header(piece)
        again = [index for index in found if piece.widths[index] == len(self._header)]
        if not again:
            return piece, found
        for index in again:
            line = int(piece.lines[index])
            self._report(line, "The header stands here again: the line was left out", self._header[0])
        piece = without(piece, again)
        return piece, self._like_header(piece)

    def _like_header(self, piece: Piece) -> list[int]:
        """Records that say the header, or a longer or shorter one; in one or two columns they may be values."""
        first = next((place for place, name in enumerate(self._header) if name), None)
        if first is None or len(self._header) < 2 or first >= piece.frame.width:
            return []
        column = piece.frame[str(first)]
        found = (column == self._header[first]) | (column == self._written[first])
        return [index for index in found.arg_true().to_list() if self._says_header(row_of(piece, index))]

    def _says_header(self, row: Row) -> bool:
        if len(self._header) == len(row) == 2 and not (self._columns.known and self._is_foreign([row])):
            return False
        common = min(len(row), len(self._header))
        same = [(cell or "").strip() for cell in row[:common]] == self._header[:common]
        return same and common >= max(2, len(self._header) / 2)

    def _end(self, piece: Piece, headers: Sequence[int], starts: Sequence[int]) -> int | None:
        """Index of the header of another table."""
        found = [*headers, *(index for index in starts if self._begins_table(piece, index))]
        if not found:
            return None
        index = min(found)
        line = int(piece.lines[index])
        shown = " ".join(cell for cell in row_of(piece, index) if cell)
        message = f"Another table begins here: it was left out; `header={line}` imports it instead"
        self._report(line, message, shown)
        return index

    def _starts(self, piece: Piece) -> list[int]:
        """Records at which another table could begin: behind a gap, or the first of several of another width."""
        widths, lines = piece.widths, piece.lines
        if not len(widths):
            return []
        start = np.zeros(len(widths), np.bool_)
        start[1:] = (widths[1:] != widths[:-1]) & (widths[1:] != self._columns.width)
        start[_behind_gaps(piece)] = True
        start[0] = widths[0] != self._columns.width or lines[0] > self._behind or self._blank
        start[[at + 1 for at in _nulls(piece) if at + 1 < len(start)]] = True
        found: list[int] = np.flatnonzero(start).tolist()
        titles = [at for at in found if at + 1 < len(start) and self._is_line(row_of(piece, at))]
        return [at for at in (*found, *(at + 1 for at in titles)) if widths[at] > 1]

    def _begins_table(self, piece: Piece, index: int) -> bool:
        row = row_of(piece, index)
        names = [cell for cell in row if (cell or "").strip()]
        if len(names) < 2 or len(set(names)) < len(names) or not all(_is_name(name) for name in names if name):
            return False
        stop = min(index + 1 + _AHEAD, piece.frame.height)
        below = [row_of(piece, at) for at in range(index + 1, stop) if piece.widths[at] == len(row)]
        if piece.widths[index + 1 : index + 2].tolist() != [len(row)] or all(map(_is_null, below)):
            return False
        gap = self._gap(piece, index)
        if len(row) != self._columns.width:
            sure = (gap and None not in row) or (len(below) == _AHEAD and _over_values(row, below))
            return sure and self._is_foreign([row, *below])
        if not self._columns.known:
            return gap and self._behind_blank_line(piece, index) and _over_values(row, below)
        typed = [(place, cell) for place, cell in enumerate(row) if cell and self._columns.is_typed(place)]
        nulls = [place for place in range(len(row)) if row[place] is None and self._columns.is_odd(place, None)]
        odd = all(self._columns.is_odd(*each) for each in typed)
        return gap and bool(typed) and odd and len(typed) + len(nulls) > 1

    def _is_foreign(self, rows: Sequence[Row]) -> bool:
        """Whether some cell is not as those of its column, as far as these are known."""
        return not self._columns.known or any(
            not self._columns.fits(place, cell) for row in rows for place, cell in enumerate(row[: self._columns.width])
        )

    def _gap(self, piece: Piece, index: int) -> bool:
        """Whether something blank stands above a record, and above a lone line over it."""
        for at in range(index, max(-1, index - 4), -1):
            blank = _is_null(row_of(piece, at - 1)) if at else self._blank
            if blank or self._behind_blank_line(piece, at):
                return True
            if at == 0 or self._columns.width < 2 or not self._is_line(row_of(piece, at - 1)):
                return False
        return False

    def _behind_blank_line(self, piece: Piece, index: int) -> bool:
        behind = line_behind(piece, index - 1) if index else self._behind
        return int(piece.lines[index]) > behind

    def _open(self, piece: Piece, starts: Sequence[int]) -> int:
        """Index of the first record for which it takes more text to know whether it belongs to the table."""
        height = piece.frame.height
        opened = [index for index in starts if index >= height - _AHEAD]
        lone = self._lone_from(piece)
        if height - lone + (self._lone if lone == 0 else 0) <= _REMARKS:
            opened.append(lone)
        return min([*opened, height])

    def _is_line(self, row: Row) -> bool:
        """Whether a record has a single value, or is a sentence with commas in it."""
        if len(row) < self._columns.width and all(cell and cell[0] == " " for cell in row[1:]):
            return 2 * len(row) <= self._columns.width or _REMARK.match(row[0] or "") is not None
        return _is_null(row[1:])

    def _lone_from(self, piece: Piece) -> int:
        """Index of the first of the records of a single cell at the end."""
        index = piece.frame.height
        while index and piece.frame.height - index <= _REMARKS and self._is_line(row_of(piece, index - 1)):
            index -= 1
        return index

    def _without_remarks(self, piece: Piece, *, titles: bool) -> Piece:
        """Leave out lines below the table that are remarks rather than records, or `titles` of the next table.

        A line with as many cells as there are columns is a record, unless another table follows.
        """
        height, lone = piece.frame.height, self._lone_from(piece)
        if not self._remarks or height - lone > _REMARKS or (lone == 0 and self._lone) or self._columns.width < 2:
            return piece
        whole = [at for at in range(lone, height) if piece.widths[at] >= self._columns.width and any(row_of(piece, at))]
        for index in range(lone if titles or not whole else whole[-1] + 1, height):
            if self._is_remark(piece, index):
                for at in range(index, height):
                    text = " ".join(cell for cell in row_of(piece, at) if cell)
                    if text:
                        self._report(int(piece.lines[at]), "A line below the table was left out", text)
                return cut(piece, index)[0]
        return piece

    def _is_remark(self, piece: Piece, index: int) -> bool:
        row = row_of(piece, index)
        text = ",".join(cell for cell in row if cell)
        if not text or shape(text) != "text" or self._mender.divided(row):
            return False
        if _REMARK.match(text):
            return True
        words = len(text.split())
        gap, wide = self._gap(piece, index), self._columns.width > 2
        if self._columns.known:
            odd = self._columns.is_typed(0) and self._columns.is_odd(0, text)
            if gap:
                return odd or (words > 1 and not self._columns.is_usual(0, text))
            return odd and (self._columns.width > 3 or (words > 1 and (wide or len(row) < self._columns.width)))
        return len(row) < self._columns.width and words > 1 and (gap or (words > 3 and wide))


def _is_null(row: Row) -> bool:
    return all(cell is None for cell in row)


def _is_name(cell: str) -> bool:
    return cell.strip().lower() not in NOTHING and (shape(cell) in WORDS or is_year(cell))


def _over_values(row: Row, below: Sequence[Row]) -> bool:
    """Whether a name stands over numbers, dates or times only."""
    columns = [[cells[place] for cells in below if cells[place]] for place, name in enumerate(row) if name]
    return any(column and not any(shape(cell) in WORDS for cell in column) for column in columns)


def _behind_gaps(piece: Piece) -> list[int]:
    """Records above which a line is blank."""
    apart = np.flatnonzero(np.diff(piece.lines) > 1)
    if not len(apart):
        return []
    inside = pl.sum_horizontal(pl.all().str.count_matches(_LINE_END).fill_null(0))
    ends = piece.lines[apart] + 1 + piece.frame[apart].select(inside).to_series().to_numpy()
    found: list[int] = (apart[piece.lines[apart + 1] > ends] + 1).tolist()
    return found


def _nulls(piece: Piece) -> list[int]:
    """Records of nulls."""
    first = piece.frame["0"].is_null()
    if not first.any():
        return []
    places = first.arg_true()
    null = piece.frame[places].select(pl.all_horizontal(pl.all().is_null())).to_series()
    found: list[int] = places.filter(null).to_list()
    return found
