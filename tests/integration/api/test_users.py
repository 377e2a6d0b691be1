"""Registration, who am I, keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from httpx import AsyncClient
from support.service import MakeUser, User, without_request_id
from support.waiting import eventually

from backend.errors import Unauthorized
from backend.repositories.database import Database
from backend.schemas.users import KeyCreate
from backend.services.users import UserService

pytestmark = pytest.mark.anyio

Connect = Callable[..., AsyncClient]


class TestEveryCaller:
    @pytest.mark.parametrize(
        "key", ["short", "with space in it", "k" * 65, "ünïcödé-key".encode().decode("latin-1"), ""]
    )
    async def test_a_malformed_key_is_refused(self, anonymous: AsyncClient, key: str) -> None:
        answer = await anonymous.get("/users/me", headers={"X-API-Key": key.encode("latin-1")})
        assert answer.status_code == 401

    async def test_no_key_and_an_unknown_key_get_the_same_answer(self, anonymous: AsyncClient) -> None:
        none = await anonymous.get("/users/me")
        unknown = await anonymous.get("/users/me", headers={"X-API-Key": "sheaf_unknown_key"})
        assert none.status_code == 401
        assert none.headers["www-authenticate"] == "Bearer"
        assert without_request_id(none) == without_request_id(unknown)

    async def test_a_bearer_token_is_a_key(self, anonymous: AsyncClient, user: User) -> None:
        answer = await anonymous.get("/users/me", headers={"Authorization": f"Bearer {user.key}"})
        assert answer.json()["id"] == user.id

    async def test_a_revoked_key_is_dead_at_once(self, client: AsyncClient, connect: Connect) -> None:
        issued = (await client.post("/users/me/keys", json={"name": "second"})).json()
        second = connect(issued["api_key"])
        assert (await second.get("/users/me")).status_code == 200
        assert (await client.delete(f"/users/me/keys/{issued['id']}")).status_code == 204
        assert (await second.get("/users/me")).status_code == 401

    async def test_an_expired_key_is_refused(self, client: AsyncClient, connect: Connect, postgres_url: str) -> None:
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        issued = (await client.post("/users/me/keys", json={"expires_at": later})).json()
        with psycopg.connect(postgres_url) as database:
            expire = "UPDATE sheaf.api_keys SET expires_at = now() - interval '1 second' WHERE id = %s"
            assert database.execute(expire, (issued["id"],)).rowcount == 1
        assert (await connect(issued["api_key"]).get("/users/me")).status_code == 401

    async def test_a_time_that_is_none_is_told_how_one_is_written(self, client: AsyncClient) -> None:
        answer = await client.post("/users/me/keys", json={"expires_at": "tomorrow"})
        assert answer.status_code == 422
        assert "such as 2027-01-31T00:00:00Z" in answer.json()["detail"]

    async def test_a_name_is_refused_in_words(self, client: AsyncClient) -> None:
        answer = await client.post("/users", json={"name": "\0"})
        assert (answer.status_code, answer.json()["detail"]) == (422, "A name cannot hold U+0000 (NUL).")

    @pytest.mark.parametrize("past", ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "0001-01-01T00:00:00+14:00"])
    async def test_a_key_cannot_be_issued_for_the_past(self, client: AsyncClient, past: str) -> None:
        answer = await client.post("/users/me/keys", json={"expires_at": past})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/expires_at"]
        assert (await client.get("/users/me/keys")).json()["total"] == 1

    async def test_a_key_that_expires_later_is_good(self, client: AsyncClient, connect: Connect) -> None:
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        issued = (await client.post("/users/me/keys", json={"expires_at": later})).json()
        assert (await connect(issued["api_key"]).get("/users/me")).status_code == 200

    async def test_who_has_an_empty_workspace_is_remembered_too(self, user: User, postgres_url: str) -> None:
        database = await Database(postgres_url, size=1, bulk_size=1, prepare=True).open()
        users = UserService(database, registration_open=False, memory=60)
        found = await users.identify(user.key)
        assert found is not None
        assert await users.identify(user.key) is found
        await database.close()


class TestRegister:
    async def test_answers_user_workspace_and_key(self, anonymous: AsyncClient) -> None:
        answer = await anonymous.post("/users", json={"name": "Ada Lovelace"})
        assert answer.status_code == 201
        told = answer.json()
        assert set(told) == {"user", "workspace", "api_key"}
        assert told["user"]["name"] == "Ada Lovelace"
        assert told["workspace"]["slug"] == "ada-lovelace"
        assert told["workspace"]["role"] == "owner"

    async def test_two_users_may_have_one_name(self, make_user: MakeUser) -> None:
        first, second = await make_user("Ada"), await make_user("Ada")
        assert first.id != second.id
        assert first.workspace["id"] != second.workspace["id"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": ""},
            {"name": "x" * 201},
            {"name": 7},
            {"nam": "x"},
            *({"name": f"a{wrong}b"} for wrong in "\0\x85\u202e\u200b\u2028"),
        ],
    )
    async def test_a_bad_body_is_422(self, anonymous: AsyncClient, body: object) -> None:
        answer = await anonymous.post("/users", json=body)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_body_that_is_no_json_is_400(self, anonymous: AsyncClient) -> None:
        answer = await anonymous.post("/users", content=b'{"name"', headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["status"] == 400


class TestMe:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await anonymous.get("/users/me")).status_code == 401

    async def test_names_the_workspaces(self, user: User) -> None:
        answer = await user.client.get("/users/me")
        assert answer.json() == {"id": user.id, "name": "Ada", "workspaces": [user.workspace]}


class TestListKeys:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await anonymous.get("/users/me/keys")).status_code == 401

    async def test_never_shows_a_secret(self, user: User) -> None:
        issued = (await user.client.post("/users/me/keys", json={"name": "second"})).json()
        answer = await user.client.get("/users/me/keys")
        listed = answer.json()
        assert [each["name"] for each in listed["data"]] == ["first key", "second"]
        assert listed["total"] == 2
        assert user.key not in answer.text
        assert issued["api_key"] not in answer.text
        fields = {"id", "name", "scope", "created_at", "expires_at", "current"}
        assert [set(each) for each in listed["data"]] == [fields, fields]
        assert [each["current"] for each in listed["data"]] == [True, False]


class TestIssueKey:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await anonymous.post("/users/me/keys", json={})).status_code == 401

    async def test_a_key_that_reads_cannot_make_one_that_writes(self, reader: AsyncClient) -> None:
        answer = await reader.post("/users/me/keys", json={"scope": "write"})
        assert answer.status_code == 403
        assert answer.json()["error_code"] == "FORBIDDEN"

    async def test_answers_the_secret_once(self, client: AsyncClient) -> None:
        answer = await client.post("/users/me/keys", json={"name": "ci", "scope": "read"})
        assert answer.status_code == 201
        told = answer.json()
        assert set(told) == {"id", "name", "scope", "expires_at", "api_key"}
        assert (told["name"], told["scope"], told["expires_at"]) == ("ci", "read", None)

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            ("2100-01-31T12:00:00Z", "2100-01-31T12:00:00Z"),
            ("2100-01-31T12:00:00", "2100-01-31T12:00:00Z"),
            ("2100-01-31t14:00:00.5+02:00", "2100-01-31T12:00:00.500000Z"),
            ("2100-01-31T00:00:00-12:30", "2100-01-31T12:30:00Z"),
            ("9998-12-31T23:59:59Z", "9998-12-31T23:59:59Z"),
        ],
    )
    async def test_an_end_is_told_in_utc(self, client: AsyncClient, told: str, kept: str) -> None:
        issued = (await client.post("/users/me/keys", json={"expires_at": told})).json()
        assert issued["expires_at"] == kept
        (listed,) = [each for each in (await client.get("/users/me/keys")).json()["data"] if not each["current"]]
        assert (listed["id"], listed["expires_at"]) == (issued["id"], kept)

    @pytest.mark.parametrize("told", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
    async def test_an_end_that_no_clock_can_tell_is_refused(self, client: AsyncClient, told: str) -> None:
        answer = await client.post("/users/me/keys", json={"expires_at": told})
        assert answer.status_code == 422
        assert "beyond the year 9998" in answer.json()["detail"]

    async def test_a_key_that_was_revoked_a_moment_ago_makes_none(self, user: User, postgres_url: str) -> None:
        """A worker that still remembers the caller asks the database before it makes a key."""
        database = Database(postgres_url, size=1, bulk_size=1, prepare=True)
        await database.open()
        users = UserService(database, registration_open=False)
        remembered = await users.identify(user.key)
        assert remembered is not None
        await users.revoke_key(remembered, remembered.key_id)
        for call in (users.issue_key(remembered, KeyCreate()), users.rotate_key(remembered)):
            with pytest.raises(Unauthorized):
                await call
        await database.close()

    @pytest.mark.parametrize(
        "body", [{"scope": "admin"}, {"expires_at": "tomorrow"}, {"name": "\t"}, {"name": "a\u202eb"}, {"name": "\x85"}]
    )
    async def test_a_bad_body_is_422(self, client: AsyncClient, body: object) -> None:
        assert (await client.post("/users/me/keys", json=body)).status_code == 422


class TestRevokeKey:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await anonymous.delete("/users/me/keys/01890000-0000-7000-8000-000000000000")).status_code == 401

    async def test_anothers_key_is_as_one_that_does_not_exist(self, client: AsyncClient, make_user: MakeUser) -> None:
        other = (await make_user("Eve")).client
        theirs = (await other.get("/users/me/keys")).json()["data"][0]["id"]
        answer = await client.delete(f"/users/me/keys/{theirs}")
        missing = await client.delete("/users/me/keys/01890000-0000-7000-8000-000000000000")
        assert answer.status_code == 404
        assert without_request_id(answer) == without_request_id(missing)
        assert (await other.get("/users/me")).status_code == 200

    async def test_a_key_that_reads_may_not(self, client: AsyncClient, reader: AsyncClient) -> None:
        first = (await client.get("/users/me/keys")).json()["data"][0]["id"]
        assert (await reader.delete(f"/users/me/keys/{first}")).status_code == 403

    async def test_once_is_enough(self, client: AsyncClient) -> None:
        issued = (await client.post("/users/me/keys", json={})).json()["id"]
        assert (await client.delete(f"/users/me/keys/{issued}")).status_code == 204
        assert (await client.delete(f"/users/me/keys/{issued}")).status_code == 404

    async def test_the_key_of_the_request_itself_may_be_revoked(self, user: User) -> None:
        (own,) = (await user.client.get("/users/me/keys")).json()["data"]
        answer = await user.client.delete(f"/users/me/keys/{own['id']}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await user.client.get("/users/me")).status_code == 401


class TestRotateKey:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await anonymous.post("/users/me/keys/rotate")).status_code == 401

    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert (await reader.post("/users/me/keys/rotate")).status_code == 403

    async def test_the_old_key_is_dead_at_once(self, user: User, connect: Connect) -> None:
        answer = await user.client.post("/users/me/keys/rotate")
        assert answer.status_code == 200
        assert (await user.client.get("/users/me")).status_code == 401
        assert (await connect(answer.json()["api_key"]).get("/users/me")).json()["id"] == user.id

    async def test_all_but_the_secret_stays(self, client: AsyncClient, connect: Connect) -> None:
        told = {"name": "ci", "scope": "write", "expires_at": "2100-01-31T12:00:00Z"}
        issued = (await client.post("/users/me/keys", json=told)).json()
        before = (await client.get("/users/me/keys")).json()
        assert (await connect(issued["api_key"]).post("/users/me/keys/rotate")).status_code == 200
        assert (await client.get("/users/me/keys")).json() == before
        assert {name: before["data"][1][name] for name in told} == told

    async def test_of_many_rotations_at_once_one_wins(self, user: User, connect: Connect, postgres_url: str) -> None:
        async with held_key(user, postgres_url) as waiting:
            rotations = [asyncio.create_task(user.client.post("/users/me/keys/rotate")) for _ in range(4)]
            await waiting(4)
        answers = [await each for each in rotations]
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        (won,) = [answer.json()["api_key"] for answer in answers if answer.status_code == 200]
        assert (await connect(won).get("/users/me")).json()["id"] == user.id
        assert (await user.client.get("/users/me")).status_code == 401

    @pytest.mark.parametrize("first", ["revoke", "rotate"])
    async def test_what_is_revoked_meanwhile_stays_dead(
        self, user: User, connect: Connect, postgres_url: str, first: str
    ) -> None:
        (own,) = (await user.client.get("/users/me/keys")).json()["data"]
        calls = {
            "revoke": lambda: user.client.delete(f"/users/me/keys/{own['id']}"),
            "rotate": lambda: user.client.post("/users/me/keys/rotate"),
        }
        second = "rotate" if first == "revoke" else "revoke"
        async with held_key(user, postgres_url) as waiting:
            tasks = {first: asyncio.create_task(calls[first]())}
            await waiting(1)
            tasks[second] = asyncio.create_task(calls[second]())
            await waiting(2)
        answers = {name: await task for name, task in tasks.items()}
        assert answers["revoke"].status_code == 204
        assert answers["rotate"].status_code == (401 if first == "revoke" else 200)
        assert (await user.client.get("/users/me")).status_code == 401
        if first == "rotate":
            assert (await connect(answers["rotate"].json()["api_key"]).get("/users/me")).status_code == 401


@asynccontextmanager
async def held_key(user: User, postgres_url: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Holds the row of the user's key; what it gives waits until so many calls wait for that."""
    waits = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE sheaf.api_keys%'
    """
    async with await psycopg.AsyncConnection.connect(postgres_url) as holder:
        await holder.execute("SELECT FROM sheaf.api_keys WHERE user_id = %s FOR UPDATE", (user.id,))

        async def waiting(number: int) -> None:
            async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as watcher:

                async def so_many() -> bool:
                    return await (await watcher.execute(waits)).fetchone() == (number,)

                await eventually(so_many)

        yield waiting
        await holder.commit()
