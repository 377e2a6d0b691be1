"""How many prepared exports there may be, how large, who removes them, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from httpx import AsyncClient, Response
from support.calls import ended
from support.service import MakeUser, Upload, User
from support.sharing import code, join

from backend.repositories import export_queue
from backend.repositories.database import Database, Tx
from backend.services.prepared_exports import PreparedExportService

pytestmark = pytest.mark.anyio

TEXT = "n,word\r\n" + "".join(f"{n},word {n}\r\n" for n in range(1, 101))
MOST_BYTES = 10 * 2**30


@pytest.fixture
async def words(upload: Upload) -> str:
    dataset = await upload(TEXT, name="words")
    return str(dataset["id"])


@pytest.fixture
def stored(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = await Database(postgres_url, size=2, bulk_size=1, prepare=True).open()
    yield database
    await database.close()


async def ask(client: AsyncClient, dataset: str, **params: Any) -> Response:
    return await client.get(f"/datasets/{dataset}/export", params={"prepare": "true", **params})


def place(answer: Response) -> str:
    assert answer.status_code == 202, answer.text
    return f"/exports/{answer.json()['id']}"


async def made(client: AsyncClient, dataset: str, **params: Any) -> dict[str, Any]:
    """What is told of one that is done, or has failed."""
    return await ended(client, place(await ask(client, dataset, **params)).rpartition("/")[2])


async def add_member(owner: User, make_user: MakeUser, role: str) -> AsyncClient:
    member = await make_user(role)
    await join(owner.client, owner.workspace["id"], member, role)
    return member.client


def multiply(stored: psycopg.Connection, export: str, user: str, times: int) -> None:
    again = """INSERT INTO sheaf.exports (id, workspace_id, user_id, dataset_id, version, token, fingerprint,
        request, filename, media_type, state, rows, expires_at)
        SELECT gen_random_uuid(), workspace_id, %s, dataset_id, version, token, n::text, request,
            filename, media_type, 'done', rows, now() + interval '1 day'
        FROM sheaf.exports, generate_series(1, %s) n WHERE id = %s"""
    stored.execute(again, (user, times, export))


class TestHowMany:
    async def test_a_user_has_up_to_10_however_many_are_asked_for_at_once(
        self, client: AsyncClient, words: str
    ) -> None:
        answers = await asyncio.gather(*(ask(client, words, limit=n) for n in range(1, 16)))
        made = [answer for answer in answers if answer.status_code == 202]
        assert len(made) == 10
        refused = next(answer for answer in answers if answer.status_code != 202)
        assert code(refused) == (422, "LIMIT_EXCEEDED")
        assert "A user has up to 10 prepared exports" in refused.json()["detail"]
        await client.delete(place(made[0]))
        assert (await ask(client, words, limit=99)).status_code == 202
        assert code(await ask(client, words, limit=98)) == (422, "LIMIT_EXCEEDED")

    async def test_what_one_user_has_does_not_hinder_another(
        self, user: User, make_user: MakeUser, words: str, stored: psycopg.Connection
    ) -> None:
        viewer = await add_member(user, make_user, "viewer")
        first = await made(viewer, words)
        viewer_id = (await viewer.get("/users/me")).json()["id"]
        multiply(stored, first["id"], viewer_id, 9)
        assert code(await ask(viewer, words, limit=7)) == (422, "LIMIT_EXCEEDED")
        assert (await ask(user.client, words, limit=7)).status_code == 202

    async def test_a_workspace_has_up_to_100(
        self, client: AsyncClient, make_user: MakeUser, words: str, stored: psycopg.Connection
    ) -> None:
        first = await made(client, words)
        multiply(stored, first["id"], (await make_user("Other")).id, 99)
        refused = await ask(client, words, limit=7)
        assert code(refused) == (422, "LIMIT_EXCEEDED")
        assert "A workspace has up to 100" in refused.json()["detail"]
        assert (await ask(client, words)).json()["id"] == first["id"]


class TestHowLarge:
    async def test_no_more_is_taken_on_than_there_is_room_for(
        self, client: AsyncClient, words: str, stored: psycopg.Connection
    ) -> None:
        first = await made(client, words)
        stored.execute("UPDATE sheaf.exports SET bytes = %s WHERE id = %s", (MOST_BYTES, first["id"]))
        refused = await ask(client, words, limit=7)
        assert code(refused) == (422, "LIMIT_EXCEEDED")
        assert f"SHEAF_WORKSPACE_EXPORT_BYTES, {MOST_BYTES:,}" in refused.json()["detail"]

    async def test_one_that_grows_too_large_fails_and_leaves_nothing(
        self, client: AsyncClient, words: str, stored: psycopg.Connection
    ) -> None:
        first = await made(client, words)
        stored.execute("UPDATE sheaf.exports SET bytes = %s WHERE id = %s", (MOST_BYTES - 100, first["id"]))
        failed = await made(client, words, format="ndjson")
        assert (failed["state"], failed["bytes"], failed["problem"]["error_code"]) == ("failed", 0, "LIMIT_EXCEEDED")
        assert "SHEAF_WORKSPACE_EXPORT_BYTES" in failed["problem"]["detail"]
        chunks = stored.execute("SELECT count(*) FROM sheaf.export_chunks WHERE export_id = %s", (failed["id"],))
        assert chunks.fetchone() == (0,)
        assert (await made(client, words, limit=1))["state"] == "done"


class TestWhoDeletes:
    async def test_who_may_only_read_deletes_their_own_alone(self, user: User, make_user: MakeUser, words: str) -> None:
        viewer, editor = await add_member(user, make_user, "viewer"), await add_member(user, make_user, "editor")
        theirs = place(await ask(editor, words, limit=1))
        refused = await viewer.delete(theirs)
        assert code(refused) == (403, "FORBIDDEN")
        assert "delete others' prepared exports" in refused.json()["detail"]
        own, another = [place(await ask(viewer, words, limit=n)) for n in (2, 3)]
        assert (await viewer.delete(own)).status_code == 204
        assert (await editor.delete(another)).status_code == 204
        assert (await viewer.get(theirs)).status_code == 200


class TestWhatIsGone:
    async def test_files_go_with_their_dataset(
        self, client: AsyncClient, words: str, stored: psycopg.Connection
    ) -> None:
        status = await made(client, words)
        await client.delete(f"/datasets/{words}")
        for path in ("", "/file"):
            assert code(await client.get(f"/exports/{status['id']}{path}")) == (404, "EXPORT_NOT_FOUND")
        left = stored.execute("SELECT count(*) FROM sheaf.export_chunks WHERE export_id = %s", (status["id"],))
        assert left.fetchone() == (0,)
        await client.post(f"/datasets/{words}/undelete")
        assert code(await client.get(f"/exports/{status['id']}")) == (404, "EXPORT_NOT_FOUND")

    async def test_files_of_a_pruned_version_are_not_found_and_swept(
        self, client: AsyncClient, words: str, stored: psycopg.Connection, database: Database
    ) -> None:
        old = await made(client, words)
        await client.delete(f"/datasets/{words}/records/1")
        new = await made(client, words)
        assert (await client.get(f"/exports/{old['id']}/file")).text == TEXT
        await client.patch(f"/datasets/{words}", json={"keep_versions": 1})
        for path in ("", "/file"):
            assert code(await client.get(f"/exports/{old['id']}{path}")) == (404, "EXPORT_NOT_FOUND")
        await PreparedExportService(database).sweep()
        left = stored.execute("SELECT id FROM sheaf.exports WHERE dataset_id = %s", (words,))
        assert left.fetchall() == [(UUID(new["id"]),)]
        assert (await client.get(f"/exports/{new['id']}/file")).status_code == 200


async def claimed_in_turn(tx: Tx, among: dict[UUID, str]) -> list[str]:
    """Claims and ends all that wait; names those that are asked about, in the order of their turns."""
    turns = []
    while (claimed := await export_queue.claim(tx, uuid4(), timedelta(seconds=10))) is not None:
        ended = "UPDATE sheaf.exports SET state = 'done', lease_until = NULL, finished_at = clock_timestamp()"
        await tx.execute(f"{ended} WHERE id = %s", (claimed.id,))
        turns += [among[claimed.id]] if claimed.id in among else []
    return turns


async def test_users_take_turns(user: User, make_user: MakeUser, words: str, database: Database) -> None:
    queue = {"a1": user.id, "a2": user.id, "a3": user.id, "b1": (await make_user("Bob")).id}
    queue["b2"] = queue["b1"]
    names = dict[UUID, str]()
    async with database.rolled_back() as tx:
        for place, (name, sender) in enumerate(queue.items()):
            names[made := uuid4()] = name
            await tx.execute(
                """INSERT INTO sheaf.exports (id, workspace_id, user_id, dataset_id, version, token, fingerprint,
                request, filename, media_type, rows, created_at)
                VALUES (%s, %s, %s, %s, 1, '', %s, '{}', '', '', 0, now() + make_interval(secs => %s))""",
                (made, user.workspace["id"], sender, words, name, place),
            )
        assert await claimed_in_turn(tx, names) == ["a1", "b1", "a2", "b2", "a3"]
