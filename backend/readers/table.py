"""Where a table stands in the first rows of a file: lines above it, its header, its first record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backend.readers.shapes import shape

Row = Sequence[str | None]

_LOOK = 200
"""Rows that are looked at."""
_TITLES = 30
"""Most rows above a table that are taken for titles."""


def find_table(rows: Sequence[Row]) -> tuple[int | None, int]:
    """Index of the header row, None without one, and index of the first record.

    `rows` are the first rows of a file or sheet, of any widths, null for empty cells. Rows above the header that
    hold hardly anything are titles; they are left out only when a row as wide as the table follows.
    """
    rows = rows[:_LOOK]
    if not rows:
        return None, 0
    start = _first_full(rows)
    start += _is_sentence(rows, start)
    behind = next((index for index in range(start + 1, len(rows)) if rows[index] != rows[start]), len(rows))
    if looks_like_header(rows[start], rows[behind:]):
        if start == 1 and _short_header(rows):
            return 0, 1
        return start, start + 1
    if start and _filled(rows[start - 1]) and all(shape(cell) in ("text", "empty") for cell in rows[start - 1]):
        near = abs(_extent(rows[start - 1]) - _extent(rows[start])) <= 1
        return (start - 1, start) if near else (None, start)
    return None, start


def _first_full(rows: Sequence[Row]) -> int:
    """Index of the first row that is about as wide and as full as most are."""
    extents = Counter(extent for row in rows if (extent := _extent(row)))
    if not extents:
        return 0
    width = max(extents, key=lambda size: (extents[size], size))
    if width == 1 or extents[width] < 2:
        return 0
    filled = sorted(_filled(row) for row in rows if _extent(row) >= width)
    enough = max(2, filled[len(filled) // 2] / 2)
    for index, row in enumerate(rows):
        if _extent(row) >= width and _filled(row) >= enough:
            return index if _are_titles(rows[:index], width) else 0
    return 0


def _are_titles(rows: Sequence[Row], width: int) -> bool:
    """Whether the rows above the first full one can be titles and remarks rather than records or another table."""
    wider = [extent for row in rows if _filled(row) > 1 and (extent := _extent(row))]
    distinct = len(wider) == len(set(wider)) and all(4 * extent <= 3 * width for extent in wider)
    return len(rows) <= _TITLES and (distinct or all(2 * extent <= width for extent in wider))


def _is_sentence(rows: Sequence[Row], at: int) -> bool:
    """Whether a row is a title with commas in it: words behind blanks over names that stand over values."""
    row, *below = rows[at : at + _LOOK]
    if len(row) < 2 or len(below) < 2 or not all(cell and cell[0] == " " for cell in row[1:]):
        return False
    words = sum(len(cell.split()) for cell in row if cell)
    names = below[0]
    apart = all(cell and shape(cell) == "text" and cell[0] != " " and " " not in cell for cell in names)
    if words < len(row) + 2 or not apart or len(set(names)) < len(names):
        return False
    columns = [{shape(cells[place]) for cells in below[1:] if place < len(cells)} for place in range(len(names))]
    return any(column and not column & {"text", "boolean", "empty"} for column in columns)


def _short_header(rows: Sequence[Row]) -> bool:
    """Whether the first row is a header that lacks one name, rather than a title above the second."""
    return _filled(rows[0]) >= 2 and _extent(rows[0]) == _extent(rows[1]) - 1


def looks_like_header(row: Row, below: Sequence[Row]) -> bool:
    """Whether a row names the columns below it: text over numbers and dates speaks for it, like over like against."""
    shapes = [shape(cell) for cell in row]
    if not any(name != "empty" for name in shapes):
        return True
    score = 0.0
    for position, name in enumerate(shapes):
        if name != "empty":
            column = [cells[position] for cells in below if position < len(cells)]
            score += _vote(row[position] or "", name, [cell for cell in column if cell])
    return score > 0 or (score == 0 and all(name in ("text", "empty", "boolean") for name in shapes))


def _vote(cell: str, name: str, column: Sequence[str]) -> float:
    if not column:
        return 0.0 if name == "text" else -0.5
    shapes = Counter("number" if kind == "integer" else kind for kind in map(shape, column))
    usual, count = shapes.most_common(1)[0]
    if usual == "text" or count < 0.8 * len(column):
        if name not in ("text", "boolean"):
            return 0.5 if len(column) >= 2 and set(shapes) == {"text"} else -0.5
        return _vote_of_texts(cell, column)
    if name == "text" or (name == "boolean" and usual != "boolean"):
        return 1.0
    return 0.5 if name == "integer" and is_year(cell) and not any(map(is_year, column)) else -1.0


def _vote_of_texts(cell: str, column: Sequence[str]) -> float:
    """Against a header when the column says the same again and again, for it when all others are of one length."""
    repeated = column.count(cell)
    if repeated >= 2 and repeated >= 0.1 * len(column):
        return -0.5
    lengths = {len(value) for value in column}
    return 0.5 if len(column) >= 3 and len(lengths) == 1 and len(cell) not in lengths else 0.0


def is_year(text: str) -> bool:
    """Whether a number can be a year of our times."""
    return len(text) == 4 and text[:2] in ("19", "20")


def _filled(row: Row) -> int:
    return sum(1 for cell in row if cell and not cell.isspace())


def _extent(row: Row) -> int:
    """Cells up to the last one that is not empty."""
    return next((index for index in range(len(row), 0, -1) if (row[index - 1] or "").strip()), 0)
