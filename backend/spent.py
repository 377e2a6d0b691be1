"""Where the time of a request goes, for `Server-Timing`."""

from __future__ import annotations

from contextvars import ContextVar


class Spent:
    """Seconds: `wait` for a database connection, `database` with one, `cache` on Redis."""

    __slots__ = ("cache", "database", "wait")

    def __init__(self) -> None:
        self.wait = self.database = self.cache = 0.0


spent: ContextVar[Spent | None] = ContextVar("spent", default=None)
"""Of the request under way; what it leaves running counts there too."""
