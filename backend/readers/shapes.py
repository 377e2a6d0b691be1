"""What single cells look like, for finding dialects and headers. Nothing here changes a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Shape = Literal["empty", "integer", "number", "date", "time", "boolean", "text"]

_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+\-(]?[$€£¥]? ?(?:\d{1,3}(?:[,.' ]\d{3})+|\d+)?(?:[.,]\d*)?(?:[eE][+-]?\d+)? ?[%$€£¥)]?")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])? ?(?:Z|[+-]\d{2}:?\d{0,2})?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?: \d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?)?"
    r"|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?")
_WORDS = re.compile(r"[\w .'’()/&+#@*!?%$€£=<>\[\]{}…–-]+")
_PROSE = re.compile(r"(?:[^,;|\t\"]|[,;](?= )|(?<=\d)\")+")
_BOOLEANS = frozenset(("true", "false", "yes", "no", "y", "n", "t", "f"))


def shape(cell: str | None) -> Shape:
    """What a cell looks like, white space around it aside."""
    text = (cell or "").strip()
    if not text:
        return "empty"
    if _INTEGER.fullmatch(text):
        return "integer"
    if any(letter.isdigit() for letter in text):
        for pattern, name in ((_NUMBER, "number"), (_TIME, "time"), (_DATE, "date")):
            if pattern.fullmatch(text):
                return name  # type: ignore[return-value]
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
    if delimiter in cell or "\n" in cell or "\r" in cell or not cell:
        return 1.0
    if shape(cell) != "text":
        return 1.0
    padded = 0.8 if cell[0] == " " or cell[-1] == " " else 1.0
    if _WORDS.fullmatch(cell):
        return 0.95 * padded
    if "://" in cell or "@" in cell:
        return 0.9 * padded
    if _PROSE.fullmatch(cell):
        return 0.7 * padded
    return 0.15
