"""Which keys work: those issued, those listed, or all; and the one of the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex

import httpx
import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from support.server import Server
from support.service import ADDRESS, User, running, without_request_id

from backend.app import create_app
from backend.repositories.migrate import upgrade
from backend.settings import Settings, load
from backend.supervisor.keys import keep_bootstrap_key, staff

pytestmark = pytest.mark.anyio

Start = Callable[..., Awaitable["Service"]]


class Service:
    """A service of its own over the database of all tests."""

    def __init__(self, transport: ASGITransport) -> None:
        self._transport = transport

    async def call(self, method: str, path: str, key: str | None, body: object = None) -> Response:
        headers = {} if key is None else {"X-API-Key": key}
        async with AsyncClient(transport=self._transport, base_url=ADDRESS, headers=headers) as client:
            return await client.request(method, path, json=body)

    async def get(self, path: str, key: str | None) -> Response:
        return await self.call("GET", path, key)

    async def user(self, key: str) -> str:
        """The id of the user whom the key belongs to."""
        answer = await self.get("/users/me", key)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def revoke(self, key: str) -> None:
        """By the key itself."""
        (own,) = [each for each in (await self.get("/users/me/keys", key)).json()["data"] if each["current"]]
        assert (await self.call("DELETE", f"/users/me/keys/{own['id']}", key)).status_code == 204


@pytest.fixture
async def start(postgres_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a service with these settings."""
    async with AsyncExitStack() as stack:

        async def begin(**told: str) -> Service:
            base = {"SHEAF_DATABASE_URL": postgres_url, "SHEAF_DATA": str(tmp_path), "SHEAF_LOG_LEVEL": "error"}
            app = create_app(load(base | {f"SHEAF_{name.upper()}": value for name, value in told.items()}))
            await stack.enter_async_context(running(app))
            return Service(ASGITransport(app))

        yield begin


def made_up() -> str:
    """A key that nobody has ever used."""
    return f"made-up_{token_hex(8)}"


def users(url: str) -> int:
    with psycopg.connect(url) as database:
        row = database.execute("SELECT count(*) FROM sheaf.users").fetchone()
    assert row is not None
    return int(row[0])


class TestIssued:
    async def test_a_key_that_was_only_presented_does_not_work(self, start: Start) -> None:
        key = made_up()
        await (await start(key_policy="any")).user(key)
        issued = await start()
        assert without_request_id(await issued.get("/users/me", key)) == without_request_id(
            await issued.get("/users/me", None)
        )

    async def test_a_rotated_one_is_issued(self, start: Start) -> None:
        key = made_up()
        rotated = (await (await start(key_policy="any")).call("POST", "/users/me/keys/rotate", key)).json()["api_key"]
        issued = await start()
        assert (await issued.get("/users/me", rotated)).status_code == 200
        assert (await issued.get("/users/me", key)).status_code == 401


class TestListed:
    async def test_others_are_refused_alike(self, start: Start, user: User, postgres_url: str) -> None:
        listed = await start(allowed_keys=made_up())
        before = users(postgres_url)
        answers = [without_request_id(await listed.get("/users/me", key)) for key in (None, made_up(), user.key, "k")]
        assert answers[0][0] == 401
        assert answers == [answers[0]] * 4
        assert users(postgres_url) == before

    async def test_each_is_its_own_user_with_a_key_that_writes(self, start: Start) -> None:
        first, second = made_up(), made_up()
        listed = await start(allowed_keys=f"{first}, {second}")
        ids = [await listed.user(key) for key in (first, second, first)]
        assert ids[0] == ids[2] != ids[1]
        made = await listed.call("POST", "/datasets", first, {"name": "mine"})
        assert made.status_code == 201
        path = f"/datasets/{made.json()['id']}"
        assert (await listed.get(path, first)).status_code == 200
        assert (await listed.get(path, second)).status_code == 404
        again = await start(allowed_keys=f"{second},{first}")
        assert [await again.user(key) for key in (first, second, first)] == ids

    async def test_nothing_tells_the_key(self, start: Start) -> None:
        key = made_up()
        listed = await start(allowed_keys=key)
        for path in ("/users/me", "/users/me/keys"):
            told = await listed.get(path, key)
            assert key not in told.text
            assert key.rpartition("_")[2] not in told.text
        (own,) = told.json()["data"]
        assert (own["name"], own["scope"], own["expires_at"], own["current"]) == (None, "write", None, True)

    async def test_nobody_registers_and_no_key_is_made(self, start: Start) -> None:
        key = made_up()
        listed = await start(allowed_keys=key, registration="open")
        for method, path, by, body in (
            ("POST", "/users", None, {"name": "Ann"}),
            ("POST", "/users/me/keys", key, {}),
            ("POST", "/users/me/keys/rotate", key, None),
        ):
            answer = await listed.call(method, path, by, body)
            assert answer.status_code == 403
            assert answer.json()["error_code"] == "ONLY_LISTED_KEYS"
            assert "Only the keys that its operator has listed" in answer.json()["detail"]
        assert (await listed.get("/users/me", key)).status_code == 200

    async def test_a_revoked_one_stays_dead(self, start: Start) -> None:
        key = made_up()
        await (await start(allowed_keys=key)).revoke(key)
        for told in ({"allowed_keys": key}, {"key_policy": "any"}, {}):
            assert (await (await start(**told)).get("/users/me", key)).status_code == 401

    async def test_an_issued_key_may_be_listed_and_keeps_its_user(self, start: Start, user: User) -> None:
        assert await (await start(allowed_keys=user.key)).user(user.key) == user.id


