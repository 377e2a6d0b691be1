"""Header rules: which names a table's columns get, and what had to be changed for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backend.schemas.columns import RECORD_ID
from backend.schemas.imports import Warnings


def made_up(position: int) -> str:
    """The name of a column (position from 0) that has none."""
    return f"column_{position + 1}"


class _Names:
    """Names given so far; numbers go on where the last one of that name ended."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def numbered(self, name: str) -> str:
        """`name_2`, `name_3`, …: the first that is free, then taken."""
        number = self._next.get(name, 2)
        while f"{name}_{number}" in self._taken:
            number += 1
        self._next[name] = number + 1
        return self.take(f"{name}_{number}")

    def free(self, name: str) -> str:
        """`name` where it is free, else numbered; then taken."""
        return self.numbered(name) if name in self._taken else self.take(name)

    def take(self, name: str) -> str:
        self._taken.add(name)
        return name


def clean_names(cells: Sequence[str | None], warnings: Warnings, *, row: int | None) -> list[str]:
    """Column names for header cells: trimmed, blank ones made up, all different; each change is a warning at `row`.

    Names that stand in the file once are kept as they are, except `__id`; made-up and suffixed names go around them.
    """
    trimmed = [(cell or "").strip() for cell in cells]
    known = _Names(name for name in trimmed if name)
    used: set[str] = set()
    names: list[str] = []
    for position, (cell, plain) in enumerate(zip(cells, trimmed, strict=True)):
        if not plain:
            name = known.free(made_up(position))
            warnings.add(f"Blank column name: named {name}", row=row, column=name, value=cell)
        elif plain == RECORD_ID:
            name = known.numbered(plain)
            warnings.add(f"{plain} means the record's own id: named {name}", row=row, column=name, value=cell)
        elif plain in used:
            name = known.numbered(plain)
            warnings.add(f"Column name stands twice: named {name}", row=row, column=name, value=plain)
        else:
            name = plain
            used.add(plain)
            if name != cell:
                warnings.add("White space around the column name was removed", row=row, column=name, value=cell)
        names.append(name)
    return names


def extra_names(names: Sequence[str], width: int) -> list[str]:
    """Names for the columns from `len(names)` to `width` that records longer than the header need."""
    known = _Names(names)
    return [known.free(made_up(position)) for position in range(len(names), width)]
