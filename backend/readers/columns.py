"""What the cells of each column usually look like, and where the cells of a ragged record belong by that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from math import log

from backend.readers.heads import ENOUGH
from backend.readers.shapes import shape
from backend.readers.table import Row

_LOOK = 50_000
"""About as many cells are looked at."""
_MARGIN = 3.0
"""How much likelier (as a logarithm) another place must be before cells are moved there."""
_UNLIKELY = 3.0
"""The cost of a cell from which on it does not fit."""
_FEW = 0.2
"""The share of a column's cells that are exceptions."""
_MOST = 8
"""Most cells that a record may have too many or too few to be looked at."""
_WIDEST = 200
_SPAN = 12
"""Most pieces that make up one cell."""
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")


class Columns:
    """Columns by the first records of a table that are `width` cells wide, lines of one cell left out."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        full = [row for row in rows if len(row) == width and any(row[1:])]
        self._rows = full[: max(ENOUGH, _LOOK // max(1, width))]
        self._count = len(self._rows)
        self.width = width
        self.known = self._count >= ENOUGH and 1 < width <= _WIDEST

    @cached_property
    def _shapes(self) -> list[Counter[str]]:
        return [Counter(shape(row[place]) for row in self._rows) for place in range(self.width)]

    @cached_property
    def _forms(self) -> list[Counter[str]]:
        return [Counter(_form(row[place]) for row in self._rows) for place in range(self.width)]

    def is_typed(self, place: int) -> bool:
        """Whether nearly all cells of a column are numbers, dates, times or booleans."""
        found = self._shapes[place]
        values = self._count - found["empty"]
        return values >= ENOUGH and found["text"] <= _FEW * values

    def fits(self, place: int, cell: str | None) -> bool:
        """Whether a cell looks like those of its column."""
        return self._cost(place, cell) < _UNLIKELY

    def is_odd(self, place: int, cell: str | None) -> bool:
        """Whether a cell is of another kind and form than nearly all of its column."""
        most = _FEW * self._count
        return self._shapes[place][shape(cell)] <= most and self._forms[place][_form(cell)] <= most

    def is_usual(self, place: int, cell: str) -> bool:
        """Whether a cell has a form that others in its column have."""
        return self._forms[place][_form(cell)] > 0

    def aligned(self, cells: Row) -> list[str | None] | None:
        """The cells of a record of another width, moved to where they fit; None where they stand best as they are.

        In a longer one only empty cells are left out; a shorter one gets nulls.
        """
        surplus = len(cells) - self.width
        if not self.known or not 0 < abs(surplus) <= _MOST or 2 * len(cells) < self.width:
            return None
        plain = sum(self._cost(place, cell) for place, cell in enumerate(cells[: self.width]))
        found = self._without_empty(cells, surplus) if surplus > 0 else self._with_nulls(cells, -surplus)
        if found is not None and found[0] < plain - _MARGIN:
            return found[1]
        if surplus == 1 and self._is_pushed_out(cells):
            return [*cells[: self.width - 1], cells[self.width]]
        return list(cells[: self.width]) if surplus > 0 and not any(cells[self.width :]) else None

    def _is_pushed_out(self, cells: Row) -> bool:
        """Whether the one value too many looks like those of the last column, where the record has none."""
        last, value = self.width - 1, cells[self.width]
        if cells[last] is not None or not value or not self.is_usual(last, value):
            return False
        return self._cost(last, value) < self._cost(last, None)

    def divided(self, text: str, sign: str) -> list[str | None] | None:
        """A record that was written with another delimiter, where each of its cells fits; None where they do not.

        Where a `sign` stands in a cell as well, it is divided in the likeliest way.
        """
        pieces = text.split(sign)
        if not self.known or not self.width <= len(pieces) <= 4 * self.width:
            return None
        if sum(map(self.is_typed, range(self.width))) < 2:
            return None
        best: list[tuple[float, list[str | None]] | None] = [(0.0, []), *[None] * len(pieces)]
        for place in range(self.width):
            best = self._next_place(best, pieces, place, sign)
        found = best[len(pieces)]
        fit = found is not None and all(self.fits(place, cell) for place, cell in enumerate(found[1]))
        return found[1] if found is not None and fit else None

    def _next_place(
        self, best: list[tuple[float, list[str | None]] | None], pieces: Sequence[str], place: int, sign: str
    ) -> list[tuple[float, list[str | None]] | None]:
        """The best ways to fill the columns up to `place`, by the number of pieces used."""
        found: list[tuple[float, list[str | None]] | None] = [None] * len(best)
        for used, before in enumerate(best):
            if before is None:
                continue
            for end in range(used + 1, min(used + _SPAN, len(pieces)) + 1):
                cell = sign.join(pieces[used:end]) or None
                cost = before[0] + self._cost(place, cell)
                now = found[end]
                if now is None or cost < now[0]:
                    found[end] = (cost, [*before[1], cell])
        return found

    def _without_empty(self, cells: Row, surplus: int) -> tuple[float, list[str | None]] | None:
        """The least cost without `surplus` empty cells, and the cells that are left."""
        best: list[tuple[float, list[str | None]] | None] = [(0.0, []), *[None] * surplus]
        for index, cell in enumerate(cells):
            for left_out in range(surplus, -1, -1):
                kept, place = best[left_out], index - left_out
                found = None
                if kept is not None and 0 <= place < self.width:
                    found = (kept[0] + self._cost(place, cell), [*kept[1], cell])
                before = best[left_out - 1] if left_out and not cell else None
                if before is not None and (found is None or before[0] < found[0]):
                    found = before
                best[left_out] = found
        return best[surplus]

    def _with_nulls(self, cells: Row, lacking: int) -> tuple[float, list[str | None]] | None:
        """The least cost with `lacking` nulls put in, and the cells then."""
        best: list[tuple[float, list[str | None]] | None] = [(0.0, []), *[None] * lacking]
        for place in range(self.width):
            for put_in in range(lacking, -1, -1):
                index, found = place - put_in, None
                kept = best[put_in]
                if kept is not None and 0 <= index < len(cells):
                    found = (kept[0] + self._cost(place, cells[index]), [*kept[1], cells[index]])
                before = best[put_in - 1] if put_in else None
                if before is not None and (found is None or before[0] <= found[0]):
                    found = (before[0], [*before[1], None])
                best[put_in] = found
        return best[lacking]

    def _cost(self, place: int, cell: str | None) -> float:
        share = self._shapes[place][shape(cell)] + self._forms[place][_form(cell)]
        return -log((share / 2 + 0.5) / (self._count + 1))


def _form(cell: str | None) -> str:
    """A cell with each word and each number as one sign."""
    return _DIGITS.sub("9", _LETTERS.sub("a", (cell or "")[:60]))[:16]
