"""Who loses the right to an import while it runs: what they follow ends, what they were promised fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec import Struct
from support.calls import CSV, ORDERS, make
from support.service import MakeUser, User
from support.sharing import code, join
from support.waiting import until

pytestmark = pytest.mark.anyio
RUNNING = """
INSERT INTO sheaf.imports
    (id, workspace_id, user_id, upload_id, request, answered, state, phase, bytes, attempts, worker, lease_until)
VALUES (%s, %s, %s, NULL, '{}', true, 'running', 'reading', 7, 1, %s, now() + interval '1 hour')
"""


WAITING = """
INSERT INTO sheaf.imports (id, workspace_id, user_id, upload_id, request, answered, state, phase, bytes, lease_until)
VALUES (%s, %s, %s, NULL, '{}', true, 'queued', 'waiting', 7, now() + interval '1 hour')
"""


class Followed(Struct):
    """An import that goes on and on, in a workspace of `owner` in which `user` may look."""

    owner: User
    user: User
    import_id: UUID
    url: str
    app: Any

    def run(self, query: str, *values: object) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(query, values)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[asyncio.Task[None]]:
        """The request for its events; within the block the first of them is there."""
        path = f"/api/v1/imports/{self.import_id}/events"
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"x-api-key", self.user.key.encode())],
            "http_version": "1.1", "scheme": "http", "root_path": "", "client": None, "server": None,
        }  # fmt: skip
        begun, ended = asyncio.Event(), asyncio.Event()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await ended.wait()
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if b"event: progress" in message.get("body", b""):
                begun.set()
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        task = asyncio.create_task(self.app(scope, receive, send))
        await begun.wait()
        yield task
        async with asyncio.timeout(60):
            await task

    async def revoke(self) -> None:
        other = (await self.user.client.post("/users/me/keys", json={"name": "other"})).json()["api_key"]
        (used,) = [each for each in (await self.user.client.get("/users/me/keys")).json()["data"] if each["current"]]
        answer = await self.user.client.delete(f"/users/me/keys/{used['id']}", headers={"X-API-Key": other})
        assert answer.status_code == 204

    async def rotate(self) -> None:
        assert (await self.user.client.post("/users/me/keys/rotate")).status_code == 200

    async def expire(self) -> None:
        self.run("UPDATE sheaf.api_keys SET expires_at = now() WHERE user_id = %s", self.user.id)

    async def disable(self) -> None:
        self.run("UPDATE sheaf.users SET disabled_at = now() WHERE id = %s", self.user.id)

    async def remove(self) -> None:
        place = f"/workspaces/{self.owner.workspace['id']}/members/{self.user.id}"
        assert (await self.owner.client.delete(place)).status_code == 204

    async def delete(self) -> None:
        assert (await self.owner.client.delete(f"/workspaces/{self.owner.workspace['id']}")).status_code == 204


@pytest.fixture
async def followed(user: User, make_user: MakeUser, service: Any, postgres_url: str) -> Followed:
    viewer, import_id = await make_user("Vi"), uuid4()
    await join(user.client, user.workspace["id"], viewer)
    found = Followed(user, viewer, import_id, postgres_url, service.app)
    found.run(RUNNING, import_id, user.workspace["id"], user.id, uuid4())
    return found


@pytest.mark.parametrize("lose", ["revoke", "rotate", "expire", "disable", "remove", "delete"])
async def test_events_end_with_the_right_to_see_them(followed: Followed, lose: str) -> None:
    async with followed.following() as events:
        assert not events.done()
        await getattr(followed, lose)()


async def test_a_lower_role_that_may_look_follows_on(followed: Followed) -> None:
    place = f"/workspaces/{followed.owner.workspace['id']}/members/{followed.user.id}"
    for role in ("editor", "viewer"):
        assert (await followed.owner.client.put(place, json={"role": role})).status_code == 200
    async with followed.following() as events:
        assert (await followed.owner.client.delete(f"/imports/{followed.import_id}")).status_code == 202
        assert not events.done()
        await followed.remove()


Change = Callable[[User, User], Any]
LOST: dict[str, Change] = {
    "removed": lambda owner, who: owner.client.delete(f"/workspaces/{owner.workspace['id']}/members/{who.id}"),
    "demoted": lambda owner, who: owner.client.put(
        f"/workspaces/{owner.workspace['id']}/members/{who.id}", json={"role": "viewer"}
    ),
}


@pytest.mark.parametrize(("lose", "words"), [("removed", "no member"), ("demoted", "a viewer of this workspace")])
async def test_what_was_promised_to_who_may_not_write_fails(
    user: User, make_user: MakeUser, postgres_url: str, lose: str, words: str
) -> None:
    editor, import_id = await make_user("Ed"), uuid4()
    await join(user.client, user.workspace["id"], editor, "editor")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(WAITING, (import_id, user.workspace["id"], editor.id))
        assert (await LOST[lose](user, editor)).status_code < 300
        connection.execute("UPDATE sheaf.imports SET lease_until = NULL WHERE id = %s", (import_id,))
    await user.client.get(f"/imports/{import_id}/events")
    status = (await user.client.get(f"/imports/{import_id}")).json()
    assert (status["state"], status["problem"]["error_code"]) == ("failed", "FORBIDDEN")
    assert words in status["problem"]["detail"]


GONE = {
    "disabled": "UPDATE sheaf.users SET disabled_at = now() WHERE id = %s",
    "removed": "DELETE FROM sheaf.memberships WHERE user_id = %s AND NOT is_default",
    "demoted": "UPDATE sheaf.memberships SET role = 'viewer' WHERE user_id = %s AND NOT is_default",
}
"""As it is for an import that has begun when that was committed, with a caller who was let in before."""


@pytest.mark.parametrize("lose", GONE)
async def test_nothing_is_stored_for_who_lost_the_right_meanwhile(
    user: User, make_user: MakeUser, postgres_url: str, lose: str
) -> None:
    editor = await make_user("Ed")
    await join(user.client, user.workspace["id"], editor, "editor")
    await make(user.client, "there")
    with psycopg.connect(postgres_url) as connection, psycopg.connect(postgres_url, autocommit=True) as other:
        connection.execute("SELECT FROM sheaf.workspaces WHERE id = %s FOR NO KEY UPDATE", (user.workspace["id"],))
        path = f"/datasets?name=new&workspace={user.workspace['id']}"
        sending = asyncio.create_task(editor.client.post(path, content=ORDERS, headers=CSV))
        waits = "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"

        def publishes() -> bool:
            return other.execute(waits, (connection.info.backend_pid,)).rowcount == 1

        await asyncio.to_thread(until, publishes, "the import waits for the workspace")
        other.execute(GONE[lose], (editor.id,))
    answer = await sending
    assert code(answer) == (403, "FORBIDDEN")
    assert [each["name"] for each in (await user.client.get("/datasets")).json()["data"]] == ["there"]


async def test_nothing_is_stored_for_who_was_disabled_meanwhile(
    user: User, make_user: MakeUser, postgres_url: str
) -> None:
    editor = await make_user("Ed")
    await join(user.client, user.workspace["id"], editor, "editor")
    await make(user.client, "there")
    path = f"/datasets?name=new&workspace={user.workspace['id']}"
    with psycopg.connect(postgres_url) as connection, psycopg.connect(postgres_url, autocommit=True) as other:
        connection.execute("SELECT FROM sheaf.workspaces WHERE id = %s FOR NO KEY UPDATE", (user.workspace["id"],))
        answer = await editor.client.post(path, content=ORDERS, headers={**CSV, "Prefer": "respond-async"})
        phase = "SELECT phase FROM sheaf.imports WHERE id = %s"

        def publishes() -> bool:
            return other.execute(phase, (answer.json()["id"],)).fetchone() == ("publishing",)

        await asyncio.to_thread(until, publishes, "the import waits for the workspace")
        other.execute("UPDATE sheaf.users SET disabled_at = now() WHERE id = %s", (editor.id,))
    await user.client.get(f"/imports/{answer.json()['id']}/events")
    status = (await user.client.get(f"/imports/{answer.json()['id']}")).json()
    assert (status["state"], status["problem"]["error_code"]) == ("failed", "FORBIDDEN")
    assert [each["name"] for each in (await user.client.get("/datasets")).json()["data"]] == ["there"]
