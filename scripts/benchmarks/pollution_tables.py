"""Clean tables that get polluted: made from a seed, with what makes cells hard (commas, quotes, line breaks, gaps)."""

from __future__ import annotations

import datetime as dt
import random

from msgspec import Struct

ROWS = 83
"""Records of a table, below its header."""


class Cell(Struct, frozen=True):
    """A value, and whether it stands in quotes."""

    text: str
    quoted: bool = False


Row = list[Cell]

_WORDS = ["amber", "brick", "cedar", "delta", "ember", "flint", "grove", "heath", "jetty", "knoll", "mossy", "quill"]
_KINDS = ("Tools", "Garden", "Spare parts", "Paint")
_START = dt.datetime(2024, 3, 1, 7, 30)  # noqa: DTZ001  no zone stands in the file


def loans(seed: int = 0) -> list[Row]:
    """Nine columns of many types, quotes only where a cell needs them, one cell with a backslash and quotes."""
    chance = random.Random(seed)
    rows = [["Loaned", "Hour", "Days", "Ticket", "Fee", "Kind", "Article", "Link", "Remark"]]
    for number in range(ROWS):
        moment = _START + dt.timedelta(days=number, minutes=37 * number)
        article = _article(chance, number)
        remark = "" if chance.random() < 0.4 else f"returned {_phrase(chance, 2)}, fine"
        rows.append(
            [
                f"{moment:%Y-%m-%d}",
                f"{moment:%H:%M}",
                str(chance.randint(1, 40)),
                f"LN-{chance.randint(1000, 9999)}",
                f"{chance.randint(100, 99_999) / 100:.2f}",
                chance.choice(_KINDS),
                article,
                f"https://example.org/items/{chance.randint(1, 999)}?page={number}",
                remark,
            ]
        )
    return [[Cell(text, _needs_quotes(text)) for text in row] for row in rows]


def people(seed: int = 1) -> list[Row]:
    """Six columns of words alone, all in quotes."""
    chance = random.Random(seed)
    rows = [["First name", "Last name", "Town", "Street", "Trade", "Motto"]]
    rows += [[_phrase(chance, 1 + (at > 3)).title() for at in range(5)] + [_phrase(chance, 5)] for _ in range(ROWS)]
    return [[Cell(text, quoted=True) for text in row] for row in rows]


def readings(seed: int = 2) -> list[Row]:
    """Twelve columns, eleven of them numbers, nothing in quotes; a quarter of the cells is empty."""
    chance = random.Random(seed)
    rows = [["station", *[f"sensor {number}" for number in range(1, 12)]]]
    for number in range(ROWS):
        values = ["" if chance.random() < 0.25 else f"{chance.uniform(-20, 900):.3f}" for _ in range(11)]
        rows.append([f"S{number:03}", *values])
    return [[Cell(text) for text in row] for row in rows]


def _article(chance: random.Random, number: int) -> str:
    if number == 12:
        return '7\\\'6"" ladder, "wide"'
    if number % 9 == 4:
        return f"{_phrase(chance, 2)}, {chance.randint(2, 9)} pieces"
    if number % 17 == 5:
        return f'the "{_phrase(chance, 1)}" {_phrase(chance, 1)}'
    if number == 61:
        return f"{_phrase(chance, 3)}\n({_phrase(chance, 2)}, new)"
    if number == 40:
        return f"{_phrase(chance, 2)}'s {_phrase(chance, 1)}"
    return _phrase(chance, 3)


def _phrase(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(words))


def _needs_quotes(text: str) -> bool:
    return any(sign in text for sign in ',"\r\n')
