"""A random life of a dataset beside a plain Python model of its whole history; every version reads as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from history_life import Life
from history_model import History
from history_past import STEP, call_of
from history_steps import ROW, create
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.service import ADDRESS

from backend.repositories.database import Database
from backend.schemas.callers import WorkspaceScope
from backend.services.pruning import PruningService

pytestmark = pytest.mark.anyio

COLUMNS = (("a", "text"), ("b", "number"), ("c", "json"))


@pytest.fixture(scope="module")
async def author(service: ASGITransport) -> AsyncIterator[AsyncClient]:
    """Makes all the datasets."""
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        registered = await client.post("/users", json={"name": "Ada"})
        client.headers["X-API-Key"] = registered.json()["api_key"]
        yield client


@pytest.fixture(scope="module")
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """What removes pruned versions."""
    database = await Database(postgres_url, size=1, bulk_size=1, prepare=False).open()
    yield database
    await database.close()


async def born(client: AsyncClient, database: Database) -> Life:
    """An empty dataset."""
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS]
    made = (await client.post("/datasets", json={"name": str(uuid4()), "columns": columns})).json()
    model = History()
    model.begin([model.column(name, kind) for name, kind in COLUMNS])

    async def sweep() -> None:
        workspace, dataset = UUID(made["workspace"]), UUID(made["id"])
        scope = WorkspaceScope(workspace, "", "", "owner", has_schema=True)
        await PruningService(database, step=2)._prune(scope, dataset)

    return Life(client, f"/datasets/{made['id']}", model, sweep)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=4), steps=st.lists(STEP, min_size=1, max_size=12))
async def test_every_version_reads_as_it_was(
    author: AsyncClient, database: Database, rows: list[dict[int, int]], steps: list[tuple[Any, ...]]
) -> None:
    life = await born(author, database)
    if rows:
        await life.step(create(life.model, rows, 1))
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
