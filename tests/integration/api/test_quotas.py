"""Quotas: what one workspace may hold, whichever way things come into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from openpyxl import Workbook
from support.calls import CSV, make, raw
from support.service import ADDRESS, running

from backend.app import create_app
from backend.settings import Settings

pytestmark = pytest.mark.anyio
JSON_LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
THREE = b"name,amount\nAnn,1\nBob,2\nCem,3\n"
FOUR = THREE + b"Dan,4\n"
Limited = Callable[..., Awaitable[AsyncClient]]


@asynccontextmanager
async def serving(postgres_url: str, data: Path, **quotas: Any) -> AsyncIterator[ASGITransport]:
    """A service with these settings."""
    quotas |= {"registration": "open", "log_level": "error", "database_pool": 3}
    app = create_app(Settings(database_url=postgres_url, data=data, **quotas))
    async with running(app):
        yield ASGITransport(app)


@asynccontextmanager
async def calling(service: ASGITransport) -> AsyncIterator[AsyncClient]:
    """As a new user."""
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        registered = await client.post("/users", json={"name": "Ada"})
        client.headers["X-API-Key"] = registered.json()["api_key"]
        yield client


@pytest.fixture
async def limited(postgres_url: str, tmp_path: Path) -> AsyncIterator[Limited]:
    """A client of a new user of a service with these settings."""
    async with AsyncExitStack() as stack:

        async def start(**quotas: Any) -> AsyncClient:
            service = await stack.enter_async_context(serving(postgres_url, tmp_path, **quotas))
            return await stack.enter_async_context(calling(service))

        yield start


@pytest.fixture(scope="class")
async def narrow(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASGITransport]:
    """A service that lets a workspace hold three records."""
    async with serving(postgres_url, tmp_path_factory.mktemp("narrow"), workspace_rows=3) as service:
        yield service


@pytest.fixture
async def full(narrow: ASGITransport) -> AsyncIterator[AsyncClient]:
    """Three records are all that the workspace may hold, and it has them."""
    async with calling(narrow) as client:
        assert (await raw(client, THREE, name="orders")).status_code == 201
        yield client


def refused(answer: Response, code: str, *parts: str) -> None:
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["error_code"] == "QUOTA_EXCEEDED"
    assert [each["code"] for each in problem["errors"]] == [code]
    for part in (f"SHEAF_{code}", *parts):
        assert part in problem["detail"]


def book(*rows: int) -> bytes:
    """A workbook with a sheet of so many rows for each number."""
    workbook, file = Workbook(), BytesIO()
    workbook.remove(workbook.worksheets[0])
    for number, count in enumerate(rows, 1):
        sheet = workbook.create_sheet(f"s{number}")
        for row in [["name"], *([f"n{n}"] for n in range(count))]:
            sheet.append(row)
    workbook.save(file)
    return file.getvalue()


async def state(client: AsyncClient) -> list[tuple[str, int, int]]:
    listed = (await client.get("/datasets?sort=name")).json()["data"]
    return [(each["name"], each["version"], each["rows"]) for each in listed]


GROWS: dict[str, Callable[[AsyncClient, str], Awaitable[Response]]] = {
    "one": lambda c, q: c.post(f"/datasets/orders/records{q}", json={"name": "Eve"}),
    "several": lambda c, q: c.post(f"/datasets/orders/records{q}", json=[{"name": "Eve"}]),
    "lines": lambda c, q: c.post(f"/datasets/orders/records{q}", content=b'{"name":"Eve"}\n', headers=JSON_LINES),
    "batch": lambda c, q: c.patch(f"/datasets/orders/records{q}", json={"creates": [{"name": "Eve"}]}),
    "upsert": lambda c, q: c.put(f"/datasets/orders/records{q or '?'}&key=name", json=[{"name": "Eve"}]),
    "append": lambda c, q: c.post(f"/datasets/orders/imports{q}", content=b"name\nEve\n", headers=CSV),
    "replace": lambda c, q: c.post(f"/datasets/orders/imports{q or '?'}&mode=replace", content=FOUR, headers=CSV),
    "merge": lambda c, q: c.post(f"/datasets/orders/imports{q or '?'}&mode=upsert&key=name", content=FOUR, headers=CSV),
    "sync": lambda c, q: c.post(f"/datasets/orders/imports{q or '?'}&mode=sync&key=name", content=FOUR, headers=CSV),
    "upload": lambda c, q: c.post(f"/datasets{q or '?'}&name=new", content=b"name\nEve\n", headers=CSV),
    "sheets": lambda c, q: c.post(f"/datasets{q or '?'}&name=new&format=xlsx&sheet=*", content=book(0, 1)),
}


class TestRows:
    @pytest.mark.parametrize("query", ["", "?dry_run=true"])
    @pytest.mark.parametrize("way", GROWS)
    async def test_a_write_that_goes_past_it_is_refused(self, full: AsyncClient, way: str, query: str) -> None:
        refused(await GROWS[way](full, query), "WORKSPACE_ROWS", "is 3, 3 are used", "4 records")
        assert await state(full) == [("orders", 1, 3)]

    async def test_a_key_that_makes_a_record(self, full: AsyncClient) -> None:
        assert (await full.patch("/datasets/orders", json={"key": "name"})).status_code == 200
        refused(await full.put("/datasets/orders/records/by-key/Eve", json={"amount": 1}), "WORKSPACE_ROWS")
        assert (await full.put("/datasets/orders/records/by-key/Ann", json={"amount": 7})).status_code == 200

    async def test_a_restore_that_brings_records_back(self, full: AsyncClient) -> None:
        assert (await full.delete("/datasets/orders/records/1")).status_code == 204
        assert (await full.post("/datasets/orders/records", json={"name": "Eve"})).status_code == 201
        for query in ("?dry_run=true", ""):
            answer = await full.post(f"/datasets/orders/restore{query}", json={"version": 1, "ids": [1]})
            refused(answer, "WORKSPACE_ROWS", "4 records", "3 are used")
        for query in ("?dry_run=true", ""):
            answer = await full.post(f"/datasets/orders/restore{query}", json={"version": 1})
            assert answer.status_code == 200, answer.text

    async def test_a_dataset_that_comes_back(self, full: AsyncClient) -> None:
        orders = (await full.get("/datasets/orders")).json()
        assert (await full.delete("/datasets/orders")).status_code == 204
        assert (await raw(full, b"name\nEve\n", name="new")).status_code == 201
        refused(await full.post(f"/datasets/{orders['id']}/undelete"), "WORKSPACE_ROWS", "would have 4", "1 are used")
        assert (await full.delete("/datasets/new")).status_code == 204
        assert (await full.post(f"/datasets/{orders['id']}/undelete")).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "/records/1", {"amount": 9}),
            ("PUT", "/records/1", {"amount": 9}),
            ("PATCH", "/records", {"changes": [{"id": 1, "set": {"amount": 9}}]}),
            ("PATCH", "/records", {"deletes": [1], "creates": [{"name": "Eve"}]}),
            ("PATCH", "/records", {"where": {}, "set": {"amount": 9}}),
            ("PATCH", "/schema", {"add": [{"name": "more", "type": "text"}]}),
            ("PATCH", "", {"name": "other"}),
            ("DELETE", "/records/1", None),
            ("DELETE", "/records", {"ids": [1, 2]}),
            ("DELETE", "", None),
        ],
    )
    async def test_what_adds_no_records_goes_on(self, full: AsyncClient, method: str, path: str, body: Any) -> None:
        answer = await full.request(method, f"/datasets/orders{path}", json=body)
        assert answer.status_code < 300, answer.text
        assert (await full.post("/datasets", json={"name": "empty"})).status_code == 201

    async def test_as_many_as_it_takes(self, limited: Limited) -> None:
        client = await limited(workspace_rows=7)
        assert (await raw(client, THREE, name="a")).status_code == 201
        assert (await raw(client, THREE, name="b")).status_code == 201
        assert (await client.post("/datasets/b/records", json={"name": "Eve"})).status_code == 201
        refused(await client.post("/datasets/a/records", json={"name": "Eve"}), "WORKSPACE_ROWS", "7 are used")

    async def test_a_workspace_beyond_it_can_shrink(self, limited: Limited) -> None:
        before = await limited()
        assert (await raw(before, FOUR, name="orders")).status_code == 201
        client = await limited(workspace_rows=2)
        client.headers["X-API-Key"] = before.headers["X-API-Key"]
        for mode, file in (("replace", THREE), ("sync&key=name", THREE.removesuffix(b"Cem,3\n"))):
            answer = await client.post(f"/datasets/orders/imports?mode={mode}", content=file, headers=CSV)
            assert answer.status_code == 201, answer.text
        refused(await client.post("/datasets/orders/records", json={"name": "Eve"}), "WORKSPACE_ROWS")
        assert (await client.get("/datasets/orders/export")).status_code == 200

    async def test_a_promised_import_fails_with_it(self, full: AsyncClient) -> None:
        answer = await raw(full, b"name\nEve\n", {**CSV, "Prefer": "respond-async"}, name="new")
        assert answer.status_code == 202
        told = (await full.get(f"/imports/{answer.json()['id']}/events")).text
        assert "event: failed" in told
        assert "QUOTA_EXCEEDED" in told
        assert await state(full) == [("orders", 1, 3)]

    async def test_a_file_is_kept_that_may_take_the_place_of_what_is_there(self, full: AsyncClient) -> None:
        kept = await full.post("/uploads", content=THREE.replace(b"Ann", b"Eve"), headers=CSV)
        assert kept.status_code == 201, kept.text
        assert (await full.get(f"/uploads/{kept.json()['id']}")).status_code == 200
        refused(await full.post("/datasets", json={"upload": kept.json()["id"], "name": "new"}), "WORKSPACE_ROWS")
        answer = await full.post("/datasets/orders/imports?mode=replace", json={"upload": kept.json()["id"]})
        assert answer.status_code == 201, answer.text

    async def test_an_archive_that_is_too_much_for_a_new_workspace(self, full: AsyncClient, limited: Limited) -> None:
        archive = (await full.get("/workspaces/ada/export")).content
        client = await limited(workspace_rows=2)
        for query in ("", "?dry_run=true"):
            answer = await client.post(
                f"/workspaces/import{query}", content=archive, headers={"Content-Type": "application/zip"}
            )
            refused(answer, "WORKSPACE_ROWS")
        assert (await client.get("/workspaces")).json()["total"] == 1

    @pytest.mark.parametrize("query", ["", "?dry_run=true"])
    @pytest.mark.parametrize("path", ["orders/records", "orders/imports"])
    async def test_a_long_file_is_read_no_further(self, limited: Limited, path: str, query: str) -> None:
        """And the dataset is no longer busy with it."""
        client = await limited(workspace_rows=10_005)
        assert (await raw(client, THREE, name="orders")).status_code == 201
        lines = b"".join(b'{"name":"%06d"}\n' % n for n in range(400_000))
        answer = await client.post(f"/datasets/{path}{query}", content=lines, headers=JSON_LINES)
        refused(answer, "WORKSPACE_ROWS", "at least", "3 are used")
        assert "400,003" not in answer.json()["detail"]
        assert (await client.post("/datasets/orders/records", json={"name": "Eve"})).status_code == 201
        assert await state(client) == [("orders", 2, 4)]

    async def test_who_writes_to_one_dataset_waits_for_no_other(self, limited: Limited, postgres_url: str) -> None:
        client = await limited(workspace_rows=10, workspace_bytes=2**30)
        a, b = [(await raw(client, THREE, name=name)).json()["dataset"] for name in "ab"]
        heads = psycopg.sql.Identifier(f"ws_{UUID(a['workspace']).hex}", "datasets")
        query = psycopg.sql.SQL("UPDATE {} SET rows = 9 WHERE id = %s").format(heads)
        with psycopg.connect(postgres_url) as connection:
            connection.execute(query, (a["id"],))
            assert (await client.post(f"/datasets/{b['id']}/records", json={"name": "Eve"})).status_code == 201
        refused(
            await client.post(f"/datasets/{b['id']}/records", json={"name": "Eve"}), "WORKSPACE_ROWS", "13 are used"
        )


class TestDatasets:
    @pytest.mark.parametrize("query", ["", "?dry_run=true"])
    async def test_no_more_than_it_says(self, limited: Limited, query: str) -> None:
        client = await limited(workspace_datasets=2)
        await make(client, "a")
        gone = await make(client, "b")
        if not query:
            refused(await client.post("/datasets", json={"name": "c"}), "WORKSPACE_DATASETS", "3 datasets", "2 are")
        for name in ("&name=c", ""):
            answer = await client.post(f"/datasets{query or '?'}{name}", content=THREE, headers=CSV)
            refused(answer, "WORKSPACE_DATASETS")
        assert (await client.delete("/datasets/b")).status_code == 204
        answer = await client.post(f"/datasets{query or '?'}&format=xlsx&sheet=*", content=book(1, 1))
        refused(answer, "WORKSPACE_DATASETS")
        assert await state(client) == [("a", 1, 0)]
        await make(client, "c")
        refused(await client.post(f"/datasets/{gone['id']}/undelete"), "WORKSPACE_DATASETS")

    async def test_the_number_is_exact_whoever_comes_at_once(self, limited: Limited) -> None:
        client = await limited(workspace_datasets=3)
        await make(client, "first")
        answers = await asyncio.gather(
            *(client.post("/datasets", json={"name": f"d{n}"}) for n in range(6)),
            *(raw(client, THREE, name=f"f{n}") for n in range(6)),
        )
        assert sorted(each.status_code for each in answers) == [201] * 2 + [422] * 10
        assert len(await state(client)) == 3


class TestBytes:
    async def test_a_full_workspace_takes_nothing_more(self, limited: Limited) -> None:
        before = await limited()
        orders = await make(before, "orders")
        await make(before, "more")
        client = await limited(workspace_bytes=1)
        client.headers["X-API-Key"] = before.headers["X-API-Key"]
        refused(await client.post("/datasets", json={"name": "c"}), "WORKSPACE_BYTES", " bytes; ")
        refused(await raw(client, THREE, name="c"), "WORKSPACE_BYTES")
        long = {"name": "x" * 20, "text": ["".join(map(str, range(n, n + 9_000))) for n in range(30)]}
        refused(await client.post("/datasets/orders/records", json=long), "WORKSPACE_BYTES")
        refused(await client.post("/datasets/orders/imports", content=THREE, headers=CSV), "WORKSPACE_BYTES")
        assert (await client.delete("/datasets/more")).status_code == 204
        assert (await client.get("/datasets/orders")).json() == orders

    async def test_what_was_removed_counts_until_its_versions_go(self, limited: Limited) -> None:
        client = await limited(workspace_bytes=2**18)
        assert (await raw(client, b"name\n" + b"%d\n" * 1, name="orders")).status_code == 201
        for _ in range(40):
            answer = await client.post("/datasets/orders/records", json=[{"name": f"n{n}"} for n in range(200)])
            if answer.status_code != 201:
                break
        refused(answer, "WORKSPACE_BYTES", "262,144")
        assert (await client.delete("/datasets/orders/records/1")).status_code == 204
        answer = await client.request("DELETE", "/datasets/orders/records", json={"where": {"name": "n1"}})
        assert answer.status_code == 200
        refused(await client.post("/datasets/orders/records", json={"name": "Eve"}), "WORKSPACE_BYTES")

    async def test_what_was_refused_does_not_count(self, limited: Limited) -> None:
        client = await limited(workspace_bytes=600_000)
        assert (await raw(client, THREE, name="orders")).status_code == 201
        used = (await client.get("/datasets/orders")).json()["bytes"]
        file = b"name,amount\n" + b"".join(b"%060d,1\n" % n for n in range(9_000))
        lines = b"".join(b'{"name":"%060d"}\n' % n for n in range(9_000))
        for query in ("?dry_run=true", ""):
            refused(await client.post(f"/datasets/orders/imports{query}", content=file, headers=CSV), "WORKSPACE_BYTES")
            answer = await client.post(f"/datasets/orders/records{query}", content=lines, headers=JSON_LINES)
            refused(answer, "WORKSPACE_BYTES", f"{used:,} are used")
            refused(await client.post(f"/datasets{query}", content=file, headers=CSV), "WORKSPACE_BYTES")
        assert (await client.get("/datasets/orders")).json()["bytes"] == used
        assert (await client.post("/datasets/orders/records", json={"name": "Eve"})).status_code == 201

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/records", {"name": "Eve"}),
            ("POST", "/records?dry_run=true", [{"name": "Eve"}]),
            ("PATCH", "/records/1", {"amount": 9}),
            ("PUT", "/records/1", {"amount": 9}),
            ("PUT", "/records/by-key/Ann", {"amount": 9}),
            ("PUT", "/records/by-key/Eve", {"amount": 9}),
            ("PATCH", "/records", {"changes": [{"id": 1, "set": {"amount": 9}}]}),
            ("PATCH", "/records", {"where": {}, "set": {"amount": 9}}),
            ("PUT", "/records?key=name", [{"name": "Ann", "amount": 9}]),
            ("PATCH", "/schema", {"columns": [{"name": "amount", "type": "text"}]}),
            ("POST", "/restore", {"version": 1}),
            ("POST", "/restore?dry_run=true", {"version": 1, "ids": [3]}),
        ],
    )
    async def test_at_the_quota_nothing_is_added_or_changed(
        self, limited: Limited, method: str, path: str, body: Any
    ) -> None:
        before = await limited()
        assert (await raw(before, THREE, name="orders")).status_code == 201
        assert (await before.patch("/datasets/orders", json={"key": "name"})).status_code == 200
        assert (await before.delete("/datasets/orders/records/3")).status_code == 204
        dataset = (await before.get("/datasets/orders")).json()
        client = await limited(workspace_bytes=dataset["bytes"])
        client.headers["X-API-Key"] = before.headers["X-API-Key"]
        refused(await client.request(method, f"/datasets/orders{path}", json=body), "WORKSPACE_BYTES")
        assert (await client.get("/datasets/orders")).json() == dataset
        assert (await client.patch("/datasets/orders", json={"description": "full"})).status_code == 200
        assert (
            await client.patch("/datasets/orders/schema", json={"columns": [{"name": "amount", "drop": True}]})
        ).status_code == 200
        assert (await client.delete("/datasets/orders/records/1")).status_code == 204

    async def test_what_only_takes_away_is_restored(self, limited: Limited) -> None:
        before = await limited()
        assert (await raw(before, THREE, name="orders")).status_code == 201
        assert (await before.post("/datasets/orders/records", json={"name": "Eve"})).status_code == 201
        client = await limited(workspace_bytes=1)
        client.headers["X-API-Key"] = before.headers["X-API-Key"]
        assert (await client.post("/datasets/orders/restore", json={"version": 1})).status_code == 200
        refused(await client.post("/datasets/orders/restore", json={"version": 2}), "WORKSPACE_BYTES")
        orders = (await client.get("/datasets/orders")).json()
        assert (await client.delete("/datasets/orders")).status_code == 204
        refused(await client.post(f"/datasets/{orders['id']}/undelete"), "WORKSPACE_BYTES", "0 are used")
