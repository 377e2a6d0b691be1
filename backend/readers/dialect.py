"""Finding out how delimited text is written: every plausible dialect is tried and the most consistent one taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from backend.readers.records import Dialect, Records, TooWideError
from backend.readers.shapes import shape, tidiness
from backend.readers.tolerant import RecordParser

_DELIMITERS = (",", ";", "\t", "|", ":", " ", "^", "~", "\x01", "\x1e", "\x1f", "¦", "§")
_WEAK = {":": 0.4, " ": 0.4, "^": 0.9, "~": 0.9}
"""Signs that stand in ordinary text as well count for less."""
_SINGLE = 0.5
"""What a table of one column counts for, so that any sound split is taken before it."""
_SOUND = 1.6
"""How much more a reading counts in which every record is of one width and nothing had to be repaired."""
_RUNS = re.compile(r"[^\w\s\"'\\.+\-()]{2,4}")
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
    for dialect in _candidates(sample, delimiter, quote, escape, comment):
        try:
            score = _score(RecordParser(sample, dialect, final=final).parse(), dialect)
        except TooWideError:
            continue
        if score > best_score * 1.0001:
            best, best_score = dialect, score
    return best


def _candidates(
    sample: str, delimiter: str | None, quote: str | None, escape: str | None, comment: str | None
) -> Iterator[Dialect]:
    delimiters = [delimiter] if delimiter else _delimiters(sample)
    for sign in delimiters:
        for mark in [quote or None] if quote is not None else _quotes(sample, sign):
            escapes: list[str | None] = [None]
            if escape:
                escapes = [escape]
            elif mark is not None and "\\" + mark in sample:
                escapes = [None, "\\"]
            for turn in escapes:
                yield Dialect(sign, mark, turn, comment)


def _delimiters(sample: str) -> list[str]:
    lines = [line for line in sample.splitlines()[:200] if line.strip()]
    enough = max(1, len(lines) // 5)
    top = "\n".join(lines[:3])
    found = [sign for sign in _DELIMITERS if sum(sign in line for line in lines) >= enough or _is_usual(sign, top)]
    runs = Counter(run for line in lines for run in set(_RUNS.findall(line)))
    found += [run for run, count in runs.most_common(3) if count >= 0.8 * len(lines) and run not in found]
    text = "\n".join(lines)
    found += [f"{sign} " for sign in found if sign in ",;|" and text.count(f"{sign} ") >= 0.8 * text.count(sign)]
    absent = next((sign for sign in _DELIMITERS if sign not in sample), None)
    if absent is None:
        return found
    return [absent, *found] if absent == "," else [*found, absent]


def _is_usual(sign: str, top: str) -> bool:
    """Whether a sign that is a delimiter more often than not stands in the top lines."""
    return sign in ",;\t|" and sign in top


def _quotes(sample: str, delimiter: str) -> Sequence[str | None]:
    quotes: list[str | None] = ['"']
    sign = re.escape(delimiter)
    if re.search(rf"(?:\A|[\r\n]|{sign})'(?:[^']|'')*'(?={sign}|[\r\n]|\Z)", sample):
        quotes.append("'")
    return quotes


def _score(records: Records, dialect: Dialect) -> float:
    """How well records fit together: equal widths, cells that look like values, no damage."""
    if not records.cells:
        return 0.0
    counts = Counter(map(len, records.cells))
    width, same = max(counts.items(), key=lambda item: (item[1] * (item[0] > 1), item[1], item[0]))
    total = len(records.cells)
    sound = same == total and not records.notes
    if width == 1:
        consistency = _SINGLE
    elif (dialect.delimiter[1:] == " " and not sound) or _are_numbers(records.cells, dialect.delimiter):
        return 0.0
    else:
        near = sum(count for size, count in counts.items() if size > 1 and 0 < abs(size - width) <= width / 4)
        consistency = ((same + 0.6 * near + 0.3 * counts[1]) / total) ** 2 * (1 - 1 / (2 * width))
        consistency *= _WEAK.get(dialect.delimiter, 1.0) * (_SOUND if sound else 1.0)
    step = max(1, total * width // _CELLS)
    tidy = tidiness(records.cells[::step], dialect.delimiter)
    damage = 0.9 * (1 - 0.5 * len(records.notes) / total) if records.notes else 1.0
    return consistency * tidy**2 * damage


def _are_numbers(rows: Sequence[Sequence[str | None]], delimiter: str) -> bool:
    """Whether a column of numbers with decimal or thousands commas was split, as its undivided name shows."""
    if delimiter != "," or len(rows[0]) != 1 or len(rows) < 2:
        return False
    return all(len(row) > 1 and None not in row and shape(",".join(map(str, row))) == "number" for row in rows[1:])
