"""Two hundred who write to one dataset through two processes, and those who write to another meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Limits, Response
from msgspec import Struct
from support.client import Client
from support.server import Server
from support.service import ADDRESS, running
from support.waiting import eventually

from backend.app import create_app
from backend.settings import Settings

pytestmark = pytest.mark.anyio

WRITERS = 200
ROUNDS = 2
RECORDS = 60
GROUPS = 12
POOL = 3


class Done(Struct):
    """A write and what was answered; `kind` by name."""

    kind: str
    value: int
    answer: Response


class Writer:
    """One of the many: each of its values is written by nobody else."""

    def __init__(self, client: AsyncClient, path: str, number: int) -> None:
        self.client, self.path, self.number = client, path, number

    async def run(self) -> list[Done]:
        kinds = [
            self.patch,
            self.if_match,
            self.create,
            self.delete,
            self.batch,
            self.partial,
            self.filtered,
            self.gone,
        ]
        found = []
        for at in range(ROUNDS):
            value = 1 + self.number * ROUNDS + at
            write = kinds[value % len(kinds)]
            found.append(Done(write.__name__, value, await write(value, 1 + value * 7 % RECORDS)))
        return found

    async def patch(self, value: int, record: int) -> Response:
        return await self.client.patch(f"{self.path}/records/{record}", json={"value": value})

    async def if_match(self, value: int, record: int) -> Response:
        read = await self.client.get(f"{self.path}/records/{record}")
        headers = {"If-Match": read.headers.get("etag", '"gone"')}
        return await self.client.patch(f"{self.path}/records/{record}", json={"value": value}, headers=headers)

    async def create(self, value: int, _: int) -> Response:
        return await self.client.post(f"{self.path}/records", json=[{"value": value}, {"value": value}])

    async def delete(self, _: int, record: int) -> Response:
        return await self.client.delete(f"{self.path}/records/{record}")

    async def batch(self, value: int, record: int) -> Response:
        return await self._batch(value, record)

    async def partial(self, value: int, record: int) -> Response:
        return await self._batch(value, record, partial="true")

    async def _batch(self, value: int, record: int, **params: str) -> Response:
        others = [1 + (record + step) % RECORDS for step in (11, 5, 23)]
        body = {
            "changes": [{"id": each, "set": {"value": value}} for each in others[:2]],
            "deletes": [others[2]] if value % 4 == 0 else [],
            "creates": [{"value": value}],
        }
        return await self.client.patch(f"{self.path}/records", json=body, params=params)

    async def filtered(self, value: int, _: int) -> Response:
        body = {"where": {"group": {"eq": value % GROUPS}}, "set": {"value": value}}
        return await self.client.patch(f"{self.path}/records", json=body)

    async def gone(self, value: int, _: int) -> Response:
        return await self.client.delete(f"{self.path}/records", params={"value": f"eq:{value - 8 * ROUNDS}"})


ALLOWED = {
    "patch": {200, 404},
    "if_match": {200, 404, 412},
    "create": {201},
    "delete": {204, 404},
    "batch": {200, 422},
    "partial": {200},
    "filtered": {200},
    "gone": {200},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, ephemeral=True, workers="2") as started:
        yield started


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    with Client.register(server.base) as user:
        headers = {"X-API-Key": user.key}
    limits = Limits(max_connections=WRITERS)
    async with AsyncClient(base_url=f"{server.base}/api/v1", headers=headers, timeout=120, limits=limits) as found:
        yield found


def records_written(done: Done) -> list[tuple[int, int]]:
    """The ids that an acknowledged write says it gave a new image, and the version."""
    told = done.answer.json() if done.answer.content else {}
    records = told.get("data") if isinstance(told.get("data"), list) else [told] if "id" in told else []
    return [(each["id"], each["version"]) for each in records]


async def test_nothing_is_lost_and_nothing_made_twice(client: AsyncClient) -> None:
    columns = [{"name": "group", "type": "integer"}, {"name": "value", "type": "integer"}]
    made = (await client.post("/datasets", json={"name": "busy", "columns": columns})).json()
    rows = [{"group": at % GROUPS, "value": -at} for at in range(1, RECORDS + 1)]
    await client.post("/datasets/busy/records", json=rows)
    paths = ("/datasets/busy", f"/datasets/{made['id']}")
    writers = [Writer(client, paths[number % 2], number) for number in range(WRITERS)]
    done = [each for found in await asyncio.gather(*(writer.run() for writer in writers)) for each in found]

    wrong = [(each.kind, each.answer.text) for each in done if each.answer.status_code not in ALLOWED[each.kind]]
    assert not wrong
    kept = [each for each in done if each.answer.is_success and changed(each)]
    versions = (await client.get("/datasets/busy/versions", params={"limit": 1000})).json()["data"][::-1]
    assert [each["version"] for each in versions] == list(range(1, len(kept) + 3))
    told = [each.answer.json()["version"] for each in kept if each.kind != "delete"]
    assert len(told) == len(set(told))
    deleted = [each["version"] for each in versions if each["operation"] == "delete"]
    assert {*told, *deleted} == set(range(3, len(kept) + 3))

    await check_counts(client, versions)
    written = [(record, version, each.value) for each in kept for record, version in records_written(each)]
    await check_images(client, written)


def changed(done: Done) -> bool:
    """Whether an acknowledged write says that it made a version."""
    told = done.answer.json() if done.answer.content else {}
    counts = [told[name] for name in ("added", "changed", "removed") if name in told]
    return any(counts) if len(counts) == 3 else True


async def check_counts(client: AsyncClient, versions: list[dict[str, Any]]) -> None:
    """What each version says of itself is what became of the records of the one before."""
    rows = 0
    for each in versions:
        rows += each["added"] - each["removed"]
        assert each["rows"] == rows
    asked = [{"from": str(each["version"] - 1), "to": str(each["version"]), "summary": "true"} for each in versions[1:]]
    answers = await asyncio.gather(*(client.get("/datasets/busy/diff", params=each) for each in asked))
    names = ("added", "changed", "removed")
    told = [[answer.json()[name] for name in names] for answer in answers]
    assert told == [[each[name] for name in names] for each in versions[1:]]
    page = (await client.get("/datasets/busy/records", params={"limit": 1000})).json()
    assert (page["total"], len(page["data"])) == (rows, rows)


async def check_images(client: AsyncClient, written: list[tuple[int, int, int]]) -> None:
    """Each acknowledged image stands in its record's history, whoever wrote after it."""
    ids = sorted({record for record, _, _ in written})
    answers = await asyncio.gather(
        *(client.get(f"/datasets/busy/records/{each}/history", params={"limit": 1000}) for each in ids)
    )
    images = {
        (record, image["version"]): image["data"]["value"]
        for record, answer in zip(ids, answers, strict=True)
        for image in answer.json()["data"]
    }
    assert [(record, version) for record, version, value in written if images[record, version] != value] == []


