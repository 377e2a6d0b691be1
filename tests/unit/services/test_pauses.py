"""A loop goes on whatever fails in it, and ends although something took no notice of its cancellation.

Drivers do so under Python 3.11.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from backend.errors import AppError, Unavailable
from backend.services.pauses import beside, pause, repeated
from backend.services.upkeep import upkeep

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
    others_turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(others_turn.set)
    await pause(0)
    assert others_turn.is_set()


@pytest.mark.parametrize("wake", [None, asyncio.Event()])
async def test_nothing_that_fails_ends_the_loop(wake: asyncio.Event | None) -> None:
    """What the service knows, and what nobody thought of."""
    failures: Iterator[Exception] = iter((Unavailable(), ValueError("unexpected"), AppError()))
    done = asyncio.Event()

    async def step() -> None:
        for failure in failures:
            raise failure
        done.set()

    task = asyncio.create_task(repeated(step, 0, wake))
    await done.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_sweep_that_fails_keeps_no_other_one_from_its_turn() -> None:
    swept = asyncio.Event()

    async def fail() -> None:
        raise ValueError("unexpected")

    async def sweep() -> None:
        swept.set()

    task = asyncio.create_task(upkeep([fail, sweep])())
    await swept.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_what_goes_on_beside_a_block_ends_with_it() -> None:
    taken = asyncio.Event()
    on_its_way = 0

    async def step() -> None:
        nonlocal on_its_way
        on_its_way += 1
        try:
            taken.set()
            await asyncio.Event().wait()
        finally:
            on_its_way -= 1

    async with beside(step, 0):
        await taken.wait()
        assert on_its_way == 1
    assert on_its_way == 0
