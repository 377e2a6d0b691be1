"""Finding out how delimited text is written: every plausible dialect is tried and the most consistent one taken.

Consistency is that of the records' widths and that of what stands in the cells, as in van den Burg, Nazábal and
Sutton, "Wrangling messy CSV files by detecting row and type patterns" (2019).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from backend.readers.records import Dialect, Records, TooWideError
from backend.readers.shapes import shape, tidiness
from backend.readers.signs import BETWEEN, USUAL, Delimiters, escapes, is_odd, quotes
from backend.readers.tolerant import SPACED, RecordParser

_SINGLE = 0.5
"""What a table of one column counts for, so that any sound split is taken before it."""
_SOUND = 1.6
"""How much more a reading counts in which every record is of one width and nothing had to be repaired."""
_BARE = 0.4
"""What a reading without quotes counts for, tried where some are damaged: a few must not make text of them all."""
_CELLS = 3000
"""About as many cells of each reading are looked at."""
_SCORED = 98_304
"""Characters over which readings are compared."""


def detect_dialect(
    sample: str,
    *,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    comment: str | None = None,
    final: bool = True,
) -> Dialect:
    """The dialect under which `sample` is the most consistent table; what is told is kept. `quote` "" means none.

    A sample that is long is cut off in the middle of a record, and so is not final.
    """
    if len(sample) > _SCORED:
        sample, final = sample[:_SCORED], False
    best = Dialect(delimiter or ",", '"' if quote is None else quote or None, escape, comment)
    best_score = 0.0
    damaged: set[str] = set()
    sound: set[tuple[str, str | None]] = set()
    for dialect, weight in _candidates(sample, best, told=(delimiter, quote, escape)):
        if weight * (_SOUND if dialect.delimiter in sample else _SINGLE) <= best_score:
            continue  # it cannot become the best one
        if dialect.quote is None and quote is None and dialect.delimiter not in damaged:
            continue
        if dialect.escape and not escape and (dialect.delimiter, dialect.quote) in sound:
            continue
        try:
            records = RecordParser(sample, dialect, final=final).parse()
        except TooWideError:
            continue
        if records.notes:
            damaged.add(dialect.delimiter)
        elif len(set(map(len, records.cells))) == 1:
            sound.add((dialect.delimiter, dialect.quote))
        score = weight * _score(records, dialect)
        if score > best_score * 1.0001:
            best, best_score = dialect, score
    return best


def _candidates(
    sample: str, plain: Dialect, *, told: tuple[str | None, str | None, str | None]
) -> Iterator[tuple[Dialect, float]]:
    """Dialects, and how much each counts."""
    delimiter, quote, escape = told
    delimiters = Delimiters(_without_comments(sample, plain.comment))
    for sign in [delimiter] if delimiter else delimiters.found():
        weight = 1.0 if delimiter else delimiters.weight(sign)
        if not weight:
            continue
        for mark in [quote or None] if quote is not None else quotes(sample, sign):
            for turn in [escape] if escape else escapes(sample, sign, mark):
                bare = _BARE if mark is None and quote is None else 1.0
                yield Dialect(sign, mark, turn, plain.comment), bare * weight


def _score(records: Records, dialect: Dialect) -> float:
    """How well records fit together: equal widths, cells that look like values, no damage."""
    if not records.cells:
        return 0.0
    counts = Counter(map(len, records.cells))
    width, same = max(counts.items(), key=lambda item: (item[1] * (item[0] > 1), item[1], item[0]))
    total = len(records.cells)
    damaged = sum(message != SPACED for _, message in records.notes)
    sound = same == total and not damaged
    if width == 1:
        consistency = _SINGLE
    elif not _is_possible(records.cells, dialect, width, sound=sound):
        return 0.0
    else:
        near = sum(count for size, count in counts.items() if size > 1 and 0 < abs(size - width) <= width / 4)
        consistency = ((same + 0.6 * near + 0.3 * counts[1]) / total) ** 2 * (1 - 1 / (2 * width))
        consistency *= _SOUND if sound and (total > 1 or dialect.delimiter in USUAL) else 1.0
    step = max(1, total * width // _CELLS)
    rows = records.cells[::step]
    tidy = tidiness(rows, dialect.delimiter)
    if width > 1 and (dialect.delimiter == " " or is_odd(dialect.delimiter)):
        consistency *= min(1.0, 0.4 + 2 * _typed(rows))
    damage = 0.9 * (1 - 0.5 * damaged / total) if records.notes else 1.0
    return consistency * tidy**2 * damage


def _is_possible(rows: Sequence[Sequence[str | None]], dialect: Dialect, width: int, *, sound: bool) -> bool:
    """Whether a split can be meant: signs that seldom are delimiters must show that they are."""
    if dialect.delimiter[1:] == " " or dialect.delimiter == BETWEEN:
        return sound
    if is_odd(dialect.delimiter):
        return sound and width > 2 and len(rows) > 1
    return not _are_numbers(rows, dialect.delimiter)


def _typed(rows: Sequence[Sequence[str | None]]) -> float:
    """The share of cells that are numbers, dates or times, below the first row; empty ones count against it."""
    cells = [cell for row in rows[1:] or rows for cell in row]
    typed = sum(1 if shape(cell) != "text" else 0 for cell in cells if cell) - sum(cell is None for cell in cells)
    return max(0.0, typed / len(cells)) if cells else 0.0


def _are_numbers(rows: Sequence[Sequence[str | None]], delimiter: str) -> bool:
    """Whether a column of numbers with decimal or thousands commas was split, as its undivided name shows."""
    if delimiter != "," or len(rows[0]) != 1 or len(rows) < 2:
        return False
    return all(len(row) > 1 and None not in row and shape(",".join(map(str, row))) == "number" for row in rows[1:])


def _without_comments(sample: str, comment: str | None) -> str:
    if not comment:
        return sample
    return "\n".join(line for line in sample.splitlines() if not line.startswith(comment))
