"""Another file into a dataset: append, replace, upsert, sync, each one new version or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import CSV, raw, records

pytestmark = pytest.mark.anyio

STOCK = b"sku,name,price\nA-1,Axe,10.50\nA-2,Bow,7\nA-3,Club,0.10\n"


async def into(client: AsyncClient, body: bytes | str, ref: str = "stock", **params: Any) -> Response:
    content = body.encode() if isinstance(body, str) else body
    return await client.post(f"/datasets/{ref}/imports", params=params, content=content, headers=CSV)


async def ids(client: AsyncClient, ref: str = "stock") -> dict[int, dict[str, Any]]:
    page = (await client.get(f"/datasets/{ref}/records")).json()
    return {record["id"]: record["data"] for record in page["data"]}


@pytest.fixture
async def stock(client: AsyncClient) -> AsyncClient:
    assert (await raw(client, STOCK, name="stock")).status_code == 201
    return client


class TestModes:
    async def test_append_counts_ids_on(self, stock: AsyncClient) -> None:
        answer = await into(stock, "sku,name,price\nA-4,Dart,1\n", mode="append")
        assert answer.status_code == 201, answer.text
        assert answer.json()["dataset"]["version"] == 2
        assert list(await ids(stock)) == [1, 2, 3, 4]
        assert answer.json()["changes"] == {
            "added": 1, "changed": 0, "removed": 0, "unchanged": 0, "new_columns": [], "missing_columns": [],
        }  # fmt: skip

    async def test_replace(self, stock: AsyncClient) -> None:
        answer = await into(stock, "sku,name,price\nA-4,Dart,1\n", mode="replace")
        assert answer.status_code == 201, answer.text
        assert list(await ids(stock)) == [4]

    @pytest.mark.parametrize("mode", ["upsert", "sync"])
    async def test_by_key(self, stock: AsyncClient, mode: str) -> None:
        answer = await into(stock, "sku,name,price\nA-4,Dart,1\nA-1,Axe,10.5\nA-2,Bow,7\n", mode=mode, key="sku")
        assert answer.status_code == 201, answer.text
        removed = int(mode == "sync")
        assert answer.json()["changes"] == {
            "added": 1, "changed": 1, "removed": removed, "unchanged": 1, "new_columns": [], "missing_columns": [],
        }  # fmt: skip
        found = await ids(stock)
        assert list(found) == ([1, 2, 4] if removed else [1, 2, 3, 4])
        version = (await stock.get("/datasets/stock/versions/2")).json()
        assert (version["operation"], version["added"], version["changed"], version["removed"]) == (mode, 1, 1, removed)
        again = await into(stock, "sku,name,price\nA-4,Dart,1\nA-1,Axe,10.5\nA-2,Bow,7\n", mode=mode, key="sku")
        assert again.status_code == 200, again.text
        assert again.json()["dataset"]["version"] == 2
        plan = await into(stock, "sku,name,price,x\nA-4,Dart,1,\nA-1,Axe,10.50,4\nA-2,Bow,7,\nA-9,N,,", mode=mode, key="sku", dry_run=True)
        assert plan.status_code == 200, plan.text
        print(plan.json()["against"], plan.json()["rows"])

    async def test_duplicates(self, stock: AsyncClient) -> None:
        answer = await into(stock, "sku,name\nB,1\nA-1,x\nB,2\n", mode="upsert", key="sku")
        assert answer.status_code == 422, answer.text
        print(answer.json())
        answer = await into(stock, "sku,price\nB,007\nA-1,x\nC,2\n", mode="append")
        assert answer.status_code == 422, answer.text
        print(answer.json())
        assert (await stock.patch("/datasets/stock/records/1", json={"name": "y"})).status_code == 200
