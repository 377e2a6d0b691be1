"""How many different values a column has, in constant memory: the smallest hashes are kept."""

from typing import TypeAlias

import numpy as np
import polars as pl

Hashes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint64]]

KEPT = 1024
"""Hashes kept: exact up to this many different values, about 3 % off beyond."""

_NULL = np.uint64(pl.Series([None], dtype=pl.String).hash()[0])


class Distinct:
    """A k-minimum-values sketch. What it answers does not depend on the order or the split of what is added."""

    __slots__ = ("_full", "_kept")

    def __init__(self) -> None:
        self._kept: Hashes = np.empty(0, np.uint64)
        self._full = False

    def add(self, hashes: Hashes) -> None:
        """Take in the hashes (polars' `Series.hash()`) of some values; nulls do not count."""
        if self._full:
            hashes = hashes[hashes < self._kept[-1]]
            if not hashes.size:
                return
        merged = np.concatenate((self._kept, hashes))
        merged.sort()
        wanted = merged != _NULL
        wanted[1:] &= merged[1:] != merged[:-1]
        merged = merged[wanted]
        self._full = self._full or merged.size > KEPT
        self._kept = merged[:KEPT].copy()

    def count(self) -> int:
        if not self._full:
            return self._kept.size
        return round((KEPT - 1) * 2**64 / int(self._kept[-1]))
