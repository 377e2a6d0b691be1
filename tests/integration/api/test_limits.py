"""`GET /limits`: what the service takes at most, told by the service itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient, Response
from support.archives import bring, copied
from support.calls import make
from support.client import problem
from support.service import ADDRESS, User, running

from backend.app import create_app
from backend.schemas.ranges import Size
from backend.settings import Settings

pytestmark = pytest.mark.anyio
LONGEST, MOST_ROWS = 8, 3
JSON, LINES = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
Write = Callable[[AsyncClient, Any], Awaitable[Response]]


@pytest.fixture
async def limits(client: AsyncClient) -> dict[str, Any]:
    answer = await client.get("/limits")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture
async def small(postgres_url: str, user: User, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Calls a service with other settings."""
    app = create_app(
        Settings(
            database_url=postgres_url,
            data=tmp_path,
            log_level="error",
            max_columns=3,
            max_cell=Size(LONGEST),
            max_rows=MOST_ROWS,
            workspace_rows=5,
        )
    )
    headers = {"X-API-Key": user.key}
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS, headers=headers) as client:
        yield client


async def test_a_setting_goes_by_its_name(limits: dict[str, Any], small: AsyncClient) -> None:
    assert (limits["max_columns"], limits["max_upload"], limits["undelete_days"]) == (16_384, 10 * 2**30, 30)
    assert (limits["workspace_datasets"], limits["workspace_rows"], limits["workspace_bytes"]) == (None, None, None)
    assert (limits["export_hours"], limits["workspace_export_bytes"]) == (24, 10 * 2**30)
    assert limits["workspace_upload_bytes"] == 20 * 2**30
    assert (limits["exports_per_user"], limits["exports_per_workspace"]) == (10, 100)
    other = (await small.get("/limits")).json()
    changed = {name for name, value in limits.items() if other[name] != value}
    assert changed == {"max_columns", "max_cell", "max_rows", "workspace_rows"}
    assert (other["max_columns"], other["workspace_rows"]) == (3, 5)


async def test_what_is_told_holds(client: AsyncClient, limits: dict[str, Any]) -> None:
    await make(client, "x", columns=[{"name": "a"}])
    items = ",".join("v" for _ in range(limits["filter_list_items"]))
    nested: Any = {"a": 1}
    for _ in range(limits["filter_depth"] - 1):
        nested = {"not": nested}
    most: list[tuple[str, str, Any, Any]] = [
        ("GET", f"/datasets/x/records?limit={limits['page_most']}", None, None),
        ("GET", f"/datasets/x/records?a=in:{items}", None, None),
        ("GET", "/datasets/x/records?sort=" + ",".join(["a"] * limits["sort_columns"]), None, None),
        ("POST", "/datasets/x/query", {"filters": nested}, None),
        ("POST", "/datasets/x/query", {"filters": {"or": [{"a": "b"}] * limits["filter_conditions"]}}, None),
        ("POST", "/datasets/x/records?dry_run=true", [{"a": "b"}] * limits["records_per_request"], None),
    ]
    over: list[tuple[str, str, Any, Any]] = [
        ("GET", f"/datasets/x/records?limit={limits['page_most'] + 1}", None, 400),
        ("GET", f"/datasets/x/records?a=in:{items},v", None, 400),
        ("GET", "/datasets/x/records?sort=" + ",".join(["a"] * (limits["sort_columns"] + 1)), None, 400),
        ("POST", "/datasets/x/query", {"filters": {"not": nested}}, 400),
        ("POST", "/datasets/x/query", {"filters": {"or": [{"a": "b"}] * (limits["filter_conditions"] + 1)}}, 400),
        ("POST", "/datasets/x/records?dry_run=true", [{"a": "b"}] * (limits["records_per_request"] + 1), 422),
    ]
    for method, path, body, expected in most + over:
        answer = await client.request(method, path, json=body)
        assert answer.status_code == (expected or 200), (path[:60], answer.text[:300])


WRITES: dict[str, tuple[Write, str]] = {
    "one": (lambda c, v: c.post("/datasets/x/records", json={"a": v}), "/a"),
    "several": (lambda c, v: c.post("/datasets/x/records", json=[{"a": "b"}, {"a": v}]), "/1/a"),
    "lines": (lambda c, v: c.post("/datasets/x/records", content=lines({"a": "b"}, {"a": v}), headers=LINES), "/1/a"),
    "batch": (lambda c, v: c.patch("/datasets/x/records", json={"creates": [{"a": v}]}), "/creates/0/a"),
    "upsert": (lambda c, v: c.put("/datasets/x/records?key=a", json=[{"a": v}]), "/0/a"),
}
CHANGES: dict[str, tuple[Write, str]] = {
    "patch": (lambda c, v: c.patch("/datasets/x/records/1", json={"a": v}), "/a"),
    "put": (lambda c, v: c.put("/datasets/x/records/1", json={"a": v}), "/a"),
    "merge": (lambda c, v: c.patch("/datasets/x/records/1", json={"o": {"n": v}}), "/o"),
    "change": (lambda c, v: c.patch("/datasets/x/records", json=change(v)), "/changes/0/set/a"),
    "filtered": (lambda c, v: c.patch("/datasets/x/records", json={"where": {}, "set": {"a": v}}), "/set/a"),
}


