"""Deleted workspaces: out of everybody's reach at once, whole again while they can be restored, then gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import count
from math import inf
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from httpx import AsyncClient
from psycopg import sql
from support.calls import CSV
from support.late import late_writes
from support.service import MakeUser, Upload, User, without_request_id
from support.sharing import code, join, make_workspace, own

from backend.repositories.database import Database
from backend.security import auth
from backend.services.workspaces import WorkspaceService

pytestmark = pytest.mark.anyio

MISSING = "01890000-0000-7000-8000-000000000000"
ASYNC = {**CSV, "Prefer": "respond-async"}


async def delete(client: AsyncClient, workspace: str) -> None:
    answer = await client.delete(f"/workspaces/{workspace}")
    assert answer.status_code == 204, answer.text


class TestDelete:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_who_is_no_owner_may_not(self, user: User, make_user: MakeUser, role: str) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, role)
        assert code(await bob.client.delete("/workspaces/ada")) == (403, "FORBIDDEN")
        assert (await user.client.get("/workspaces/ada")).status_code == 200

    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        missing = without_request_id(await stranger.delete(f"/workspaces/{MISSING}"))
        assert missing[0] == 404
        assert without_request_id(await stranger.delete(f"/workspaces/{user.workspace['id']}")) == missing

    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert code(await reader.delete("/workspaces/ada")) == (403, "FORBIDDEN")

    async def test_nothing_in_it_is_reached_by_anybody(self, user: User, make_user: MakeUser) -> None:
        """By id or slug, by owner or viewer; each answer is that for something that never was."""
        bob = await make_user("Bob")
        shared = await make_workspace(user.client)
        await join(user.client, shared["id"], bob)
        made = (
            await user.client.post("/datasets?name=orders&workspace=shared", content="a\n1\n2\n", headers=CSV)
        ).json()
        file = (await user.client.post("/uploads?workspace=shared", content="a\n3\n", headers=CSV)).json()
        dataset, imported = made["dataset"]["id"], made["import"]["id"]
        cursor = (await user.client.get(f"/datasets/{dataset}/records?limit=1")).json()["next"]
        paths = [
            "/datasets/{0}",
            "/datasets/{0}/schema",
            "/datasets/{0}/records",
            "/datasets/{0}/records?version=1",
            f"/datasets/{{0}}/records?limit=1&cursor={cursor}",
            "/datasets/{0}/records/1",
            "/datasets/{0}/records/count",
            "/datasets/{0}/records/stream",
            "/datasets/{0}/export",
            "/datasets/{0}/versions",
            "/imports/{1}",
            "/imports/{1}/events",
            "/uploads/{2}",
            "/workspaces/{3}",
            "/workspaces/{3}/members",
            "/workspaces/{3}/export",
            "/datasets?workspace={3}",
            "/imports?workspace={3}",
            "/datasets?workspace={4}",
        ]
        clients = (user.client, bob.client)
        there = (dataset, imported, file["id"], shared["id"], "shared")
        nowhere = (MISSING, MISSING, MISSING, MISSING, "nothing")
        for client in clients:
            assert {(await client.get(path.format(*there))).status_code for path in paths} == {200}
        await delete(user.client, "shared")
        for client in clients:
            for path in paths:
                answer = without_request_id(await client.get(path.format(*there)))
                assert answer[0] == 404, path
                assert answer == without_request_id(await client.get(path.format(*nowhere)))
            assert shared["id"] not in [each["id"] for each in await own(client)]
            assert code(await client.delete(f"/workspaces/{shared['id']}")) == (404, "WORKSPACE_NOT_FOUND")
            assert code(await client.delete(f"/workspaces/{shared['id']}/members/me")) == (404, "WORKSPACE_NOT_FOUND")

    async def test_its_slug_is_free_again(self, client: AsyncClient) -> None:
        await make_workspace(client, "Books", slug="books")
        await delete(client, "books")
        assert (await make_workspace(client, "Books", slug="books"))["slug"] == "books"

    async def test_each_member_still_has_a_default_workspace(self, user: User, make_user: MakeUser) -> None:
        """Their oldest one, or a new one for who has no other."""
        bob, eve = await make_user("Bob"), await make_user("Eve")
        for each in (bob, eve):
            await join(user.client, user.workspace["id"], each)
        assert (await bob.client.put(f"/workspaces/{user.workspace['id']}/default")).status_code == 200
        await delete(eve.client, eve.workspace["id"])
        assert [each["id"] for each in await own(eve.client)] == [user.workspace["id"]]
        await delete(user.client, user.workspace["id"])
        assert [(each["id"], each["is_default"]) for each in await own(bob.client)] == [(bob.workspace["id"], True)]
        for each in (user, eve):
            (only,) = await own(each.client)
            assert (only["name"], only["role"], only["is_default"]) == (each.name, "owner", True)
            assert only["id"] not in {user.workspace["id"], eve.workspace["id"]}


class TestUndelete:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_to_who_is_no_owner_it_does_not_exist(self, user: User, make_user: MakeUser, role: str) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, role)
        path = f"/workspaces/{user.workspace['id']}/undelete"
        assert code(await bob.client.post(path)) == (403, "FORBIDDEN")
        await delete(user.client, "ada")
        missing = await bob.client.post(f"/workspaces/{MISSING}/undelete")
        assert without_request_id(await bob.client.post(path)) == without_request_id(missing)
        assert missing.status_code == 404

    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        await delete(user.client, "ada")
        answer = await stranger.post(f"/workspaces/{user.workspace['id']}/undelete")
        assert code(answer) == (404, "WORKSPACE_NOT_FOUND")

    async def test_one_that_is_not_deleted(self, user: User) -> None:
        for ref in (user.workspace["id"], user.workspace["slug"], MISSING, "nothing"):
            assert code(await user.client.post(f"/workspaces/{ref}/undelete")) == (404, "WORKSPACE_NOT_FOUND")

    async def test_brings_all_of_it_back(self, user: User, make_user: MakeUser, upload: Upload) -> None:
        """But for what was deleted before."""
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "editor")
        orders, gone = await upload(), await upload(name="gone")
        await user.client.delete(f"/datasets/{gone['id']}")
        before = (await user.client.get("/workspaces/ada")).json()
        export = (await bob.client.get(f"/datasets/{orders['id']}/export")).content
        await delete(user.client, "ada")
        answer = await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")
        assert answer.status_code == 200
        after = answer.json()
        told = {"is_default": False, "updated_at": after["updated_at"], "slug": "ada-2"}
        assert after == before | told
        assert (await bob.client.get(f"/datasets/{orders['id']}")).json() == orders
        assert (await bob.client.get(f"/datasets/{orders['id']}/export")).content == export
        assert (await bob.client.get(f"/datasets/{gone['id']}")).status_code == 404
        assert (await bob.client.post(f"/datasets/{gone['id']}/undelete")).status_code == 200
        assert (await bob.client.post(f"/datasets/{orders['id']}/records", json={"name": "Eve"})).status_code == 201
        again = await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")
        assert code(again) == (404, "WORKSPACE_NOT_FOUND")


@pytest.mark.parametrize("asked_again", [True, False])
async def test_writes_whose_callers_were_let_in_before_are_refused(
    user: User, upload: Upload, postgres_url: str, monkeypatch: pytest.MonkeyPatch, *, asked_again: bool
) -> None:
    """Their keys were looked up when the workspace was still there, and then their bodies took their time.

    Also where nobody looks their keys up again: what they write to refuses them.
    """
    if not asked_again:
        monkeypatch.setattr(auth, "_QUICK", inf)
    orders = await upload()
    assert (await user.client.patch(f"/datasets/{orders['id']}/records/1", json={"amount": 5})).status_code == 200
    before = (await user.client.get(f"/datasets/{orders['id']}")).json()
    async with late_writes(user.client, orders) as answers:
        await delete(user.client, "ada")
    assert set(answers.values()) == {404}, answers
    assert (await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")).status_code == 200
    listed = (await user.client.get("/datasets", params={"workspace": user.workspace["id"]})).json()["data"]
    assert listed == [before]
    with psycopg.connect(postgres_url) as connection:
        kept = "SELECT FROM sheaf.uploads WHERE workspace_id = %s"
        assert connection.execute(kept, (user.workspace["id"],)).rowcount == 0
        waiting = "SELECT FROM sheaf.imports WHERE workspace_id = %s AND state IN ('queued', 'running')"
        assert connection.execute(waiting, (user.workspace["id"],)).rowcount == 0


async def test_writes_that_go_on_all_the_while_are_done_before_or_refused(user: User, upload: Upload) -> None:
    """What was answered as done is there afterwards, and nothing else is."""
    datasets = [await upload(name=f"orders {n}") for n in range(3)]
    under_way, deleted = asyncio.Event(), asyncio.Event()
    done: dict[str, int] = {each["id"]: 0 for each in datasets}

    async def write(dataset: str, body: Any) -> None:
        while True:
            answer = await user.client.post(f"/datasets/{dataset}/records", json=body)
            if answer.status_code == 404:
                return
            assert answer.status_code == 201, answer.text
            assert not deleted.is_set()
            done[dataset] += len(body) if isinstance(body, list) else 1
            if all(done.values()):
                under_way.set()

    async def rename(dataset: str, name: str) -> None:
        for n in count():
            answer = await user.client.patch(f"/datasets/{dataset}", json={"name": f"{name} {n}"})
            if answer.status_code == 404:
                return
            assert answer.status_code == 200, answer.text

    async def make() -> None:
        for n in count():
            answer = await user.client.post("/datasets", json={"name": f"new {n}"})
            if answer.status_code == 404 or answer.json()["workspace"] != user.workspace["id"]:
                return
            assert answer.status_code == 201, answer.text

    writers = [
        asyncio.create_task(write(each["id"], body))
        for each in datasets
        for body in ({"name": "Eve"}, [{"name": "Eve"}] * 30)
    ]
    writers += [asyncio.create_task(rename(each["id"], each["name"])) for each in datasets]
    writers.append(asyncio.create_task(make()))
    await under_way.wait()
    await delete(user.client, "ada")
    deleted.set()
    await asyncio.gather(*writers)
    assert (await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")).status_code == 200
    for dataset, added in done.items():
        told = (await user.client.get(f"/datasets/{dataset}/records/count")).json()
        assert told["count"] == 2 + added


class TestImports:
    async def test_those_that_wait_or_run_end_as_cancelled(self, user: User, upload: Upload, postgres_url: str) -> None:
        """One waits for a busy dataset, one is another worker's, one is of a worker that is gone."""
        orders = await upload()
        place = (user.workspace["id"], user.id)
        schema = sql.Identifier(f"ws_{UUID(user.workspace['id']).hex}", "datasets")
        busy = sql.SQL("UPDATE {} SET busy_import = %s, busy_until = now() + interval '1 h'").format(schema)
        add = (
            "INSERT INTO sheaf.imports (id, workspace_id, user_id, request, answered, state, phase, bytes, attempts,"
            " worker, lease_until) VALUES (%s, %s, %s, '{}', true, 'running', 'reading', 7, 1, %s, now() + %s)"
        )
        with psycopg.connect(postgres_url) as connection:
            connection.execute(busy, (uuid4(),))
            running, abandoned = uuid4(), uuid4()
            connection.execute(add, (running, *place, uuid4(), timedelta(hours=1)))
        waiting = await user.client.post(f"/datasets/{orders['id']}/imports", content="name\nEve\n", headers=ASYNC)
        assert waiting.status_code == 202
        with psycopg.connect(postgres_url) as connection:
            connection.execute(add, (abandoned, *place, uuid4(), timedelta(hours=1)))
        await delete(user.client, "ada")
        assert (await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")).status_code == 200
        with psycopg.connect(postgres_url) as connection:
            told = "SELECT cancelled FROM sheaf.imports WHERE id = %s"
            assert connection.execute(told, (running,)).fetchone() == (True,)
            late = "UPDATE sheaf.imports SET lease_until = now() WHERE id = %s"
            connection.execute(late, (abandoned,))
        for import_id in (waiting.json()["id"], abandoned):
            await user.client.get(f"/imports/{import_id}/events")
            assert (await user.client.get(f"/imports/{import_id}")).json()["state"] == "cancelled"
        assert (await user.client.get(f"/datasets/{orders['id']}")).json()["version"] == 1


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
        await delete(user.client, full)
        await delete(user.client, empty["id"])
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
        await delete(user.client, full)
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
            await delete(user.client, full)
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
            await delete(user.client, full)
            await sweep()
        assert set(answers.values()) == {404}, answers
