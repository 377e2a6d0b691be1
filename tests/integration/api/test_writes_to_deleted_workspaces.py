"""Writes and imports that are under way while their workspace is deleted: done before, or refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count
from math import inf
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from support.calls import CSV
from support.late import late_writes
from support.service import Upload, User
from support.sharing import delete_workspace

from backend.security import auth

pytestmark = pytest.mark.anyio
ASYNC = {**CSV, "Prefer": "respond-async"}


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
        await delete_workspace(user.client, "ada")
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
    await delete_workspace(user.client, "ada")
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
        await delete_workspace(user.client, "ada")
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