def lines(*items: Any) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


def change(value: Any) -> Any:
    return {"changes": [{"id": 1, "set": {"a": value}}]}


@pytest.fixture
async def two(small: AsyncClient) -> AsyncClient:
    """Two records lie in a dataset that takes three."""
    await make(small, "x", columns=[{"name": "a"}, {"name": "o", "type": "json"}])
    answer = await small.post("/datasets/x/records", json=[{"a": "1", "o": {}}, {"a": "2"}])
    assert answer.status_code == 201, answer.text
    return small


async def version(client: AsyncClient) -> tuple[int, int]:
    told = (await client.get("/datasets/x")).json()
    return told["version"], told["rows"]


async def test_a_value_that_is_too_long_is_refused_whichever_way_it_comes(two: AsyncClient) -> None:
    before = await version(two)
    for way, (write, place) in {**WRITES, **CHANGES}.items():
        refused = problem(await write(two, "v" * (LONGEST + 1)), 422)
        assert refused["error_code"] == "LIMIT_EXCEEDED", way
        assert f"SHEAF_MAX_CELL, {LONGEST} bytes" in refused["detail"], way
        assert [(each["pointer"], each["code"]) for each in refused["errors"]] == [(place, "MAX_CELL")], way
        assert await version(two) == before
    as_a_file_holds_it = b'{"a": "\\u00e9\\u00e9\\u00e9\\u00e9"}'
    assert (await two.post("/datasets/x/records", content=as_a_file_holds_it, headers=JSON)).status_code == 201


async def test_more_records_than_a_dataset_may_have_are_refused(two: AsyncClient) -> None:
    assert (await two.post("/datasets/x/records", json={"a": "3"})).status_code == 201
    before = await version(two)
    for way, (write, _) in WRITES.items():
        refused = problem(await write(two, "4"), 422)
        assert refused["error_code"] == "LIMIT_EXCEEDED", way
        assert f"SHEAF_MAX_ROWS is {MOST_ROWS}" in refused["detail"], way
        assert await version(two) == before
    assert (await two.patch("/datasets/x/records/1", json={"a": "one"})).status_code == 200
    swapped = await two.patch("/datasets/x/records", json={"deletes": [{"id": 2}], "creates": [{"a": "4"}]})
    assert swapped.status_code == 200, swapped.text


async def test_a_restore_makes_no_dataset_larger_than_it_may_be(two: AsyncClient, client: AsyncClient) -> None:
    """Versions from before the limit was lowered may hold more."""
    assert (await client.post("/datasets/x/records", json=[{"a": "3"}, {"a": "4"}])).status_code == 201
    assert (await client.request("DELETE", "/datasets/x/records", json={"ids": [1, 4]})).status_code == 200
    assert (await client.patch("/datasets/x/records/2", json={"a": "two"})).status_code == 200
    before = await version(two)
    for wanted in ({"version": 3}, {"version": 3, "ids": [1, 4]}):
        for dry in ("true", "false"):
            refused = problem(await two.post(f"/datasets/x/restore?dry_run={dry}", json=wanted), 422)
            assert refused["error_code"] == "LIMIT_EXCEEDED", wanted
            assert refused["detail"] == f"The dataset would have 4 records; SHEAF_MAX_ROWS is {MOST_ROWS}.", wanted
    assert await version(two) == before
    assert (await two.post("/datasets/x/restore", json={"version": 3, "ids": [1, 2]})).status_code == 200
    assert (await client.post("/datasets/x/restore", json={"version": 3})).status_code == 200
    assert (await two.post("/datasets/x/restore", json={"version": 2})).status_code == 200


async def test_what_is_told_of_archives_holds(user: User, archive: bytes, limits: dict[str, Any]) -> None:
    most = limits["datasets_per_archive"]
    assert (await bring(user.client, copied(archive, most), dry_run="true")).status_code == 200
    refused = await bring(user.client, copied(archive, most + 1), dry_run="true")
    assert refused.status_code == 422
    assert f"one import takes {most:,}" in refused.json()["detail"]


async def test_it_is_told_once(client: AsyncClient, anonymous: AsyncClient) -> None:
    first = await client.get("/limits")
    again = await client.get("/limits", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await anonymous.get("/limits")).status_code == 401
    assert (await client.get("/limits?all=1")).status_code == 400
