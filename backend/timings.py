"""Where the time of a request goes, for `Server-Timing` and for traces."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Literal

Part = Literal["cache", "database", "wait"]
"""Time on Redis, with a database connection, and waiting for one."""

on_timing: ContextVar[Callable[[Part, float], None] | None] = ContextVar("on_timing", default=None)
"""Who else wants to know of each part as it ends, with its seconds."""


class Timings:
    """The seconds of one request, by part."""

    __slots__ = ("_tell", "cache", "database", "wait")

    def __init__(self) -> None:
        self.wait = self.database = self.cache = 0.0
        self._tell = on_timing.get()

    def add(self, part: Part, seconds: float) -> None:
        setattr(self, part, getattr(self, part) + seconds)
        if self._tell is not None:
            self._tell(part, seconds)


timings: ContextVar[Timings | None] = ContextVar("timings", default=None)
"""Of the request under way; what it leaves running counts there too."""
