"""A declared key column: each live record has a value in it that no other has, and is found by it."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from httpx import AsyncClient, Response
from psycopg import AsyncConnection
from support.calls import CSV, make, pointers, raw, records, schema, send, version

pytestmark = pytest.mark.anyio

STOCK = b"sku,pieces,note\nA-1,3,\nB/2,5,\nC 3,,x\n"


async def declare(client: AsyncClient, key: str | None, ref: str = "stock") -> Response:
    return await client.patch(f"/datasets/{ref}", json={"key": key})


@pytest.fixture
async def stock(client: AsyncClient) -> AsyncClient:
    """Calls as the owner of `stock`, whose key is `sku`."""
    assert (await raw(client, STOCK, name="stock")).status_code == 201
    answer = await declare(client, "sku")
    assert answer.status_code == 200, answer.text
    assert answer.json()["key"] == "sku"
    return client


def address(key: str, ref: str = "stock") -> str:
    return f"/datasets/{ref}/records/by-key/{quote(key, safe='')}"


async def skus(client: AsyncClient) -> list[Any]:
    return [data["sku"] for data in await records(client, "stock")]


def doubled(answer: Response, value: str, column: str = "sku") -> None:
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert told["error_code"] == "DUPLICATE_KEYS"
    error = told["errors"][0]
    assert (error["column"], error["value"], error["code"]) == (column, value, "DUPLICATE_KEY")


def left_out(answer: Response) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def load(client: AsyncClient, rows: bytes, **params: str) -> Response:
    return await client.post("/datasets/stock/imports", params=params, content=rows, headers=CSV)


class TestDeclare:
    async def test_makes_the_column_one_that_needs_a_value(self, stock: AsyncClient) -> None:
        assert (await stock.get("/datasets/stock")).json()["version"] == 2
        columns = (await stock.get("/datasets/stock/schema")).json()["columns"]
        assert [column["nullable"] for column in columns] == [False, True, True]
        assert columns[0]["evidence"] is not None
        before = (await stock.get("/datasets/stock/schema?version=1")).json()["columns"]
        assert before[0]["nullable"] is True
        told = (await stock.get("/datasets/stock/versions/2")).json()
        assert (told["operation"], told["changed"]) == ("schema", 0)

    async def test_twice_is_once_and_null_clears_it(self, stock: AsyncClient) -> None:
        assert (await declare(stock, "sku")).json()["version"] == 2
        cleared = (await declare(stock, None)).json()
        assert cleared["version"] == 2
        assert "key" not in cleared
        assert (await stock.post("/datasets/stock/records", json={"sku": "A-1"})).status_code == 201
        doubled(await declare(stock, "sku"), "A-1")

    async def test_another_column(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/3", json={"pieces": 7})
        assert (await declare(stock, "pieces")).json()["key"] == "pieces"
        assert (await stock.post("/datasets/stock/records", json={"sku": "A-1", "pieces": 1})).status_code == 201
        doubled(await stock.post("/datasets/stock/records", json={"sku": "D", "pieces": 3}), "3", "pieces")

    async def test_records_that_stand_against_it(self, client: AsyncClient) -> None:
        assert (await raw(client, b"sku,n\nA,1\n,2\nB,1\n,3\nA,4\n", name="stock")).status_code == 201
        answer = await declare(client, "sku")
        assert answer.json()["error_code"] == "INVALID_SCHEMA"
        assert [(error["pointer"], error["record"]) for error in answer.json()["errors"]] == [("/key", 2), ("/key", 4)]
        answer = await declare(client, "n")
        doubled(answer, "1", "n")
        assert [(error["pointer"], error["record"]) for error in answer.json()["errors"]] == [("/key", 1), ("/key", 3)]
        assert pointers(await declare(client, "skew")) == [("/key", "UNKNOWN_COLUMN")]
        told = (await client.get("/datasets/stock")).json()
        assert (told["version"], told.get("key")) == (1, None)

    async def test_values_that_are_too_long(self, client: AsyncClient) -> None:
        long = "".join(sha256(b"%d" % number).hexdigest() for number in range(150))
        assert (await raw(client, f"sku\n{long}\n".encode(), name="stock")).status_code == 201
        answer = await declare(client, "sku")
        assert (answer.status_code, "too long" in answer.json()["detail"]) == (422, True)
        assert (await raw(client, b"sku\nshort\n", name="other")).status_code == 201
        assert (await declare(client, "sku", "other")).status_code == 200
        answer = await client.post("/datasets/other/records", json={"sku": long})
        assert (answer.status_code, answer.json()["errors"][0]["column"]) == (422, "sku")

    async def test_an_empty_dataset_and_odd_names(self, client: AsyncClient) -> None:
        name = "a%s \"of\" 'it' {}\\"
        await make(client, "odd", columns=[{"name": name}])
        assert (await declare(client, name, "odd")).status_code == 200
        assert (await client.post("/datasets/odd/records", json=[{name: "x"}, {name: "y"}])).status_code == 201
        assert (await client.get(address("y", "odd"))).json()["id"] == 2
        doubled(await client.post("/datasets/odd/records", json={name: "x"}), "x", name)

    async def test_only_at_the_version_that_was_read(self, stock: AsyncClient) -> None:
        answer = await stock.patch("/datasets/stock", json={"key": None}, headers={"If-Match": '"old"'})
        assert answer.status_code == 412


class TestEnforced:
    async def test_by_each_way_of_writing_records(self, stock: AsyncClient) -> None:
        writes: list[tuple[str, str, Any]] = [
            ("POST", "records", {"sku": "A-1"}),
            ("POST", "records", [{"sku": "D"}, {"sku": "A-1"}]),
            ("PATCH", "records/2", {"sku": "A-1"}),
            ("PUT", "records/2", {"sku": "A-1"}),
            ("PATCH", "records", {"changes": [{"id": 2, "set": {"sku": "A-1"}}]}),
            ("PATCH", "records", {"creates": [{"sku": "D"}, {"sku": "A-1"}]}),
            ("PATCH", "records", {"where": {"pieces": 5}, "set": {"sku": "A-1"}}),
        ]
        for method, path, body in writes:
            doubled(await stock.request(method, f"/datasets/stock/{path}", json=body), "A-1")
        lines = b'{"sku": "D"}\n{"sku": "A-1"}\n'
        headers = {"Content-Type": "application/x-ndjson"}
        doubled(await stock.post("/datasets/stock/records", content=lines, headers=headers), "A-1")
        assert await version(stock, "stock") == 2

    async def test_by_imports(self, stock: AsyncClient) -> None:
        doubled(await load(stock, b"sku\nD\nA-1\n", mode="append"), "A-1")
        doubled(await load(stock, b"sku\nD\nD\n", mode="replace"), "D")
        doubled(await load(stock, b"sku,note\nA-1,x\n", mode="upsert", key="note"), "A-1")
        assert (await load(stock, b"sku,pieces\n,9\n", mode="append")).status_code == 422
        planned = await load(stock, b"sku\nD\nA-1\n", mode="append", dry_run="true")
        doubled(planned, "A-1")
        assert (planned.json()["errors"][0]["row"], planned.json()["errors"][0]["record"]) == (3, 1)
        doubled(await load(stock, b"sku\nD\nD\n", mode="replace", dry_run="true"), "D")
        assert (await load(stock, b"sku\nD\nA-1\n", mode="replace", dry_run="true")).status_code == 200
        assert await version(stock, "stock") == 2

    async def test_a_plan_names_what_an_append_would_double(self, client: AsyncClient) -> None:
        assert (await raw(client, b"a%s,n\n1.50,1\n2.50,2\n", name="stock")).status_code == 201
        await declare(client, "a%s")
        doubled(await load(client, b"a%s\n3.5\n1.5\n", mode="append", dry_run="true"), "1.5", "a%s")
        assert (await load(client, b"a%s\n3.5\n", mode="append", dry_run="true")).status_code == 200

    async def test_a_record_needs_a_key(self, stock: AsyncClient) -> None:
        assert pointers(await stock.post("/datasets/stock/records", json={"pieces": 1})) == [("/sku", "NULL")]
        assert pointers(await stock.patch("/datasets/stock/records/1", json={"sku": None})) == [("/sku", "NULL")]

    async def test_keys_may_be_swapped_and_stay(self, stock: AsyncClient) -> None:
        swap = {"changes": [{"id": 1, "set": {"sku": "B/2"}}, {"id": 2, "set": {"sku": "A-1"}}]}
        assert (await stock.patch("/datasets/stock/records", json=swap)).status_code == 200
        assert await skus(stock) == ["B/2", "A-1", "C 3"]
        for method, path, body in (
            ("PATCH", "records/1", {"pieces": 9}),
            ("PUT", "records/1", {"sku": "B/2"}),
            ("PATCH", "records", {"where": {}, "set": {"note": "all"}}),
        ):
            answer = await stock.request(method, f"/datasets/stock/{path}", json=body)
            assert answer.status_code == 200, answer.text
        await stock.delete("/datasets/stock/records/2")
        assert (await stock.post("/datasets/stock/records", json={"sku": "A-1"})).status_code == 201

    @pytest.mark.parametrize("mode", ["replace", "upsert", "sync"])
    async def test_files_with_the_keys_that_are_there(self, stock: AsyncClient, mode: str) -> None:
        key = {} if mode == "replace" else {"key": "sku"}
        answer = await load(stock, b"sku,pieces\nB/2,6\nA-1,4\nD,1\n", mode=mode, **key)
        assert answer.status_code == 201, answer.text
        wanted = {"replace": ["B/2", "A-1", "D"], "upsert": ["A-1", "B/2", "C 3", "D"], "sync": ["A-1", "B/2", "D"]}
        assert await skus(stock) == wanted[mode]
        assert [data["pieces"] for data in await records(stock, "stock", sku="B/2")] == ["6"]
        note = [data["note"] for data in await records(stock, "stock", version=2)]
        assert note == [None, None, "x"]

    async def test_files_that_swap_keys(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/3", json={"pieces": 7})
        assert (await load(stock, b"pieces,sku\n3,B/2\n5,A-1\n", mode="upsert", key="pieces")).status_code == 201
        assert await skus(stock) == ["B/2", "A-1", "C 3"]

    async def test_restoring_what_was_there_before_the_key(self, client: AsyncClient) -> None:
        assert (await raw(client, b"sku,n\nA,1\nA,2\n,3\n", name="stock")).status_code == 201
        await client.patch("/datasets/stock/records/2", json={"sku": "B"})
        await client.patch("/datasets/stock/records/3", json={"sku": "C"})
        assert (await declare(client, "sku")).json()["version"] == 4
        doubled(await client.post("/datasets/stock/restore", json={"version": 1}), "A")
        answer = await client.post("/datasets/stock/restore", json={"version": 2})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "NULL")
        assert (await client.post("/datasets/stock/restore", json={"version": 3})).status_code in {200, 201}
        columns = (await client.get("/datasets/stock/schema")).json()["columns"]
        assert columns[0]["nullable"] is False
        doubled(await client.post("/datasets/stock/records", json={"sku": "B"}), "B")


class TestColumns:
    async def test_a_key_column_can_be_renamed(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "sku", "rename_to": "code"}]})
        assert (await stock.get("/datasets/stock")).json()["key"] == "code"
        assert (await stock.get(address("A-1"))).json()["data"]["code"] == "A-1"
        doubled(await stock.post("/datasets/stock/records", json={"code": "A-1"}), "A-1", "code")

    @pytest.mark.parametrize(
        ("change", "member"), [({"drop": True}, "drop"), ({"nullable": True}, "nullable")], ids=str
    )
    async def test_it_can_neither_go_nor_be_empty(
        self, stock: AsyncClient, change: dict[str, Any], member: str
    ) -> None:
        answer = await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "sku", **change}]})
        assert pointers(answer) == [(f"/columns/0/{member}", "KEY")]
        assert (await declare(stock, None)).status_code == 200
        answer = await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "sku", **change}]})
        assert answer.status_code == 200

    async def test_a_retyped_key_is_compared_by_its_new_type(self, client: AsyncClient) -> None:
        assert (await raw(client, b"n,a\n1,x\n10,y\n9,z\n", name="stock")).status_code == 201
        await declare(client, "n")
        for kind in ("text", "integer"):
            change = {"columns": [{"name": "n", "type": kind}]}
            answer = await client.patch("/datasets/stock/schema", json=change)
            assert answer.status_code == 200, answer.text
            value: Any = "10" if kind == "text" else 10
            assert (await client.get(address("10"))).json()["id"] == 2
            doubled(await client.post("/datasets/stock/records", json={"n": value}), "10", "n")

    async def test_values_that_become_the_same_one(self, client: AsyncClient) -> None:
        await make(client, "stock", columns=[{"name": "n"}])
        await client.post("/datasets/stock/records", json=[{"n": "1.0"}, {"n": "1.00"}])
        await declare(client, "n")
        answer = await client.patch("/datasets/stock/schema", json={"columns": [{"name": "n", "type": "number"}]})
        assert (answer.status_code, answer.json()["error_code"]) == (422, "DUPLICATE_KEYS")
        assert await schema(client, "stock") == {"n": "text"}

    async def test_in_a_schemaless_dataset_it_widens(self, client: AsyncClient) -> None:
        await make(client, "open")
        await client.post("/datasets/open/records", json=[{"id": 1}, {"id": 2}])
        assert (await declare(client, "id", "open")).status_code == 200
        assert pointers(await client.post("/datasets/open/records", json={"x": 1})) == [("/id", "NULL")]
        doubled(await client.post("/datasets/open/records", json={"id": 2}), "2", "id")
        assert (await client.post("/datasets/open/records", json={"id": "two"})).status_code == 201
        assert await schema(client, "open") == {"id": "json"}
        for key, record in (("1", 1), ("two", 3)):
            assert (await client.get(address(key, "open"))).json()["id"] == record
        doubled(await client.post("/datasets/open/records", json={"id": "2"}), "2", "id")


class TestByKey:
    async def test_reads_as_by_the_id(self, stock: AsyncClient) -> None:
        for key, record in (("A-1", 1), ("B/2", 2), ("C 3", 3)):
            answer = await stock.get(address(key))
            same = await stock.get(f"/datasets/stock/records/{record}")
            assert (answer.status_code, answer.json()) == (200, same.json())
            assert answer.headers["etag"] == same.headers["etag"]
        tag = {"If-None-Match": answer.headers["etag"]}
        assert (await stock.get(address("C 3"), headers=tag)).status_code == 304
        assert (await stock.get("/datasets/stock/records/by-key/B/2")).json()["id"] == 2

    @pytest.mark.parametrize("key", ["a//b/", "a%s", "a?b#c", "é/ü", "..%2F", "x" * 2000, "history", '"', "a\nb"])
    async def test_any_text_can_be_a_key(self, stock: AsyncClient, key: str) -> None:
        made = await stock.put(address(key), json={"pieces": 1})
        assert made.status_code == 201, made.text
        assert made.json()["data"] == {"sku": key, "pieces": 1, "note": None}
        assert (await stock.get(address(key))).json() == made.json()

    async def test_an_older_version(self, stock: AsyncClient) -> None:
        await stock.patch(address("A-1"), json={"sku": "Z", "pieces": 1})
        assert (await stock.get(address("A-1"))).status_code == 404
        old = (await stock.get(address("A-1"), params={"version": 2})).json()
        assert (old["id"], old["data"]["pieces"]) == (1, 3)
        assert (await stock.get(address("A-1"), params={"version": 1})).json() == old
        assert (await stock.get(address("Z"), params={"version": 2})).status_code == 404
        assert (await stock.get(address("Z"), params={"version": 3})).json()["id"] == 1

    async def test_a_version_from_before_the_key(self, client: AsyncClient) -> None:
        await make(client, "stock")
        await client.post("/datasets/stock/records", json=[{"a": 1}, {"a": 1}])
        await client.patch("/datasets/stock/schema", json={"add": [{"name": "b"}]})
        await client.patch("/datasets/stock/records/2", json={"a": 2, "b": "x"})
        await client.patch("/datasets/stock/records/1", json={"b": "y"})
        await declare(client, "b")
        assert (await client.get(address("x"), params={"version": 2})).status_code == 404
        await declare(client, "a")
        answer = await client.get(address("1"), params={"version": 2})
        assert (answer.status_code, "records 1, 2" in answer.json()["detail"]) == (409, True)

    async def test_patch_and_delete(self, stock: AsyncClient) -> None:
        tag = (await stock.get(address("B/2"))).headers["etag"]
        answer = await stock.patch(address("B/2"), json={"pieces": 6}, headers={"If-Match": tag})
        assert (answer.json()["id"], answer.json()["data"]["pieces"]) == (2, 6)
        assert (await stock.patch(address("B/2"), json={"pieces": 7}, headers={"If-Match": tag})).status_code == 412
        assert (await stock.delete(address("B/2"), headers={"If-Match": tag})).status_code == 412
        dry = await stock.delete(address("B/2"), params={"dry_run": True})
        assert (dry.status_code, dry.json()["removed"]) == (200, 1)
        assert (await stock.delete(address("B/2"))).status_code == 204
        for method in ("GET", "PATCH", "DELETE"):
            answer = await stock.request(method, address("B/2"), json=None if method != "PATCH" else {})
            assert (answer.status_code, answer.json()["error_code"]) == (404, "RECORD_NOT_FOUND")

    async def test_put_replaces_or_makes(self, stock: AsyncClient) -> None:
        answer = await stock.put(address("C 3"), json={"pieces": 1})
        assert (answer.status_code, answer.json()["id"]) == (200, 3)
        assert answer.json()["data"] == {"sku": "C 3", "pieces": 1, "note": None}
        answer = await stock.put(address("D"), json={"sku": "D", "pieces": 2})
        assert (answer.status_code, answer.json()["id"], answer.json()["version"]) == (201, 4, 4)
        assert (await stock.get(address("D"))).headers["etag"] == answer.headers["etag"]
        answer = await stock.put(address("D"), json={"sku": "E"})
        assert pointers(answer) == [("/sku", "OTHER_KEY")]
        assert pointers(await stock.put(address("D"), json={"sku": None})) == [("/sku", "OTHER_KEY")]
        assert pointers(await stock.put(address("F"), json={"pieces": "x"})) == [("/pieces", "INVALID_VALUE")]
        answer = await stock.put(address("F"), json={}, headers={"If-Match": "*"})
        assert answer.status_code == 412
        dry = await stock.put(address("F"), json={}, params={"dry_run": True})
        assert (dry.status_code, dry.json()["added"]) == (200, 1)
        assert dry.json()["data"][0]["data"] == {"sku": "F", "pieces": None, "note": None}
        tagged = await stock.put(address("F"), json={}, headers={"If-None-Match": '"abc"'})
        assert (tagged.status_code, "takes only *" in tagged.json()["detail"]) == (400, True)
        only_new = {"If-None-Match": "*"}
        assert (await stock.put(address("D"), json={}, headers=only_new)).status_code == 412
        assert await version(stock, "stock") == 4
        assert (await stock.put(address("F"), json={}, headers=only_new)).status_code == 201

    async def test_numbers_and_days(self, client: AsyncClient) -> None:
        for kind, key, same, other in (
            ("integer", "12345678901234567890", "012345678901234567890", "x"),
            ("number", "0.10", "0.1", "1,5"),
            ("date", "2025-01-31", "2025-01-31", "31.1.2025"),
            ("boolean", "true", "TRUE", "yes"),
        ):
            await make(client, kind, columns=[{"name": "k", "type": kind}, {"name": "v"}])
            await declare(client, "k", kind)
            made = await client.put(address(key, kind), json={"v": "x"})
            assert made.status_code == 201, made.text
            assert (await client.get(address(same, kind))).json() == made.json()
            assert (await client.get(address(other, kind))).status_code == 404
            assert (await client.patch(address(other, kind), json={})).status_code == 404
            assert (await client.put(address(other, kind), json={})).status_code == 422
            answer = await send(
                client,
                "PUT",
                f"{kind}/records/by-key/{key}",
                f'{{"v": "y", "k": {made.text.split(chr(34) + "k" + chr(34) + ":")[1].split(",")[0]}}}',
            )
            assert answer.status_code == 200, answer.text

    async def test_uuids(self, client: AsyncClient) -> None:
        await make(client, "own", columns=[{"name": "id"}, {"name": "n", "type": "integer"}])
        await declare(client, "id", "own")
        key = "0190e8a4-9c3b-7d2e-8f10-aabbccddeeff"
        assert (await client.put(address(key, "own"), json={"n": 1})).status_code == 201
        assert (await client.put(address(key, "own"), json={"n": 2})).status_code == 200
        assert await records(client, "own") == [{"id": key, "n": "2"}]

    async def test_without_a_key_it_says_how_to_declare_one(self, client: AsyncClient) -> None:
        await make(client, "plain", columns=[{"name": "a"}])
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            answer = await client.request(
                method, address("x", "plain"), json=None if method in {"GET", "DELETE"} else {}
            )
            assert (answer.status_code, answer.json()["error_code"]) == (409, "NO_KEY_COLUMN")
            assert "PATCH /datasets/" in answer.json()["detail"]

    async def test_addresses_that_are_no_text(self, stock: AsyncClient) -> None:
        answer = await stock.get("/datasets/stock/records/by-key/%FF")
        assert answer.status_code == 400
        assert (await stock.get("/datasets/stock/records/by-key/a%00b")).status_code in {400, 404}


class TestAtOnce:
    async def test_one_of_many_makes_the_record(self, stock: AsyncClient) -> None:
        answers = await asyncio.gather(*(stock.put(address("new"), json={"pieces": number}) for number in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        answers = await asyncio.gather(
            *(stock.post("/datasets/stock/records", json={"sku": "newer"}) for _ in range(8))
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7
        assert await skus(stock) == ["A-1", "B/2", "C 3", "new", "newer"]

    async def test_a_key_is_not_cleared_while_somebody_reads_everything(
        self, stock: AsyncClient, postgres_url: str
    ) -> None:
        dataset = (await stock.get("/datasets/stock")).json()["id"]
        async with await AsyncConnection.connect(postgres_url) as reader:
            found = await reader.execute(
                "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE tablename = %s",
                (f"records_{UUID(dataset).hex}",),
            )
            (name,) = await found.fetchone() or ("",)
            await reader.execute(f"LOCK TABLE {name} IN ACCESS SHARE MODE".encode())
            answer = await declare(stock, None)
            assert (answer.status_code, answer.json()["error_code"]) == (409, "DATASET_BUSY")
            assert answer.headers["retry-after"] == "5"
        assert (await declare(stock, None)).status_code == 200


class TestBatches:
    """What would double a key is named ahead; see also `tests/unit/services/test_batch_keys.py`."""

    async def test_every_doubled_key_has_its_pointer(self, stock: AsyncClient) -> None:
        body = {
            "changes": [{"id": 1, "set": {"sku": "D"}}, {"id": 2, "set": {"sku": "C 3"}}],
            "creates": [{"sku": "A-1"}, {"sku": "D"}, {"sku": "B/2"}],
        }
        answer = await stock.patch("/datasets/stock/records", json=body)
        assert pointers(answer) == [("/changes/1/set/sku", "DUPLICATE_KEY"), ("/creates/1/sku", "DUPLICATE_KEY")]
        doubled(answer, "C 3")
        assert [error.get("record") for error in answer.json()["errors"]] == [3, None]
        answer = await stock.post("/datasets/stock/records", json=[{"sku": "D"}, {"sku": "D"}, {"sku": "C 3"}])
        assert pointers(answer) == [("/1/sku", "DUPLICATE_KEY"), ("/2/sku", "DUPLICATE_KEY")]
        assert await version(stock, "stock") == 2

    async def test_other_errors_are_told_with_them(self, stock: AsyncClient) -> None:
        body = {
            "changes": [{"id": 1, "set": {"sku": "B/2"}}, {"id": 2, "set": {"sku": "A-1", "pieces": "x"}}],
            "creates": [{"sku": "C 3"}],
        }
        answer = await stock.patch("/datasets/stock/records", json=body)
        assert answer.json()["error_code"] == "INVALID_RECORD"
        assert pointers(answer) == [("/changes/1/set/pieces", "INVALID_VALUE"), ("/creates/0/sku", "DUPLICATE_KEY")]

    async def test_partial_lets_the_good_ones_in(self, stock: AsyncClient) -> None:
        body = {
            "changes": [{"id": 1, "set": {"sku": "B/2"}}, {"id": 2, "set": {"sku": "C 3"}}],
            "creates": [{"sku": "D"}, {"sku": "A-1"}, {"sku": "D", "pieces": 1}, {"sku": "E"}],
        }
        answer = await stock.patch("/datasets/stock/records", json=body, params={"partial": True})
        assert (answer.json()["added"], answer.json()["changed"]) == (2, 0)
        assert left_out(answer) == [
            ("/changes/0/set/sku", "DUPLICATE_KEY"), ("/changes/1/set/sku", "DUPLICATE_KEY"),
            ("/creates/1/sku", "DUPLICATE_KEY"), ("/creates/2/sku", "DUPLICATE_KEY"),
        ]  # fmt: skip
        assert await skus(stock) == ["A-1", "B/2", "C 3", "D", "E"]

    async def test_partial_takes_the_keys_of_those_that_go(self, stock: AsyncClient) -> None:
        body = {
            "changes": [{"id": 2, "set": {"sku": "A-1"}}, {"id": 3, "set": {"sku": "C 3", "pieces": 1}}],
            "deletes": [1],
            "creates": [{"sku": "B/2"}],
        }
        answer = await stock.patch("/datasets/stock/records", json=body, params={"partial": True})
        assert "errors" not in answer.json()
        assert await skus(stock) == ["A-1", "C 3", "B/2"]

    async def test_partial_leaves_no_columns_of_what_is_refused(self, client: AsyncClient) -> None:
        await make(client, "open")
        await client.post("/datasets/open/records", json=[{"id": 1, "n": 1}])
        await declare(client, "id", "open")
        body = {
            "changes": [{"id": 1, "set": {"n": "text", "z": "\0"}}],
            "creates": [{"id": 1, "y": 1}, {"id": 2, "w": 1}, {"id": 2, "n": True}, {"id": None, "v": 1}],
        }
        answer = await client.patch("/datasets/open/records", json=body, params={"partial": True})
        assert left_out(answer) == [
            ("/changes/0/set/z", "INVALID_VALUE"), ("/creates/0/id", "DUPLICATE_KEY"),
            ("/creates/2/id", "DUPLICATE_KEY"), ("/creates/3/id", "NULL"),
        ]  # fmt: skip
        assert await schema(client, "open") == {"id": "integer", "n": "integer", "w": "integer"}
        everything_bad = {"creates": [{"id": 2, "u": 1}, {"id": "x", "u": "\0"}]}
        answer = await client.patch("/datasets/open/records", json=everything_bad, params={"partial": True})
        assert (answer.status_code, answer.json()["added"]) == (200, 0)
        assert await schema(client, "open") == {"id": "integer", "n": "integer", "w": "integer"}
        assert await version(client, "open") == 4
