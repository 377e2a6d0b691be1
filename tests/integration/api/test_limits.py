"""`GET /limits`: what the service takes at most, told by the service itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from support.archives import bring, copied
from support.calls import make
from support.service import ADDRESS, User, running

from backend.app import create_app
from backend.settings import Settings

pytestmark = pytest.mark.anyio


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
        Settings(database_url=postgres_url, data=tmp_path, log_level="error", max_columns=3, workspace_rows=5)
    )
    headers = {"X-API-Key": user.key}
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS, headers=headers) as client:
        yield client


async def test_a_setting_goes_by_its_name(limits: dict[str, Any], small: AsyncClient) -> None:
    assert (limits["max_columns"], limits["max_upload"], limits["undelete_days"]) == (16_384, 10 * 2**30, 30)
    assert (limits["workspace_datasets"], limits["workspace_rows"], limits["workspace_bytes"]) == (None, None, None)
    assert (limits["export_hours"], limits["workspace_export_bytes"]) == (24, 10 * 2**30)
    assert (limits["exports_per_user"], limits["exports_per_workspace"]) == (10, 100)
    other = (await small.get("/limits")).json()
    changed = {name for name, value in limits.items() if other[name] != value}
    assert changed == {"max_columns", "workspace_rows"}
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
