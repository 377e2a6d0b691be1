"""Suggestions: a lossy reading of a text column that is plain enough to offer, never taken unasked."""

import re
from collections.abc import Mapping

import polars as pl

from backend.inference.lattice import anchored

_MOST_WORDS = 8
_GLANCE = 50
_NULL_WORDS = frozenset({"na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", "."})
_PAIRS = (("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"))
_DAY = "(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(?:0?[1-9]|1[0-2])"
_ORDERS = {
    "day": re.compile(f"{_DAY}[./-]{_MONTH}[./-][0-9]{{4}}"),
    "month": re.compile(f"{_MONTH}[./-]{_DAY}[./-][0-9]{{4}}"),
}


class Hints:
    """Watches the values of a column that are of no type: their vocabulary while it is small, and dates by number."""

    __slots__ = ("_orders", "_words")

    def __init__(self) -> None:
        self._words: set[str] | None = set()
        self._orders = set(_ORDERS)

    @property
    def alive(self) -> bool:
        return self._words is not None or bool(self._orders)

    def meet(self, values: pl.Series) -> None:
        """Take in values of no type (nulls do not count). The first few settle most columns, without polars."""
        first = [value for value in values.head(_GLANCE).to_list() if value is not None]
        self._orders = {order for order in self._orders if all(map(_ORDERS[order].fullmatch, first))}
        self._learn(first)
        if len(values) <= _GLANCE:
            return
        if self._words is not None:
            self._learn(values.drop_nulls().unique().to_list())
        wanted = {order: anchored(_ORDERS[order].pattern) for order in self._orders}
        self._orders = {order for order, pattern in wanted.items() if values.str.contains(pattern).all()}

    def _learn(self, words: list[str]) -> None:
        if self._words is not None:
            self._words.update(words)
            if len(self._words) > _MOST_WORDS:
                self._words = None

    def suggestion(self, counts: Mapping[str, int]) -> str | None:
        """What to offer for a text column of which so many values are of each type."""
        typed = {"number" if name == "integer" and counts.get("number") else name for name in counts} - {"text"}
        if not typed and len(self._orders) == 1:
            return f"date, {next(iter(self._orders))} first"
        if not self._words:
            return None
        lower = {word.lower() for word in self._words}
        if not typed:
            pair = next((pair for pair in _PAIRS if lower == set(pair)), None)
            return f"boolean from {'/'.join(pair)}" if pair else None
        if len(typed) == 1 and lower <= _NULL_WORDS:
            return f"{typed.pop()}, null for {', '.join(sorted(self._words))}"
        return None
