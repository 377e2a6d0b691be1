"""A random life of a dataset beside a plain Python model of its whole history; every version reads as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from history_life import WAYS, Life
from history_model import History
from history_past import STEP, call_of
from history_steps import ROW, Call, create
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.service import ADDRESS

from backend.errors import AppError
from backend.readers.base import ReadLimits
from backend.repositories.database import Database
from backend.schemas.callers import WorkspaceScope
from backend.schemas.versions import Restore
from backend.services.pruning import PruningService
from backend.services.restores import Anew, RestoreService
from backend.services.users import UserService
from backend.services.writing import Writers

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
    database = await Database(postgres_url, size=2, bulk_size=1, prepare=False).open()
    yield database
    await database.close()


async def born(client: AsyncClient, database: Database, columns: Sequence[tuple[str, str]]) -> Life:
    """An empty dataset; without columns it takes any."""
    told = {"columns": [{"name": name, "type": kind} for name, kind in columns]} if columns else {}
    made = (await client.post("/datasets", json={"name": str(uuid4()), **told})).json()
    model = History(open=not columns)
    model.begin([model.column(name, kind) for name, kind in columns])

    async def sweep() -> None:
        workspace, dataset = UUID(made["workspace"]), UUID(made["id"])
        scope = WorkspaceScope(workspace, "", "", "owner", has_schema=True)
        service = PruningService(database, step=2, grace=timedelta(0))
        await service._prune(scope, dataset)
        await service._drop_retired(scope)

    async def anew(call: Call) -> tuple[int, str]:
        caller = await UserService(database, registration_open=False).identify(client.headers["X-API-Key"])
        assert caller is not None
        wanted, dry_run = msgspec.json.decode(call.content, type=Restore), "dry_run" in call.params
        service = RestoreService(database, Writers(database), Anew(least=0, share=1e-9), limits=ReadLimits())
        try:
            told, _ = await service.restore(caller, made["id"], None, wanted, if_match=None, dry_run=dry_run)
        except AppError as error:
            return error.status, str(error)
        return 200, msgspec.json.encode(told).decode()

    return Life(client, f"/datasets/{made['id']}", model, sweep, anew)


async def live(life: Life, rows: list[dict[int, int]], steps: list[tuple[Any, ...]]) -> None:
    """Checks the newest and another version after each step, in one way more, and all of the history at the end."""
    if rows:
        await life.step(create(life.model, rows, 1))
    for at, step in enumerate(steps):
        await life.step(call_of(life.model, step))
        await life.check(life.model.number, WAYS[at % len(WAYS)])
        await life.check(at * 7 % life.model.number + 1, WAYS[(at + 1) % len(WAYS)])
    for number in range(1, life.model.number + 1):
        await life.check(number, *WAYS)
        await life.check_diff(number, number * 5 % life.model.number + 1)
    for record in range(1, life.model.next_id):
        await life.check_record(record)
    await life.check_versions()
    await life.client.delete(life.path)


ROWS = st.lists(ROW, max_size=4)
STEPS = st.lists(STEP, min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, steps=STEPS)
async def test_every_version_reads_as_it_was(
    author: AsyncClient, database: Database, rows: list[dict[int, int]], steps: list[tuple[Any, ...]]
) -> None:
    await live(await born(author, database, COLUMNS), rows, steps)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, steps=STEPS)
async def test_every_version_of_a_growing_schema_reads_as_it_was(
    author: AsyncClient, database: Database, rows: list[dict[int, int]], steps: list[tuple[Any, ...]]
) -> None:
    await live(await born(author, database, ()), rows, steps)
