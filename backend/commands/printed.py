"""What a command tells: aligned text for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec


def print_json(told: object) -> None:
    """One JSON document on a line."""
    print(msgspec.json.encode(told).decode())  # noqa: T201


def print_text(text: str) -> None:
    """Text in which nothing steers the terminal, whoever chose the names in it."""
    print(_harmless(text))  # noqa: T201


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns side by side; times in UTC, nothing as a hyphen."""
    cells = [[_cell(value) for value in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return "-" if value is None else _harmless(str(value))


def _harmless(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
