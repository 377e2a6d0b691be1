"""What need not be asked again, within a bound on its size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by key, the least recently used forgotten when their weights add up to more than `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Keeps a value; one that is heavier than all the room there is, is not kept."""
        self.drop(key)
        if weight > self._most:
            return
        self._entries[key] = value, weight
        self._weight += weight
        while self._weight > self._most:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._weight -= dropped

    def drop(self, key: K) -> None:
        self._weight -= self._entries.pop(key, (None, 0))[1]
