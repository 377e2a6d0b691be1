"""A random life of a dataset beside a plain Python model of its whole history; every version reads as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from history_bulk import STEP, call_of
from history_life import Life
from history_model import History
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.service import ADDRESS

pytestmark = pytest.mark.anyio

COLUMNS = (("a", "text"), ("b", "number"), ("c", "json"))


@pytest.fixture(scope="module")
async def author(service: ASGITransport) -> AsyncIterator[AsyncClient]:
    """Makes all the datasets."""
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        registered = await client.post("/users", json={"name": "Ada"})
        client.headers["X-API-Key"] = registered.json()["api_key"]
        yield client


async def born(client: AsyncClient) -> Life:
    """An empty dataset."""
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS]
    made = await client.post("/datasets", json={"name": str(uuid4()), "columns": columns})
    model = History()
    model.begin([model.column(name, kind) for name, kind in COLUMNS])
    return Life(client, f"/datasets/{made.json()['id']}", model)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=12))
async def test_every_version_reads_as_it_was(author: AsyncClient, steps: list[tuple[Any, ...]]) -> None:
    life = await born(author)
    for at, step in enumerate(steps):
        await life.step(call_of(life.model, step))
        await life.check(life.model.number)
        await life.check(at * 7 % life.model.number + 1)
    for number in range(1, life.model.number + 1):
        await life.check(number)
    for record in range(1, life.model.next_id):
        await life.check_record(record)
    for low in range(1, life.model.number + 1):
        await life.check_diff(low, low * 5 % life.model.number + 1)
    await life.check_versions()
    await author.delete(life.path)
