"""Wait for what others do, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from scripts.trials.waiting import until

__all__ = ["eventually", "until"]

T = TypeVar("T")


async def eventually(condition: Callable[[], Awaitable[T]], *, seconds: float = 180) -> T:
    """`until` of what is awaited: its first true value. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.02)
