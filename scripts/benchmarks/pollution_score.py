"""How well a polluted file was read: ten marks from 0 to 1, as the Pollock benchmark gives them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")


def score(expected: Sequence[Sequence[str]], found: Sequence[Sequence[str]] | None) -> float:
    """From 0 to 10: success, and precision, recall and F1 of the header's cells, of records and of cells.

    `found` is None where the file was refused. Records are compared as runs of their cells, in any order; cells
    wherever they stand. The first row of both is the header.
    """
    if found is None:
        return 0.0
    if not expected:
        return 10.0
    marks = 1.0
    marks += _marks(_plain(expected[0]), _plain(found[0]) if found else [])
    marks += _marks(["".join(_plain(row)) for row in expected[1:]], ["".join(_plain(row)) for row in found[1:]])
    return marks + _marks([cell for row in expected for cell in row], [cell for row in found for cell in row])


def _marks(expected: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Precision, recall and F1 in sum; what is not expected at all cannot be wrong."""
    if not expected:
        return 3.0
    common = sum((Counter(expected) & Counter(found)).values())
    if not common:
        return 0.0
    precision, recall = common / len(found), common / len(expected)
    return precision + recall + 2 * precision * recall / (precision + recall)


def _plain(row: Sequence[str]) -> list[str]:
    """Cells without differences of spelling: case, white space around them, and how a number is written."""
    return [str(float(text)) if _NUMBER.fullmatch(text) else text for text in (cell.strip().lower() for cell in row)]
