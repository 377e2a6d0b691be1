"""A loop ends although something took no notice of its cancellation, as drivers do under Python 3.11."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from backend.services.pauses import pause

pytestmark = pytest.mark.anyio


async def test_a_cancellation_that_was_lost_ends_the_pause() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.Event().wait()
        await pause(3600)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_it_sleeps_where_nobody_cancels() -> None:
    await pause(0)
