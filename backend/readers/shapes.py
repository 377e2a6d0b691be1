"""What single cells look like, for finding dialects and headers. Nothing here changes a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Shape = Literal["empty", "integer", "number", "date", "time", "boolean", "text"]

_DIGIT = re.compile(r"\d")
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+\-(]?[$€£¥]? ?(?:\d{1,3}(?:[,.' ]\d{3})+|\d+)?(?:[.,]\d*)?(?:[eE][+-]?\d+)? ?[%$€£¥)]?")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?"
    r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])? ?(?:Z|[+-]\d{2}:?\d{0,2})?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?: \d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?)?"
    r"|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?")
_SHAPES: tuple[tuple[Shape, re.Pattern[str]], ...] = (
    ("integer", _INTEGER),
    ("number", _NUMBER),
    ("time", _TIME),
    ("date", _DATE),
)
_WORDS = re.compile(r"[\w .'’()/&+#@*!?%$€£=<>\[\]{}…–-]+")
_ADDRESS = re.compile(r"[^\s,;|]+@[^\s,;|]+|[a-z]+://[^\s|]+")
_PROSE = re.compile(r"(?:[^,;|\t\"]|[,;](?= )|(?<=\d)\")+")
_BOOLEANS = frozenset(("true", "false", "yes", "no", "y", "n", "t", "f"))


def shape(cell: str | None) -> Shape:
    """What a cell looks like, white space around it aside."""
    text = (cell or "").strip()
    if not text:
        return "empty"
    if _DIGIT.search(text):
        return next((name for name, pattern in _SHAPES if pattern.fullmatch(text)), "text")
    return "boolean" if text.lower() in _BOOLEANS else "text"


def tidiness(rows: Iterable[Sequence[str | None]], delimiter: str) -> float:
    """From 0 to 1: how much the cells look like single values rather than like pieces or runs of values."""
    total = 0.0
    count = 0
    known: dict[str | None, float] = {}
    for row in rows:
        for cell in row:
            value = known.get(cell)
            if value is None:
                value = known[cell] = _tidy(cell, delimiter)
            total += value
            count += 1
    return total / count if count else 0.0


def _tidy(cell: str | None, delimiter: str) -> float:
    if cell is None:
        return 0.8
    padded = 0.8 if cell[:1] == " " or cell[-1:] == " " else 1.0
    if not cell or delimiter in cell or "\n" in cell or "\r" in cell or shape(cell) != "text":
        return padded
    if cell[0] in "'\"`" or cell[-1] in "'\"`":
        return 0.3
    if _WORDS.fullmatch(cell):
        return padded * (0.5 if _several_values(cell) else 0.95)
    if _ADDRESS.fullmatch(cell):
        return padded * 0.9
    return padded * 0.7 if _PROSE.fullmatch(cell) else 0.3


def _several_values(cell: str) -> bool:
    """Whether words look like the cells of a record with spaces between them."""
    parts = cell.split()
    return len(parts) >= 3 and sum(shape(part) not in ("text", "empty") for part in parts) >= 2
