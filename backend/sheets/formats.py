"""What a number format makes of a number: a date, a time, a duration, digits with leading zeros."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

from msgspec import Struct


class Style(IntEnum):
    """How a numeric cell is to be read."""

    NUMBER = 0
    DATE = 1
    DATETIME = 2
    TIME = 3
    DURATION = 4
    PADDED = 5


class Format(Struct, frozen=True):
    """A number format; `template` of a padded one holds a `0` per digit and its literals (`000-00-0000`)."""

    style: Style = Style.NUMBER
    template: str = ""


GENERAL = Format()
_DATE, _DATETIME, _TIME = Format(Style.DATE), Format(Style.DATETIME), Format(Style.TIME)
BUILTIN: dict[int, Format] = {
    **dict.fromkeys((14, 15, 16, 17, 27, 28, 29, 30, 31, 34, 35, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58), _DATE),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 45, 47), _TIME),
    22: _DATETIME,
    46: Format(Style.DURATION),
}
"""Formats that a workbook may name without spelling them out."""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|[_*].|\[(?P<bracket>[^\]]*)\]|(?P<ampm>am/pm|a/p)|(?P<general>general)'
    r"|(?P<exponent>e[+-])|(?P<letters>y+|m+|d+|h+|s+)|(?P<zeros>0+)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(4096)
def classify(code: str) -> Format:
    """What the first section of a format code shows."""
    letters: list[str] = []
    template = ""
    padded = True
    for token in _TOKEN.finditer(_first_section(code)):
        kind, text = token.lastgroup, token[0]
        if kind == "bracket" and re.fullmatch(r"h+|m+|s+", token["bracket"], re.IGNORECASE):
            return Format(Style.DURATION)
        if kind == "letters":
            letters.append(text[0].lower())
        elif kind == "ampm":
            letters.append("h")
        if kind in ("zeros", "quoted", "escaped"):
            template += token[kind]
        elif kind == "other" and text in "-/() ":
            template += text
        elif kind != "bracket":
            padded = False
    if letters:
        return _calendar(letters)
    zeros = sum(map(len, re.findall("0+", template)))
    if padded and zeros > 1 and not any(char.isdigit() and char != "0" for char in template):
        return Format(Style.PADDED, template)
    return GENERAL


def _first_section(code: str) -> str:
    plain = re.sub(r'"[^"]*"?|\\.|\[[^\]]*\]', lambda found: "\0" * len(found[0]), code)
    end = plain.find(";")
    return code if end < 0 else code[:end]


def _calendar(letters: list[str]) -> Format:
    """Tell months from minutes: an `m` beside hours or seconds counts minutes."""
    day = time = False
    for position, letter in enumerate(letters):
        if letter in "hs":
            time = True
        elif letter == "m":
            before = letters[position - 1] if position else ""
            after = letters[position + 1] if position + 1 < len(letters) else ""
            minutes = before == "h" or after == "s"
            time, day = time or minutes, day or not minutes
        else:
            day = True
    if day and time:
        return _DATETIME
    return _DATE if day else _TIME
