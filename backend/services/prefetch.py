"""A blocking iterator, read ahead by one item in a worker thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import TypeVar

T = TypeVar("T")


async def prefetch(items: Iterator[T]) -> AsyncGenerator[T]:
    """Yields the items; the next one is made while the consumer works on the last."""
    end = object()
    upcoming = asyncio.create_task(asyncio.to_thread(next, items, end))
    try:
        while (item := await upcoming) is not end:
            upcoming = asyncio.create_task(asyncio.to_thread(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        if not upcoming.done():
            await asyncio.wait({upcoming})
