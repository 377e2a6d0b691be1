"""The whole service in this process, over a real PostgreSQL, and the callers who use it; for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from msgspec import Struct
from msgspec.structs import replace

from backend.app import create_app
from backend.settings import Settings

ADDRESS = "http://sheaf.test/api/v1"
_KEY_MEMORY = 0.2
"""Seconds that each revocation takes; tests of several workers have the usual second."""


class User(Struct):
    """A registered user; `client` sends the key with each request."""

    id: str
    name: str
    key: str
    workspace: dict[str, str]
    client: AsyncClient


MakeUser = Callable[..., Awaitable[User]]
Upload = Callable[..., Awaitable[dict[str, Any]]]
Once = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Common(Struct):
    """What tests share by name, and its datasets as they were when they were made."""

    things: dict[str, Any] = {}
    datasets: dict[str, Any] = {}


def exact(response: Response) -> Any:
    """The body with numbers as the text that they are written with: `0.10` is `"0.10"`."""
    return json.loads(response.text, parse_int=str, parse_float=str)


async def export(client: AsyncClient, ref: str = "mixed", **params: Any) -> Response:
    """A dataset as a file."""
    answer = await client.get(f"/datasets/{ref}/export", params=params)
    assert answer.status_code == 200, answer.text
    return answer


def without_request_id(response: Response) -> tuple[int, str, str | None]:
    """All of an answer that a caller could learn something from."""
    text = response.text.replace(response.headers["x-request-id"], "…")
    return response.status_code, text, response.headers.get("www-authenticate")


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Sends the ASGI lifespan events around the block."""
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outgoing: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, incoming.get, outgoing.put))

    async def send(event: str) -> None:
        await incoming.put({"type": f"lifespan.{event}"})
        answer = await outgoing.get()
        assert answer["type"] == f"lifespan.{event}.complete", answer

    await send("startup")
    yield
    await send("shutdown")
    await task


@pytest.fixture(scope="session")
async def service(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASGITransport]:
    """The running application, as httpx reaches it."""
    data = tmp_path_factory.mktemp("data")
    told = {"registration": "open", "key_memory": _KEY_MEMORY, "log_level": "error"}
    app = create_app(Settings(database_url=postgres_url, data=data, **told))
    async with running(app):
        yield ASGITransport(app)


@pytest.fixture
async def connect(service: ASGITransport) -> AsyncIterator[Callable[..., AsyncClient]]:
    """Makes a client that sends this key, or none."""
    async with AsyncExitStack() as stack:
        clients: list[AsyncClient] = []

        def make(key: str | None = None) -> AsyncClient:
            headers = {} if key is None else {"X-API-Key": key}
            clients.append(AsyncClient(transport=service, base_url=ADDRESS, headers=headers))
            stack.push_async_callback(clients[-1].aclose)
            return clients[-1]

        yield make


@pytest.fixture
def anonymous(connect: Callable[..., AsyncClient]) -> AsyncClient:
    """Sends no key."""
    return connect()


@pytest.fixture
def make_user(connect: Callable[..., AsyncClient]) -> MakeUser:
    """Registers a user."""

    async def make(name: str = "Ada") -> User:
        answer = await connect().post("/users", json={"name": name})
        assert answer.status_code == 201, answer.text
        told = answer.json()
        key = told["api_key"]
        return User(told["user"]["id"], name, key, told["workspace"], connect(key))

    return make


async def _datasets(service: ASGITransport, user: User | None) -> dict[str, Any]:
    if user is None:
        return {}
    async with AsyncClient(transport=service, base_url=ADDRESS, headers={"X-API-Key": user.key}) as client:
        return {each["id"]: each for each in (await client.get("/datasets?limit=1000")).json()["data"]}


@pytest.fixture(scope="module")
async def common(service: ASGITransport) -> AsyncIterator[Common]:
    """What those tests of a module share that are marked `reads`."""
    shared = Common()
    yield shared
    found = await _datasets(service, shared.things.get("user"))
    assert {name: found.get(name) for name in shared.datasets} == shared.datasets, "a test marked `reads` has written"


@pytest.fixture
def once(request: pytest.FixtureRequest, common: Common, service: ASGITransport) -> Once:
    """Makes something; for a test marked `reads`, only if no other such test of its module has it already."""

    async def shared(name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        if name not in common.things:
            common.things[name] = await make()
            common.datasets = await _datasets(service, common.things.get("user")) | common.datasets
        return common.things[name]

    marked = {mark.name for mark in request.node.iter_markers()}
    return shared if "reads" in marked and "writes" not in marked else lambda _, make: make()


@pytest.fixture
async def user(make_user: MakeUser, connect: Callable[..., AsyncClient], once: Once) -> User:
    """The one who calls."""
    found: User = await once("user", make_user)
    return replace(found, client=connect(found.key))


@pytest.fixture
def client(user: User) -> AsyncClient:
    """Calls as `user`."""
    return user.client


@pytest.fixture
async def stranger(make_user: MakeUser) -> AsyncClient:
    """Calls as somebody else, who has datasets too."""
    other = (await make_user("Eve")).client
    answer = await other.post("/datasets", json={"name": "of a stranger"})
    assert answer.status_code == 201
    return other


@pytest.fixture
async def reader(client: AsyncClient, connect: Callable[..., AsyncClient]) -> AsyncClient:
    """Calls as `user`, with a key that may only read."""
    answer = await client.post("/users/me/keys", json={"name": "reads", "scope": "read"})
    return connect(answer.json()["api_key"])


@pytest.fixture
def upload(client: AsyncClient) -> Upload:
    """Uploads CSV text as `user`; answers the dataset, or with `whole=True` the import report too."""

    async def send(
        text: str | bytes = "name,amount\nAnn,1\nBob,2\n", *, name: str = "orders", whole: bool = False, **params: Any
    ) -> dict[str, Any]:
        answer = await client.post(
            "/datasets", params={"name": name, **params}, content=text, headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == 201, answer.text
        return answer.json() if whole else answer.json()["dataset"]

    return send
