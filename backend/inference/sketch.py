"""How many different values a column has, in constant memory: the smallest hashes are kept."""

import polars as pl

KEPT = 1024
"""Hashes kept: exact up to this many different values, about 3 % off beyond."""

_NULL = int(pl.Series([None], dtype=pl.String).hash()[0])


class Distinct:
    """A k-minimum-values sketch. What it answers does not depend on the order or the split of what is added."""

    __slots__ = ("_hashes", "_limit")

    def __init__(self) -> None:
        self._hashes = pl.Series(dtype=pl.UInt64)
        self._limit: int | None = None

    def add(self, hashes: pl.Series) -> None:
        """Take in the hashes (`Series.hash()`, UInt64) of some values; nulls do not count."""
        if self._limit is not None:
            hashes = hashes.filter(hashes < self._limit)
            if hashes.is_empty():
                return
        new = hashes.unique()
        merged = pl.concat([self._hashes, new.filter(new != _NULL)]).unique()
        if len(merged) > KEPT:
            merged = merged.sort().head(KEPT)
            self._limit = merged[-1]
        self._hashes = merged

    def count(self) -> int:
        if self._limit is None:
            return len(self._hashes)
        return round((KEPT - 1) * 2**64 / self._limit)
