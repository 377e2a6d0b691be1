"""Headers that stand over more than one row, and header rows with a delimiter too many."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backend.readers.shapes import shape
from backend.readers.table import Row, is_year

MOST = 3
"""Most rows of a header."""
_BELOW = 200
"""Records below that are looked at."""
_TYPED = ("integer", "number", "date", "time")
WORDS = ("text", "empty", "boolean")
NOTHING = frozenset(("n/a", "na", "nan", "null", "none", "unknown", "missing", "-", "--", ".", "?"))
_UNIT = re.compile(r"\(.*\)|\[.*\]|")
"""What may stand over a column of words in the second row of a header; anything else may be a value."""
ENOUGH = 8
"""Records of one width that say how wide a table is, whatever its header."""


def header_span(rows: Sequence[Row], header: int, *, adjacent: bool) -> tuple[int, int]:
    """First row of the header that ends in or begins with row `header`, and the row behind it.

    `adjacent`: nothing stands between that row and the one above it.
    """
    first, behind = header, header + 1
    while behind - first < MOST and behind < len(rows) and _goes_on(rows, header, behind):
        behind += 1
    if behind == header + 1 and header and adjacent and _groups(rows[header - 1], rows[header]):
        first -= 1
    return first, behind


def joined(rows: Sequence[Row]) -> list[str | None]:
    """One name for each column from the rows of a header; a name above blank cells stands over them, too."""
    width = max(map(len, rows))
    spread = [_spread(row, width) for row in rows[:-1]]
    last = [*rows[-1], *[None] * (width - len(rows[-1]))]
    return [
        " ".join(part for part in parts if part and part.strip()) or None for parts in zip(*spread, last, strict=True)
    ]


def without_gap(header: Row, records: Sequence[Row]) -> list[int]:
    """The places of blank cells in a header that are too many: without them it is as wide as every record."""
    widths = {len(row) for row in records}
    if len(records) < ENOUGH or len(widths) != 1:
        return []
    blank = [place for place, cell in enumerate(header[:-1]) if not (cell or "").strip()]
    surplus = len(header) - widths.pop()
    return blank if surplus == len(blank) > 0 and (header[-1] or "").strip() else []


def _goes_on(rows: Sequence[Row], header: int, at: int) -> bool:
    """Whether row `at` belongs to the header that begins in row `header`: the same again, or text over values."""
    above, row = rows[header], rows[at]
    filled = [cell for cell in row if cell]
    if len(filled) < 2 or len(row) != len(above):
        return False
    if list(row) == list(above):
        return True
    below = rows[at + 1 : at + 1 + _BELOW]
    typed = [place for place in range(len(row)) if _is_typed(below, place)]
    names = {name for place in typed if (name := (row[place] or "").strip().lower())}
    untyped = [cell for place, cell in enumerate(row) if cell and place not in typed]
    return (
        len(names) >= 2
        and all(_UNIT.fullmatch(cell.strip()) for cell in untyped)
        and not names & NOTHING
        and all(shape(cell) in WORDS for cell in row)
        and all(shape(above[place]) in WORDS or is_year(above[place] or "") for place in typed)
    )


def _is_typed(rows: Sequence[Row], place: int) -> bool:
    column = [row[place] for row in rows if place < len(row) and row[place]]
    return len(column) >= 2 and sum(shape(cell) in _TYPED for cell in column) >= 0.8 * len(column)


def _groups(above: Row, header: Row) -> bool:
    """Whether a row gives names to groups of the columns below: it reaches over half of them and leaves gaps."""
    places = [place for place, cell in enumerate(above) if (cell or "").strip()]
    names = [name.strip() for name in header if name and name.strip()]
    if not places or len(above) > len(header) or any(not (header[place] or "").strip() for place in places):
        return False
    twice = len(set(names)) < len(names)
    gaps = places[-1] - places[0] >= len(places)
    return (gaps and 2 * (places[-1] + 1) > len(header)) or (twice and len(places) >= 2)


def _spread(row: Row, width: int) -> list[str | None]:
    cells: list[str | None] = []
    name: str | None = None
    for cell in [*row, *[None] * (width - len(row))]:
        name = cell if (cell or "").strip() else name
        cells.append(name)
    return cells
