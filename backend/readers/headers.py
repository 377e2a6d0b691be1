"""Header rules: which names a table's columns get, and what had to be changed for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.schemas.imports import Warnings


def made_up(position: int) -> str:
    """The name of a column (position from 0) that has none."""
    return f"column_{position + 1}"


def unique(name: str, taken: Iterable[str]) -> str:
    """`name`, or `name_2`, `name_3`, … where it is taken."""
    known = taken if isinstance(taken, set | frozenset | dict) else set(taken)
    if name not in known:
        return name
    number = 2
    while f"{name}_{number}" in known:
        number += 1
    return f"{name}_{number}"


def clean_names(cells: Sequence[str | None], warnings: Warnings, *, row: int | None) -> list[str]:
    """Column names for header cells: trimmed, blank ones made up, all different; each change is a warning at `row`.

    Names that stand in the file once are kept as they are; made-up and suffixed names go around them.
    """
    trimmed = [(cell or "").strip() for cell in cells]
    reserved = set(trimmed)
    used: set[str] = set()
    names: list[str] = []
    for position, (cell, plain) in enumerate(zip(cells, trimmed, strict=True)):
        if not plain:
            name = unique(made_up(position), reserved | used)
            warnings.add(f"Blank column name: named {name}", row=row, column=name, value=cell)
        elif plain in used:
            name = unique(plain, reserved | used)
            warnings.add(f"Column name stands twice: named {name}", row=row, column=name, value=plain)
        else:
            name = plain
            if name != cell:
                warnings.add("White space around the column name was removed", row=row, column=name, value=cell)
        names.append(name)
        used.add(name)
    return names


def extra_names(names: Sequence[str], width: int) -> list[str]:
    """Names for the columns from `len(names)` to `width` that records longer than the header need."""
    used = set(names)
    added: list[str] = []
    for position in range(len(names), width):
        name = unique(made_up(position), used)
        used.add(name)
        added.append(name)
    return added


def find_header(rows: Sequence[Sequence[str | None]]) -> tuple[int | None, int]:
    """Index of the header in the first rows of a table, None without one, and index of the first row of data."""
    return (0, 1) if rows else (None, 0)
