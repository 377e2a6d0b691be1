"""What is wrong with the operations of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from backend.schemas.batches import Places
from backend.schemas.problems import ErrorItem
from backend.services.record_values import TOO_LONG

DUPLICATE_KEY = "DUPLICATE_KEY"
_OF_VALUES = {"INVALID_VALUE", "UNKNOWN_COLUMN", "NULL", TOO_LONG}


class Wrong:
    """Errors by (part, index) of their operation."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._items: list[tuple[tuple[str, int], ErrorItem]] = []
        self._operations: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        """Operations that have errors."""
        return len(self._operations)

    def add(self, part: str, index: int, errors: Sequence[ErrorItem]) -> None:
        for error in errors:
            self._items.append(((part, index), error))
            self._operations.add((part, index))

    def has(self, part: str, index: int) -> bool:
        return (part, index) in self._operations

    @property
    def items(self) -> tuple[ErrorItem, ...]:
        """In the order of the operations."""
        return tuple(item for _, item in sorted(self._items, key=lambda each: self._places.order(*each[0])))

    @property
    def codes(self) -> set[str | None]:
        return {item.code for _, item in self._items}

    @property
    def text(self) -> str:
        if self.codes == {DUPLICATE_KEY}:
            return f"{len(self)} operation(s) would give a second record the same key; nothing was stored."
        if self.codes <= _OF_VALUES:
            return f"{len(self._items)} value(s) do not fit the dataset's columns; nothing was stored."
        return f"{len(self._items)} error(s) in {len(self)} operation(s); nothing was stored."
