"""What is left of deleted workspaces once they cannot be restored any more: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from math import inf
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from support.calls import CSV
from support.late import late_writes
from support.service import Upload, User
from support.sharing import code, delete_workspace, make_workspace, own

from backend.repositories.database import Database
from backend.security import auth
from backend.services.workspaces import WorkspaceService

pytestmark = pytest.mark.anyio


def left(url: str, workspace: str) -> list[str]:
    """Where there is still something of a workspace: its schema and rows of central tables."""
    found = []
    with psycopg.connect(url) as connection:
        schema = connection.execute("SELECT to_regnamespace(%s)", (f"ws_{UUID(workspace).hex}",)).fetchone()
        found += ["schema"] if schema and schema[0] else []
        for name in ("workspaces", "memberships", "directory", "uploads", "imports"):
            column = "id" if name == "workspaces" else "workspace_id"
            query = sql.SQL("SELECT FROM {} WHERE {} = %s").format(
                sql.Identifier("sheaf", name), sql.Identifier(column)
            )
            found += [name] if connection.execute(query, (workspace,)).rowcount else []
    return found


EVERYWHERE = ["schema", "workspaces", "memberships", "directory", "uploads", "imports"]


@pytest.fixture
async def sweep(postgres_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Sweeps as a worker does, with a grace time."""
    database = await Database(postgres_url, size=4, bulk_size=1, prepare=True).open()

    async def nobody_remembers() -> None:
        return

    async def run(grace: timedelta = timedelta(0)) -> None:
        await WorkspaceService(database, nobody_remembers, grace=grace).sweep()

    yield run
    await database.close()


@pytest.fixture
async def full(user: User, upload: Upload) -> str:
    """The id of a workspace with something everywhere."""
    for n in range(3):
        await upload(name=f"orders {n}")
    assert (await user.client.post("/uploads", content="a\n3\n", headers=CSV)).status_code == 201
    return user.workspace["id"]


class TestSweep:
    async def test_removes_what_was_deleted_before_the_grace_time_and_nothing_else(
        self, user: User, full: str, postgres_url: str, sweep: Callable[..., Any]
    ) -> None:
        empty, live = [await make_workspace(user.client, name) for name in ("Empty", "Live")]
        await user.client.post("/datasets?workspace=live", json={"name": "x"})
        await delete_workspace(user.client, full)
        await delete_workspace(user.client, empty["id"])
        await sweep(timedelta(days=1))
        assert left(postgres_url, full) == EVERYWHERE
        await sweep()
        assert left(postgres_url, full) == left(postgres_url, empty["id"]) == []
        assert left(postgres_url, live["id"]) == ["schema", "workspaces", "memberships", "directory"]
        for workspace in (full, empty["id"]):
            answer = await user.client.post(f"/workspaces/{workspace}/undelete")
            assert code(answer) == (404, "WORKSPACE_NOT_FOUND")
        assert [each["slug"] for each in await own(user.client)] == ["live"]

    async def test_many_workers_at_once(
        self, user: User, full: str, postgres_url: str, sweep: Callable[..., Any]
    ) -> None:
        await delete_workspace(user.client, full)
        await asyncio.gather(*(sweep() for _ in range(4)))
        await sweep()
        assert left(postgres_url, full) == []

    @pytest.mark.parametrize("busy", ["SELECT FROM {last}", "CREATE TABLE {new} (id bigint)"], ids=["export", "import"])
    async def test_waits_for_who_is_still_at_it_and_is_done_later(
        self, user: User, full: str, postgres_url: str, sweep: Callable[..., Any], busy: str
    ) -> None:
        """So it stands still half way, as when its process was killed there; nobody gets half a workspace back."""
        schema = f"ws_{UUID(full).hex}"
        with psycopg.connect(postgres_url) as reading:
            names = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'records\\_%%' ORDER BY 1"
            last = [row[0] for row in reading.execute(names, (schema,)).fetchall()][-1]
            tables = {"last": sql.Identifier(schema, last), "new": sql.Identifier(schema, "new")}
            reading.execute(sql.SQL(busy).format(**tables))  # type: ignore[arg-type]
            await delete_workspace(user.client, full)
            await sweep()
            assert left(postgres_url, full) == [each for each in EVERYWHERE if each != "memberships"]
            answer = await user.client.post(f"/workspaces/{full}/undelete")
            assert code(answer) == (404, "WORKSPACE_NOT_FOUND")
        await sweep()
        assert left(postgres_url, full) == []

    async def test_who_was_let_in_before_finds_nothing(
        self, user: User, full: str, sweep: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(auth, "_QUICK", inf)
        dataset = (await user.client.get("/datasets/orders-0")).json()
        async with late_writes(user.client, dataset) as answers:
            await delete_workspace(user.client, full)
            await sweep()
        assert set(answers.values()) == {404}, answers
