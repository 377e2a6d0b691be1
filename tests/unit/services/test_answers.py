"""Answers that are kept: what is on its way when the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from secrets import token_bytes

import pytest
import redis

from backend.cache import Cache
from backend.query.seal import Seal
from backend.services.answers import Answers

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[Cache]:
    made = Cache(redis_url, Seal(), keep=timedelta(hours=1), patience=20)
    yield made
    await made.close()


def under_way() -> list[str]:
    """What answers have going on: others share the loop."""
    running = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in running if name.startswith("Answers.") or name in {"_sent", "_renewing"}]


async def test_the_end_leaves_no_making_and_no_claim(cache: Cache, redis_url: str) -> None:
    key, answers, begun = token_bytes(8), Answers(cache, memory=1_000), asyncio.Event()

    async def never() -> bytes:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    asking = asyncio.create_task(answers.get(key, never))
    await begun.wait()
    await answers.close()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert under_way() == []
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists(b"sheaf:1:making:" + key)


async def test_the_end_waits_for_what_is_sent(cache: Cache) -> None:
    answers = Answers(cache, memory=1_000)

    async def made() -> bytes:
        return b"made"

    assert await answers.get(token_bytes(8), made) is not None
    assert under_way() == ["_sent"]
    await answers.close()
    assert under_way() == []
