"""Suggestions: a lossy reading of a text column that is plain enough to offer, never taken unasked."""

from collections.abc import Mapping

import polars as pl

from backend.inference.lattice import anchored

_MOST_WORDS = 8
_NULL_WORDS = frozenset({"na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", "."})
_PAIRS = (("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"))
_DAY = "(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = "(?:0?[1-9]|1[0-2])"
_ORDERS = {"day": f"{_DAY}[./-]{_MONTH}[./-][0-9]{{4}}", "month": f"{_MONTH}[./-]{_DAY}[./-][0-9]{{4}}"}


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
        """Take in values of no type (nulls do not count)."""
        for part in (values.head(1000), values):
            if self._words is not None:
                self._words.update(part.drop_nulls().unique().to_list())
                if len(self._words) > _MOST_WORDS:
                    self._words = None
            for order in tuple(self._orders):
                if not part.str.contains(anchored(_ORDERS[order])).all():
                    self._orders.discard(order)

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
