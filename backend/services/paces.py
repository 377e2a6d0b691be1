"""Which pages are quickly made: by what they read or, where indexes are, by how long the last one like it took."""

from __future__ import annotations

from typing import TypeAlias

from backend.repositories.remembered import Remembered
from backend.schemas.datasets import Store
from backend.services.readings import Reading

_QUICK = 0.01
"""Seconds; what an index finds takes less."""
_MOST, _EACH = 2**20, 300

Shape: TypeAlias = tuple[Store, bool, bool, str, str, str]
"""Alike are pages of one table that differ in values, limit and offset."""


class Paces:
    """What is quickly made is made by whoever needs it; a wrong guess costs others the same work once more."""

    def __init__(self, rows: int) -> None:
        """`rows`: from so many on a dataset gets indexes."""
        self._rows = rows
        self._slow: Remembered[Shape, bool] = Remembered(_MOST)

    def is_quick(self, reading: Reading) -> bool:
        """Whether it does not pay to look for a page elsewhere before it is made."""
        return reading.light or self._slow.get(_shape(reading)) is False

    def took(self, reading: Reading, seconds: float, *, made: bool) -> None:
        """Learns from a page that was made; from one that was given up, only that it is slow."""
        slow = seconds > _QUICK
        if (made or slow) and not reading.light and reading.snapshot.rows >= self._rows:
            shape = _shape(reading)
            self._slow.put(shape, slow, _EACH + len(shape[3]) + len(shape[4]))


def _shape(reading: Reading) -> Shape:
    compiled, behind = reading.chosen.compiled, reading.place is not None
    where, order = compiled.where.as_string(None), compiled.order_by.as_string(None)
    return reading.snapshot.store, reading.newest, behind, where, order, reading.query.count
