"""Another file into a dataset: append, replace, upsert, sync, each one new version or nothing at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import CSV, make, raw, records
from support.service import Once, Upload, exact

pytestmark = pytest.mark.anyio

STOCK = "sku,name,price\nA-1,Axe,10.50\nA-2,Bow,7\nA-3,Club,0.10\n"
NEXT = "sku,name,price\nA-4,Dart,1\nA-1,Axe,10.5\nA-2,Bow,7\n"


async def into(client: AsyncClient, body: bytes | str, ref: str = "stock", **params: Any) -> Response:
    content = body.encode() if isinstance(body, str) else body
    return await client.post(f"/datasets/{ref}/imports", params=params, content=content, headers=CSV)


async def made(client: AsyncClient, body: bytes | str, **params: Any) -> Any:
    """The counts of an import that makes a version."""
    answer = await into(client, body, **params)
    assert answer.status_code == 201, answer.text
    changes = answer.json()["changes"]
    return tuple(changes[kind] for kind in ("added", "changed", "removed", "unchanged"))


async def refused(client: AsyncClient, body: str, status: int = 422, **params: Any) -> Any:
    before = (await client.get("/datasets/stock")).json()
    answer = await into(client, body, **params)
    assert answer.status_code == status, answer.text
    assert (await client.get("/datasets/stock")).json() == before
    return answer.json()


async def by_id(client: AsyncClient, **params: Any) -> dict[int, dict[str, Any]]:
    page = await client.get("/datasets/stock/records", params=params)
    return {int(record["id"]): record["data"] for record in exact(page)["data"]}


async def types(client: AsyncClient, ref: str = "stock") -> dict[str, str]:
    schema = (await client.get(f"/datasets/{ref}/schema")).json()
    return {column["name"]: column["type"] for column in schema["columns"]}


@pytest.fixture
async def stock(client: AsyncClient, upload: Upload, once: Once) -> AsyncClient:
    await once("stock", lambda: upload(STOCK, name="stock"))
    return client


class TestModes:
    @pytest.mark.reads
    async def test_sync_leaves_no_row_out(self, stock: AsyncClient) -> None:
        body = "sku,name,price\nA-1,Axe,x\n"
        await refused(stock, body, 400, mode="sync", key="sku", on_error="skip")

    async def test_append_counts_ids_on(self, stock: AsyncClient) -> None:
        answer = await into(stock, "sku,name,price\nA-4,Dart,1\n", mode="append")
        told = answer.json()
        assert (answer.status_code, told["dataset"]["version"], told["dataset"]["rows"]) == (201, 2, 4)
        assert answer.headers["location"] == f"/api/v1/datasets/{told['dataset']['id']}/versions/2"
        assert told["import"]["rows"] == 1
        assert told["changes"] == {
            "added": 1, "changed": 0, "removed": 0, "unchanged": 0, "new_columns": [], "missing_columns": [],
        }  # fmt: skip
        assert list(await by_id(stock)) == [1, 2, 3, 4]
        assert list(await by_id(stock, version=1)) == [1, 2, 3]

    async def test_append_is_what_happens_untold(self, stock: AsyncClient) -> None:
        assert await made(stock, "sku,name,price\nA-4,Dart,1\n") == (1, 0, 0, 0)

    async def test_replace_gives_new_ids(self, stock: AsyncClient) -> None:
        assert await made(stock, "sku,name,price\nA-4,Dart,1\n", mode="replace") == (1, 0, 3, 0)
        assert await by_id(stock) == {4: {"sku": "A-4", "name": "Dart", "price": "1"}}
        assert list(await by_id(stock, version=1)) == [1, 2, 3]

    async def test_upsert_keeps_ids_and_what_the_file_lacks(self, stock: AsyncClient) -> None:
        assert await made(stock, NEXT, mode="upsert", key="sku") == (1, 1, 0, 1)
        found = await by_id(stock)
        assert list(found) == [1, 2, 3, 4]
        assert found[1]["price"] == "10.5"
        assert found[4]["name"] == "Dart"
        version = (await stock.get("/datasets/stock/versions/2")).json()
        assert (version["operation"], version["rows"]) == ("upsert", 4)
        assert (version["added"], version["changed"], version["removed"]) == (1, 1, 0)
        assert (version["source"]["mode"], version["source"]["key"]) == ("upsert", ["sku"])

    async def test_sync_removes_what_the_file_lacks(self, stock: AsyncClient) -> None:
        assert await made(stock, NEXT, mode="sync", key="sku") == (1, 1, 1, 1)
        assert list(await by_id(stock)) == [1, 2, 4]
        assert await by_id(stock, version=1) == {
            1: {"sku": "A-1", "name": "Axe", "price": "10.50"},
            2: {"sku": "A-2", "name": "Bow", "price": "7"},
            3: {"sku": "A-3", "name": "Club", "price": "0.10"},
        }

    async def test_records_tell_the_version_that_changed_them(self, stock: AsyncClient) -> None:
        await made(stock, NEXT, mode="upsert", key="sku")
        page = (await stock.get("/datasets/stock/records")).json()["data"]
        assert {record["id"]: record["version"] for record in page} == {1: 2, 2: 1, 3: 1, 4: 2}

    @pytest.mark.parametrize("key", ["sku,name", '"sku", name'])
    async def test_several_key_columns(self, stock: AsyncClient, key: str) -> None:
        assert await made(stock, "sku,name,price\nA-1,Axe,1\nA-1,Bow,7\n", mode="upsert", key=key) == (1, 1, 0, 0)

    async def test_numbers_as_keys_are_compared_as_numbers(self, stock: AsyncClient) -> None:
        assert await made(stock, "sku,price\nX,10.5\nY,7\n", mode="upsert", key="price") == (0, 2, 0, 0)

    async def test_writes_go_on_from_there(self, stock: AsyncClient) -> None:
        await made(stock, NEXT, mode="sync", key="sku")
        new = await stock.post("/datasets/stock/records", json={"sku": "A-5"})
        assert new.json()["id"] == 5
        assert await made(stock, NEXT, mode="sync", key="sku") == (0, 0, 1, 3)

    @pytest.mark.parametrize("mode", ["upsert", "sync"])
    async def test_a_small_file_into_many_records(self, client: AsyncClient, mode: str) -> None:
        many = "sku,n\n" + "".join(f"S{at},{at}\n" for at in range(300))
        assert (await raw(client, many.encode(), name="stock")).status_code == 201
        removed = 297 if mode == "sync" else 0
        body = "sku,n\nS7,7\nS8,9\nnew,1\nS299,299\n"
        assert await made(client, body, mode=mode, key="sku") == (1, 1, removed, 2)
        assert (await into(client, body + "S7,3\n", mode=mode, key="sku")).status_code == 422

    async def test_into_an_empty_dataset(self, client: AsyncClient) -> None:
        await make(client, "stock")
        assert await made(client, STOCK) == (3, 0, 0, 0)
        assert await types(client) == {"sku": "text", "name": "text", "price": "number"}

    async def test_types_that_turn_out_wider_are_read_again(self, stock: AsyncClient) -> None:
        rows = "".join(f"B-{at},x,1,{at}\n" for at in range(70_000))
        body = "sku,name,price,more\n" + rows + "B-x,x,1,yes\n"
        assert await made(stock, body, mode="append") == (70_001, 0, 0, 0)
        assert (await types(stock))["more"] == "text"
        last = await records(stock, "stock", sort="-__id", limit=1)
        assert last == [{"sku": "B-x", "name": "x", "price": "1", "more": "yes"}]
        assert await made(stock, body.replace(",yes", ",no"), mode="upsert", key="sku") == (0, 1, 0, 70_000)

    async def test_a_json_file(self, stock: AsyncClient) -> None:
        body = json.dumps([{"sku": "A-1", "price": 3}, {"sku": "A-9", "price": 4}])
        answer = await stock.post("/datasets/stock/imports?mode=upsert&key=sku&format=json", content=body, headers=CSV)
        assert answer.status_code == 201, answer.text
        assert answer.json()["changes"]["missing_columns"] == ["name"]
        assert (await by_id(stock))[1] == {"sku": "A-1", "name": "Axe", "price": "3"}

    async def test_as_a_form(self, stock: AsyncClient) -> None:
        answer = await stock.post(
            "/datasets/stock/imports",
            data={"mode": "sync", "key": "sku", "options": '{"delimiter": ";"}'},
            files={"file": ("next.csv", NEXT.replace(",", ";").encode())},
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["changes"]["removed"] == 1

    async def test_a_file_that_is_kept(self, stock: AsyncClient) -> None:
        kept = (await stock.post("/uploads", content=NEXT.encode(), headers=CSV)).json()["id"]
        body = {"upload": kept, "mode": "upsert", "key": "sku"}
        plan = await stock.post("/datasets/stock/imports?dry_run=true", json=body)
        assert (plan.status_code, plan.json()["against"]["changed"]) == (200, 1)
        answer = await stock.post("/datasets/stock/imports", json={**body, "key": ["sku"]})
        assert answer.status_code == 201, answer.text

    async def test_later(self, stock: AsyncClient) -> None:
        told = await stock.post(
            "/datasets/stock/imports?mode=sync&key=sku",
            content=NEXT.encode(),
            headers={**CSV, "Prefer": "respond-async"},
        )
        assert told.status_code == 202, told.text
        path = f"/imports/{told.json()['id']}"
        async with stock.stream("GET", f"{path}/events") as events:
            async for _ in events.aiter_lines():
                pass
        status = (await stock.get(path)).json()
        assert (status["state"], status["changes"]["removed"], status["dataset"]["version"]) == ("done", 1, 2)


class TestSameAgain:
    @pytest.mark.parametrize(("mode", "key"), [("append", ""), ("replace", ""), ("upsert", "sku"), ("sync", "sku")])
    async def test_nothing_to_do(self, stock: AsyncClient, mode: str, key: str) -> None:
        assert (await into(stock, NEXT, mode=mode, key=key)).status_code == 201
        again = await into(stock, NEXT, mode=mode, key=key)
        assert (again.status_code, again.json()["dataset"]["version"]) == (200, 2)
        assert "nothing to do" in again.json()["import"]["warnings"][0]["message"]
        planned = (await into(stock, NEXT, mode=mode, key=key, dry_run=True)).json()["against"]
        assert (planned["added"], planned["changed"], planned["removed"], planned["samples"]) == (0, 0, 0, {})
        assert (await stock.get("/datasets/stock")).json()["version"] == 2

    async def test_other_options_are_another_import(self, stock: AsyncClient) -> None:
        await into(stock, NEXT, mode="append")
        assert (await into(stock, NEXT, mode="append", null_values="NA")).status_code == 201

    async def test_after_an_edit_it_is_done_again(self, stock: AsyncClient) -> None:
        await into(stock, NEXT, mode="upsert", key="sku")
        await stock.patch("/datasets/stock/records/1", json={"price": 99})
        assert await made(stock, NEXT, mode="upsert", key="sku") == (0, 1, 0, 2)

    @pytest.mark.reads
    async def test_no_difference_no_version(self, stock: AsyncClient) -> None:
        answer = await into(stock, STOCK, mode="sync", key="sku")
        assert (answer.status_code, answer.json()["dataset"]["version"]) == (200, 1)
        assert answer.json()["changes"]["unchanged"] == 3


@pytest.mark.reads
class TestKeys:
    async def test_twice_in_the_file(self, stock: AsyncClient) -> None:
        problem = await refused(stock, "sku,name\nB,1\nA-1,x\nB,2\n", mode="upsert", key="sku")
        assert problem["error_code"] == "DUPLICATE_KEYS"
        assert [(each["row"], each["column"], each["value"]) for each in problem["errors"]] == [
            (2, "sku", "B"),
            (4, "sku", "B"),
        ]

    async def test_twice_in_the_file_and_there(self, stock: AsyncClient) -> None:
        problem = await refused(stock, "sku,name\nA-1,1\nA-2,x\nA-1,2\n", mode="sync", key="sku")
        assert [each["row"] for each in problem["errors"]] == [2, 4]

    @pytest.mark.writes
    async def test_of_several_records(self, stock: AsyncClient) -> None:
        await into(stock, "sku,name,price\nA-1,Again,1\n", mode="append")
        problem = await refused(stock, "sku,name\nA-2,y\nA-1,x\n", mode="upsert", key="sku")
        assert [(each["row"], each["record"]) for each in problem["errors"]] == [(3, 1), (3, 4)]

    @pytest.mark.writes
    async def test_doubled_on_both_sides(self, client: AsyncClient) -> None:
        """A join of such keys would have more rows than either side."""
        body = "sku,name\n" + "same,x\n" * 500
        assert (await raw(client, body.encode(), name="stock")).status_code == 201
        problem = await refused(client, body + "\n", mode="sync", key="sku")
        assert len(problem["errors"]) == 20

    async def test_null(self, stock: AsyncClient) -> None:
        problem = await refused(stock, "sku,name\nB,1\n,x\n", mode="upsert", key="sku")
        assert [(each["row"], each["column"]) for each in problem["errors"]] == [(3, "sku")]

    async def test_unknown(self, stock: AsyncClient) -> None:
        problem = await refused(stock, NEXT, 400, mode="upsert", key="skU")
        assert (problem["error_code"], "'sku'" in problem["detail"]) == ("UNKNOWN_COLUMN", True)
        assert "'sku'" in (await refused(stock, "SKU,name\nx,y\n", mode="upsert", key="sku"))["detail"]

    @pytest.mark.parametrize(
        "params", [{"mode": "upsert"}, {"mode": "append", "key": "sku"}, {"mode": "merge"}, {"mode": "create"},
                   {"mode": "sync", "key": "sku,sku"}, {"sheet": "*"}, {"nam": "x"}],
    )  # fmt: skip
    async def test_what_makes_no_sense_is_400(self, stock: AsyncClient, params: dict[str, str]) -> None:
        await refused(stock, NEXT, 400, **params)


class TestColumns:
    @pytest.mark.reads
    @pytest.mark.parametrize("price", ["007", "1e5", "x", "1,5", "+1", " 1"])
    async def test_a_cell_that_would_be_damaged_is_refused(self, stock: AsyncClient, price: str) -> None:
        problem = await refused(stock, f'sku,name,price\nA-4,D,1\nA-5,E,"{price}"\n', mode="append")
        assert problem["error_code"] == "BAD_CELLS"
        assert [(each["row"], each["column"]) for each in problem["errors"]] == [(3, "price")]
        assert "PATCH" in problem["detail"]

    async def test_bad_cells_are_made_null_or_rows_left_out(self, stock: AsyncClient) -> None:
        body = "sku,name,price\nA-4,D,x\nA-5,E,1\n"
        assert await made(stock, body, on_error="null") == (2, 0, 0, 0)
        assert (await by_id(stock))[4]["price"] is None
        assert await made(stock, body, on_error="skip") == (1, 0, 0, 0)

    async def test_new_columns_come_last(self, stock: AsyncClient) -> None:
        answer = await into(stock, "aisle,sku,price\nB,A-1,10.50\n3,A-9,1\n", mode="upsert", key="sku")
        assert answer.json()["changes"] == {
            "added": 1, "changed": 1, "removed": 0, "unchanged": 0, "new_columns": ["aisle"],
            "missing_columns": ["name"],
        }  # fmt: skip
        assert list(await types(stock)) == ["sku", "name", "price", "aisle"]
        found = await by_id(stock)
        assert found[1] == {"sku": "A-1", "name": "Axe", "price": "10.50", "aisle": "B"}
        assert found[4] == {"sku": "A-9", "name": None, "price": "1", "aisle": "3"}
        assert "aisle" not in (await by_id(stock, version=1))[1]
        warned = [each["column"] for each in answer.json()["import"]["warnings"]]
        assert warned == ["aisle", "name"]

    async def test_a_dropped_columns_values_stay_away(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "name", "drop": True}]})
        body = "sku,price\nA-1,10.50\nA-2,8\nA-3,0.10\n"
        assert await made(stock, body, mode="sync", key="sku") == (0, 1, 0, 2)
        assert await made(stock, "sku,name\nA-1,New\n", mode="upsert", key="sku") == (0, 1, 0, 0)
        assert await by_id(stock) == {
            1: {"sku": "A-1", "price": "10.50", "name": "New"},
            2: {"sku": "A-2", "price": "8", "name": None},
            3: {"sku": "A-3", "price": "0.10", "name": None},
        }

    async def test_a_column_without_any_value_takes_the_files_type(self, client: AsyncClient) -> None:
        await raw(client, b"sku,n,m\nA,,\nB,,\n", name="stock", header="true")
        await made(client, "sku,n,m\nA,5,\nC,6,\n", mode="upsert", key="sku")
        assert await types(client) == {"sku": "text", "n": "integer", "m": "text"}

    async def test_a_declared_type_stays(self, client: AsyncClient) -> None:
        await make(client, "stock", columns=[{"name": "zip"}, {"name": "n", "type": "integer"}])
        await made(client, "zip,n\n12345,1\n")
        assert await types(client) == {"zip": "text", "n": "integer"}

    async def test_a_value_that_is_needed(self, client: AsyncClient) -> None:
        await make(client, "stock", columns=[{"name": "sku", "nullable": False}, {"name": "n", "type": "integer"}])
        for body in ("n\n1\n", "sku,n\nA,1\n,2\n"):
            assert (await refused(client, body))["error_code"] == "BAD_CELLS"
        await refused(client, "sku,n\nA,1\n,2\n", on_error="null")
        assert await made(client, "sku,n\nA,1\n,2\n", on_error="skip") == (1, 0, 0, 0)

    async def test_types_are_for_new_columns(self, stock: AsyncClient) -> None:
        assert "PATCH" in (await refused(stock, NEXT, types="price:text"))["detail"]
        await made(stock, "sku,code\nB,12\n", types="code:text")
        assert (await types(stock))["code"] == "text"

    async def test_the_same_written_otherwise_is_taken(self, client: AsyncClient) -> None:
        await raw(client, b"k,at,on,ok,n\n1,2025-01-31T10:20:30Z,2025-01-31,true,1.5\n", name="stock")
        body = "k;at;on;ok;n\n2;2025-01-31 12:20:30+02:00;31.01.2025;TRUE;2,5\n"
        await made(client, body, delimiter=";", decimal_comma="true", date_format="DD.MM.YYYY")
        assert (await by_id(client))[2] == {
            "k": "2", "at": "2025-01-31T10:20:30Z", "on": "2025-01-31", "ok": True, "n": "2.5",
        }  # fmt: skip
        for at in ("2025-01-31T10:20:30", "2025-01-31", "2025-01-31T10:20:30.5Z"):
            assert (await refused(client, f"k,at\n3,{at}\n"))["error_code"] == "BAD_CELLS"


@pytest.mark.reads
class TestPlan:
    async def test_counts_and_shows_each_kind(self, stock: AsyncClient) -> None:
        before = (await stock.get("/datasets/stock")).json()
        answer = await into(stock, "sku,price,new\nA-4,1,\nA-1,10.5,x\nA-2,7,\n", mode="sync", key="sku", dry_run=True)
        assert answer.status_code == 200, answer.text
        plan = exact(answer)
        assert plan["against"] == {
            "version": "1", "added": "1", "changed": "1", "removed": "1", "unchanged": "1",
            "new_columns": ["new"], "missing_columns": ["name"],
            "samples": {
                "added": [{"row": "2", "data": {"sku": "A-4", "name": None, "price": "1", "new": None}}],
                "changed": [{"id": "1", "row": "3", "cells": {
                    "price": {"before": "10.50", "after": "10.5"}, "new": {"before": None, "after": "x"},
                }}],
                "removed": [{"id": "3", "data": {"sku": "A-3", "name": "Club", "price": "0.10", "new": None}}],
            },
        }  # fmt: skip
        assert plan["rows"][0] == {"sku": "A-4", "price": "1", "new": None}
        assert [column["name"] for column in plan["columns"]] == ["sku", "name", "price", "new"]
        assert (await stock.get("/datasets/stock")).json() == before

    @pytest.mark.parametrize(("mode", "removed"), [("append", 0), ("replace", 3)])
    async def test_without_a_key(self, stock: AsyncClient, mode: str, removed: int) -> None:
        against = (await into(stock, NEXT, mode=mode, dry_run=True)).json()["against"]
        assert (against["added"], against["changed"], against["removed"]) == (3, 0, removed)
        assert len(against["samples"].get("removed", [])) == removed

    async def test_bad_cells_are_listed(self, stock: AsyncClient) -> None:
        plan = (await into(stock, "sku,price\nA-1,007\n", mode="append", dry_run=True)).json()
        assert (plan["bad_cells_total"], plan["bad_cells"][0]["row"]) == (1, 2)
        assert (plan["refused"], "null" in plan["bad_cells"][0]["message"]) == (True, False)

    async def test_an_import_that_copes_with_bad_cells_is_not_refused(self, stock: AsyncClient) -> None:
        told = {"mode": "append", "dry_run": True, "on_error": "null"}
        plan = (await into(stock, "sku,price\nA-1,007\n", **told)).json()
        assert (plan["refused"], plan["bad_cells"][0]["message"][-9:]) == (False, "made null")


class TestPreconditions:
    async def test_if_match(self, stock: AsyncClient) -> None:
        etag = (await stock.get("/datasets/stock")).headers["etag"]
        headers = {**CSV, "If-Match": etag}
        path = "/datasets/stock/imports?mode=append"
        first = await stock.post(path, content=NEXT.encode(), headers=headers)
        assert first.status_code == 201
        stale = await stock.post(path, content=STOCK.encode(), headers=headers)
        assert (stale.status_code, stale.json()["version"]) == (412, first.json()["dataset"]["version"])
        headers["If-Match"] = first.headers["etag"]
        assert (await stock.post(path, content=STOCK.encode(), headers=headers)).status_code == 201

    async def test_no_such_dataset(self, client: AsyncClient) -> None:
        assert (await into(client, NEXT, ref="nothing")).status_code == 404
