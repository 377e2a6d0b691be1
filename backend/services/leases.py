"""What one worker at a time does, as long as it renews its lease: others take it over when the lease is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from backend.errors import AppError
from backend.repositories.database import Database, Tx

log = structlog.get_logger()


async def while_ours(work: Coroutine[Any, Any, None], renew: Callable[[], Awaitable[bool]], every: float) -> None:
    """Does the work to its end; or until `renew`, every so many seconds, tells that the lease is not ours any more."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait([task], timeout=every))[0]:
            if not await renew():
                return
        await task
    finally:
        if task.cancel():
            await asyncio.wait([task])


async def noted(database: Database, write: Callable[[Tx], Awaitable[None]]) -> None:
    """Writes down how it ended; where that cannot be, others find out when the lease is over."""
    try:
        await database.abandon()
        async with database.transaction() as tx:
            await write(tx)
    except AppError as error:
        log.warning("lease_not_ended", error=str(error))