class TestAny:
    @pytest.mark.parametrize("key", [None, "", "short", "k" * 65, "with space", "with/slash"])
    async def test_a_malformed_key_makes_no_user(self, start: Start, postgres_url: str, key: str | None) -> None:
        service = await start(key_policy="any")
        before = users(postgres_url)
        assert (await service.get("/users/me", key)).status_code == 401
        assert users(postgres_url) == before

    async def test_each_well_formed_key_is_its_own_user(self, start: Start, user: User) -> None:
        service = await start(key_policy="any")
        first, second = made_up(), made_up()
        assert await service.user(first) == await service.user(first) != await service.user(second)
        assert await service.user(user.key) == user.id
        workspaces = (await service.get("/users/me", first)).json()["workspaces"]
        assert [each["role"] for each in workspaces] == ["owner"]

    async def test_registration_is_another_matter(self, start: Start) -> None:
        service = await start(key_policy="any")
        answer = await service.call("POST", "/users", None, {"name": "Ann"})
        assert answer.json()["error_code"] == "REGISTRATION_CLOSED"

    async def test_a_dead_key_is_no_new_one(self, start: Start, postgres_url: str) -> None:
        service = await start(key_policy="any")
        revoked, rotated, expired, disabled = (made_up() for _ in range(4))
        for key in (expired, disabled):
            await service.user(key)
        await service.revoke(revoked)
        assert (await service.call("POST", "/users/me/keys/rotate", rotated)).status_code == 200
        with psycopg.connect(postgres_url) as database:
            expire = "UPDATE sheaf.api_keys SET expires_at = now() - interval '1 second' WHERE hash = sha256(%s)"
            assert database.execute(expire, (expired.encode(),)).rowcount == 1
        async with staff(Settings(database_url=postgres_url)) as services:
            await services.operators.disable(await service.user(disabled))
        before = users(postgres_url)
        for key in (revoked, rotated, expired, disabled):
            assert (await service.get("/users/me", key)).status_code == 401
        assert users(postgres_url) == before


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes that take any key."""
    with Server(tmp_path_factory.mktemp("crowd"), workers="2", key_policy="any") as running:
        yield running


async def test_twenty_first_requests_at_once_make_one_user(crowd: Server) -> None:
    for _ in range(3):
        before, key = users(crowd.database_url), made_up()

        def ask(_: int, key: str = key) -> str:
            address, headers = f"{crowd.base}/api/v1/users/me", {"X-API-Key": key}
            answer = httpx.get(address, headers=headers, verify=False, timeout=60)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["id"])

        with ThreadPoolExecutor(20) as threads:
            assert len(set(threads.map(ask, range(20)))) == 1
        assert users(crowd.database_url) == before + 1


@pytest.fixture
def empty(empty_postgres_url: str) -> Iterator[str]:
    """A database of its own: the key of the configuration is one for all of it."""
    name = f"keys_{token_hex(4)}"
    with psycopg.connect(empty_postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        url = empty_postgres_url.replace("/sheaf?", f"/{name}?")
        upgrade(url)
        yield url
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestBootstrap:
    async def test_many_that_start_at_once_make_one_user(self, empty: str) -> None:
        settings = Settings(database_url=empty, bootstrap_key=made_up())
        assert await asyncio.gather(*(keep_bootstrap_key(settings) for _ in range(8))) == [True] * 8
        assert await keep_bootstrap_key(settings)
        assert await told(settings) == [("bootstrap", "bootstrap", "write")]
        async with staff(settings) as services:
            caller = await services.users.identify(settings.bootstrap_key)
        assert caller is not None
        assert caller.user_name == "bootstrap"

    async def test_a_changed_value_revokes_the_former_one(self, empty: str) -> None:
        former, now = (Settings(database_url=empty, bootstrap_key=made_up()) for _ in range(2))
        assert await keep_bootstrap_key(former)
        assert await keep_bootstrap_key(now)
        assert await works(now)
        assert not await works(former)
        assert await told(now) == [("bootstrap", "bootstrap", "write")]
        assert users(empty) == 1

    async def test_a_process_with_an_older_value_changes_nothing(self, empty: str) -> None:
        former, now = (Settings(database_url=empty, bootstrap_key=made_up()) for _ in range(2))
        await keep_bootstrap_key(former)
        await keep_bootstrap_key(now)
        assert not await keep_bootstrap_key(former)
        assert (await works(former), await works(now)) == (False, True)

    async def test_a_revoked_one_stays_dead(self, empty: str) -> None:
        settings = Settings(database_url=empty, bootstrap_key=made_up())
        await keep_bootstrap_key(settings)
        async with staff(settings) as services:
            (key,) = await services.operators.list_keys(None)
            await services.operators.revoke_key(str(key.id))
        assert not await keep_bootstrap_key(settings)
        assert not await works(settings)

    async def test_a_key_that_is_there_already_is_trusted_and_keeps_its_user(self, empty: str) -> None:
        settings = Settings(database_url=empty, bootstrap_key=made_up())
        async with staff(Settings(database_url=empty, key_policy="any")) as services:
            presented = await services.users.identify(settings.bootstrap_key)
        assert not await works(settings)
        assert await keep_bootstrap_key(settings)
        async with staff(settings) as services:
            caller = await services.users.identify(settings.bootstrap_key)
        assert caller == presented


async def told(settings: Settings) -> list[tuple[str, str, str]]:
    """Of each key that is not revoked: whose it is, where it comes from, what it may."""
    async with staff(settings) as services:
        return [(key.user_name, key.origin, key.scope) for key in await services.operators.list_keys(None)]


async def works(settings: Settings) -> bool:
    async with staff(settings) as services:
        return await services.users.identify(settings.bootstrap_key) is not None