@pytest.fixture
async def narrow(postgres_url: str, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """A service with few connections, and a user of it."""
    settings = Settings(
        database_url=postgres_url, data=tmp_path, registration="open", log_level="error", database_pool=POOL
    )
    app = create_app(settings)
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as client:
        told = (await client.post("/users", json={"name": "Ada"})).json()
        client.headers["X-API-Key"] = told["api_key"]
        yield client


@contextmanager
def head_locked(database: str, dataset: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """Holds the locks of a write to the dataset: that of its head row, and those of the tables."""
    with psycopg.connect(database) as connection:
        table = psycopg.sql.Identifier(f"ws_{UUID(dataset['workspace']).hex}", "datasets")
        query = psycopg.sql.SQL("UPDATE {} SET revision = revision WHERE id = %s").format(table)
        connection.execute(query, (dataset["id"],))
        yield connection


async def until_waiting(database: str) -> None:
    """Until somebody waits for a lock."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:

        async def waiting() -> object:
            rows = await connection.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            return await rows.fetchone()

        await eventually(waiting)


async def test_writers_to_another_dataset_do_not_wait(narrow: AsyncClient, postgres_url: str) -> None:
    columns = {"columns": [{"name": "value", "type": "integer"}]}
    held, free = [(await narrow.post("/datasets", json={"name": name, **columns})).json() for name in ("held", "free")]
    for each in (held, free):
        await narrow.post(f"/datasets/{each['id']}/records", json=[{"value": 1}, {"value": 2}])
    refs = [held["slug"], held["id"], held["id"].upper(), *(f"{held[name]}" for name in ("slug", "id"))]
    named = [{}, {}, {}, {"workspace": held["workspace"]}, {"workspace": held["workspace"]}]
    csv = {"Content-Type": "text/csv"}

    def everyone(ref: str, params: dict[str, str]) -> list[Any]:
        path = f"/datasets/{ref}"
        return [
            narrow.patch(f"{path}/records/1", json={"value": 3}, params=params),
            narrow.put(f"{path}/records/1", json={"value": 4}, params=params),
            narrow.delete(f"{path}/records/2", params=params),
            narrow.post(f"{path}/records", json={"value": 5}, params=params),
            narrow.patch(f"{path}/records", json={"creates": [{"value": 6}]}, params=params),
            narrow.patch(f"{path}/records", json={"where": {}, "set": {"value": 7}}, params=params),
            narrow.delete(f"{path}/records", params={**params, "value": "eq:1"}),
            narrow.patch(f"{path}/schema", json={"add": [{"name": "more"}]}, params=params),
            narrow.patch(path, json={"description": "held"}, params=params),
            narrow.post(f"{path}/restore", json={"version": 1}, params=params),
            narrow.put(f"{path}/versions/1/tag", json={"tag": "first"}, params=params),
            narrow.put(f"{path}/records", json=[{"value": 9}], params={**params, "key": "value"}),
            narrow.post(f"{path}/imports", content="value\n8\n", headers=csv, params={**params, "mode": "append"}),
        ]

    with head_locked(postgres_url, held):
        calls = [each for ref, params in zip(refs, named, strict=True) for each in everyone(ref, params)]
        waiting = [asyncio.create_task(call) for call in calls]
        await until_waiting(postgres_url)
        for at in range(20):
            path = f"/datasets/{free[('id', 'slug')[at % 2]]}"
            assert (await narrow.patch(f"{path}/records/1", json={"value": 100 + at})).status_code == 200
            assert (await narrow.get(f"{path}/records")).json()["data"][0]["data"] == {"value": 100 + at}
            assert (await narrow.get(f"/datasets/{held['slug']}/records/count")).json()["count"] == 2
            assert (await narrow.post("/datasets", json={"name": f"new {at}", **columns})).status_code == 201
        early = [task.result().text for task in waiting if task.done()]
    assert not early
    answers = await asyncio.gather(*waiting)
    assert {answer.status_code for answer in answers} <= {200, 201, 204, 404, 409, 422}


async def test_who_waits_for_the_head_is_not_in_the_way_of_an_index(narrow: AsyncClient, postgres_url: str) -> None:
    columns = {"columns": [{"name": "value", "type": "integer"}]}
    dataset = (await narrow.post("/datasets", json={"name": "held", **columns})).json()
    await narrow.post("/datasets/held/records", json={"value": 1})
    await narrow.patch("/datasets/held/records/1", json={"value": 2})
    writes = [
        lambda: narrow.patch("/datasets/held/records/1", json={"value": 3}),
        lambda: narrow.post("/datasets/held/records", json={"value": 4}),
        lambda: narrow.delete("/datasets/held/records/1"),
    ]
    name = psycopg.sql.Identifier(f"ws_{UUID(dataset['workspace']).hex}", f"records_{UUID(dataset['id']).hex}")
    for write in writes:
        with head_locked(postgres_url, dataset) as connection:
            waiting = asyncio.create_task(write())
            await until_waiting(postgres_url)
            connection.execute(psycopg.sql.SQL("LOCK TABLE {} IN SHARE MODE NOWAIT").format(name))
        assert (await waiting).is_success
