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


async def test_the_end_leaves_no_making_and_no_claim(cache: Cache, redis_url: str) -> None:
    key, answers, begun, before = token_bytes(8), Answers(cache, memory=1_000), asyncio.Event(), asyncio.all_tasks()

    async def never() -> bytes:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    asking = asyncio.create_task(answers.get(key, never))
    await begun.wait()
    await answers.close()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert asyncio.all_tasks() == before
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists(b"sheaf:1:making:" + key)


async def test_the_end_waits_for_what_is_sent(cache: Cache) -> None:
    answers, before = Answers(cache, memory=1_000), asyncio.all_tasks()

    async def made() -> bytes:
        return b"made"

    assert await answers.get(token_bytes(8), made) is not None
    assert asyncio.all_tasks() != before
    await answers.close()
    assert asyncio.all_tasks() == before
