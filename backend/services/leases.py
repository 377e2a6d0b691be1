"""What one worker at a time does, as long as it renews its lease: others take it over when the lease is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog

from backend.errors import AppError, DatasetBusy, Unavailable
from backend.repositories.database import Database, Tx

log = structlog.get_logger()
ATTEMPTS = 3
"""What was promised is begun so many times at most."""
_PAUSE = timedelta(seconds=1)
"""Before it is tried again where its dataset was busy, or there was no connection."""


class Release(Protocol):
    """Gives it back to the queue, for after a `wait`; `counts`: it was an attempt."""

    async def __call__(self, *, counts: bool = False, wait: timedelta = timedelta()) -> None: ...


@asynccontextmanager
async def tried(
    job: UUID, attempts: int, release: Release, end: Callable[[Exception], Awaitable[None]]
) -> AsyncIterator[None]:
    """Around an attempt of what was promised, this one counted: what fails is tried again later, or `end`s it."""
    try:
        yield
    except asyncio.CancelledError:
        await release()
        raise
    except DatasetBusy:
        await release(wait=_PAUSE)
    except Unavailable as error:
        if attempts < ATTEMPTS:
            await release(counts=True, wait=_PAUSE)
        else:
            await end(error)
    except AppError as error:
        await end(error)
    except Exception as error:
        log.exception("unexpected_error", job=str(job))
        await end(error)


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
