"""Changing and deleting all records that a filter lets through."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient, Response
from psycopg import AsyncConnection, sql
from support.calls import make, pointers, raw, records, schema, send, version
from support.service import Once, Upload, exact

pytestmark = pytest.mark.anyio

ROWS = b"name,amount,status\nAnn,1,new\nBob,2,new\nCid,3,paid\nDan,,paid\n"
MANY = 20_001


@pytest.fixture
async def sales(client: AsyncClient, upload: Upload, once: Once) -> AsyncClient:
    """Calls as the owner of `sales`, which has four records."""
    await once("sales", lambda: upload(ROWS, name="sales"))
    return client


async def patch(client: AsyncClient, where: Any, changes: Any, *, ref: str = "sales", **more: Any) -> Response:
    body = {"where": where, "set": changes, **more.pop("members", {})}
    return await client.patch(f"/datasets/{ref}/records", json=body, **more)


async def delete(client: AsyncClient, body: Any = None, **params: Any) -> Response:
    return await client.request("DELETE", "/datasets/sales/records", json=body, params=params)


async def column(client: AsyncClient, name: str, **params: Any) -> list[Any]:
    return [data[name] for data in await records(client, "sales", **params)]


class TestPatch:
    async def test_changes_what_matches_as_one_version(self, sales: AsyncClient) -> None:
        answer = await patch(sales, {"status": "new"}, {"status": "paid", "amount": 5})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"version": 2, "added": 0, "changed": 2, "removed": 0, "unchanged": 0}
        assert answer.headers["etag"] == (await sales.get("/datasets/sales")).headers["etag"]
        assert await records(sales, "sales") == [
            {"name": "Ann", "amount": "5", "status": "paid"},
            {"name": "Bob", "amount": "5", "status": "paid"},
            {"name": "Cid", "amount": "3", "status": "paid"},
            {"name": "Dan", "amount": None, "status": "paid"},
        ]
        assert await column(sales, "status", version=1) == ["new", "new", "paid", "paid"]
        told = (await sales.get("/datasets/sales/versions/2")).json()
        assert (told["operation"], told["added"], told["changed"], told["removed"]) == ("update", 0, 2, 0)
        history = (await sales.get("/datasets/sales/records/1/history")).json()
        assert [image["version"] for image in history["data"]] == [1, 2]

    async def test_an_empty_filter_is_all_records(self, sales: AsyncClient) -> None:
        told = (await patch(sales, {}, {"amount": 3})).json()
        assert (told["changed"], told["unchanged"]) == (3, 1)
        assert await column(sales, "amount") == ["3"] * 4

    @pytest.mark.reads
    async def test_nothing_to_change_makes_no_version(self, sales: AsyncClient) -> None:
        for where, unchanged in (({"status": "paid"}, 2), ({"status": "none"}, 0)):
            told = (await patch(sales, where, {"status": "paid"})).json()
            assert told == {"version": 1, "added": 0, "changed": 0, "removed": 0, "unchanged": unchanged}
        assert await version(sales, "sales") == 1

    async def test_another_spelling_of_a_number_is_a_change(self, client: AsyncClient) -> None:
        assert (await raw(client, b"n\n0.1\n0.10\n", name="sales")).status_code == 201
        answer = await send(client, "PATCH", "sales/records", '{"where": {}, "set": {"n": 0.10}}')
        assert (answer.json()["changed"], answer.json()["unchanged"]) == (1, 1)
        assert await column(client, "n") == ["0.10", "0.10"]

    @pytest.mark.parametrize(
        ("stored", "change", "left"),
        [
            ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": {"e": None}}}, {"a": {"c": 2, "d": {}}}),
            ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
            ([1, 2], {"0": {"x": 1}, "b": 1}, {"0": {"x": 1}, "b": 1}),
            ({"a": 1}, [None, {"a": None}], [None, {"a": None}]),
            (None, {"a": {"b": None}, "c": 1}, {"a": {}, "c": 1}),
            ({"a": 1}, {}, {"a": 1}),
            ({"a": 1}, None, None),
            ({"it's": {'"%s"': 1}}, {"it's": {"{}\\": 2}}, {"it's": {'"%s"': 1, "{}\\": 2}}),
        ],
        ids=str,
    )
    @pytest.mark.usefixtures("typed")
    async def test_is_a_merge_patch_below_the_top(
        self, client: AsyncClient, stored: Any, change: Any, left: Any
    ) -> None:
        """As a patch of one record is."""
        await client.patch("/datasets/typed/records/1", json={"more": stored})
        answer = await patch(client, {"sku": "first"}, {"more": change}, ref="typed")
        assert answer.status_code == 200, answer.text
        assert (await client.get("/datasets/typed/records/1")).json()["data"]["more"] == left

    @pytest.mark.reads
    @pytest.mark.usefixtures("typed")
    async def test_each_bad_value_is_named(self, client: AsyncClient) -> None:
        change = {"count": "x", "day": "1.2.2025", "sku": None, "colour": "red", "a/b": 1}
        answer = await patch(client, {}, change, ref="typed")
        assert pointers(answer) == [
            ("/set/count", "INVALID_VALUE"),
            ("/set/day", "INVALID_VALUE"),
            ("/set/sku", "NULL"),
            ("/set/colour", "UNKNOWN_COLUMN"),
            ("/set/a~1b", "UNKNOWN_COLUMN"),
        ]
        assert await version(client, "typed") == 2

    async def test_a_patch_of_too_many_objects(self, client: AsyncClient) -> None:
        await make(client, "open")
        await client.post("/datasets/open/records", json={"a": {}})
        deep: Any = 1
        for _ in range(40):
            deep = {"a": deep}
        for change in (deep, {"a": {str(number): {} for number in range(200)}}):
            answer = await patch(client, {}, change, ref="open")
            assert answer.status_code == 422
            assert "100 objects, nested 30 deep" in answer.json()["detail"]
        assert await version(client, "open") == 2

    async def test_a_schemaless_dataset_grows(self, client: AsyncClient) -> None:
        await make(client, "open")
        await client.post("/datasets/open/records", json=[{"a": 1}, {"a": 2}])
        answer = await patch(client, {"a": 2}, {"b": {"c": True}, "a": 2.5}, ref="open")
        assert answer.json()["changed"] == 1
        assert await schema(client, "open") == {"a": "number", "b": "json"}
        assert await schema(client, "open", version=2) == {"a": "integer"}
        assert await records(client, "open") == [{"a": "1", "b": None}, {"a": "2.5", "b": {"c": True}}]
        assert (await patch(client, {"a": 7}, {"new": 1}, ref="open")).json()["version"] == 3
        assert "new" not in await schema(client, "open")
        assert pointers(await patch(client, {}, {" ": 1}, ref="open")) == [("/set/ ", "INVALID_NAME")]

    async def test_at_most_so_many(self, sales: AsyncClient) -> None:
        for more in ({"params": {"max_affected": 1}}, {"members": {"max_affected": 1}}):
            answer = await patch(sales, {"status": "new"}, {"amount": 0}, **more)
            assert (answer.status_code, answer.json()["error_code"]) == (409, "TOO_MANY_MATCH")
            assert "2 records match" in answer.json()["detail"]
        assert await version(sales, "sales") == 1
        assert (await patch(sales, {"status": "new"}, {"amount": 0}, params={"max_affected": 2})).status_code == 200

    @pytest.mark.reads
    async def test_a_dry_run_changes_nothing(self, sales: AsyncClient) -> None:
        answer = await patch(sales, {}, {"amount": 3}, params={"dry_run": True})
        assert answer.json() == {
            "version": 2, "added": 0, "changed": 3, "removed": 0, "unchanged": 1, "dry_run": True
        }  # fmt: skip
        assert answer.headers["etag"] == (await sales.get("/datasets/sales")).headers["etag"]
        assert (await sales.get("/datasets/sales")).json()["version"] == 1
        assert await column(sales, "amount") == ["1", "2", "3", None]

    @pytest.mark.reads
    async def test_a_dry_run_waits_for_nobody(self, sales: AsyncClient, postgres_url: str) -> None:
        """Nor does anybody for it."""
        dataset = (await sales.get("/datasets/sales")).json()
        heads = sql.Identifier(f"ws_{UUID(dataset['workspace']).hex}", "datasets")
        async with await AsyncConnection.connect(postgres_url) as connection, asyncio.timeout(30):
            await connection.execute(sql.SQL("SELECT FROM {} WHERE id = %s FOR UPDATE").format(heads), (dataset["id"],))
            told = (await patch(sales, {"status": "new"}, {"amount": 2}, params={"dry_run": True})).json()
            assert (told["version"], told["changed"], told["unchanged"]) == (2, 1, 1)
            assert (await delete(sales, status="new", dry_run=True)).json()["removed"] == 2
            none = (await delete(sales, status="none", dry_run=True)).json()
            assert (none["version"], none["removed"], none["dry_run"]) == (1, 0, True)

    async def test_a_dry_run_finds_what_the_write_would(self, sales: AsyncClient) -> None:
        await sales.patch("/datasets/sales", json={"key": "name"})
        etag = (await sales.get("/datasets/sales")).headers["etag"]
        for changes, headers, more in (
            ({"name": "Ann"}, {}, {}), ({"name": "Eve"}, {}, {}), ({"amount": "x"}, {}, {}), ({"no": 1}, {}, {}),
            ({"amount": 9}, {"If-Match": '"old"'}, {}), ({"amount": 9}, {}, {"max_affected": 1}),
        ):  # fmt: skip
            answers = [
                await patch(sales, {"status": "new"}, changes, headers=headers, params={**more, **dry})
                for dry in ({"dry_run": True}, {})
            ]
            dry, real = ({**answer.json(), "request_id": ""} for answer in answers)
            assert (answers[0].status_code >= 400, dry) == (True, real), changes
        assert (await sales.get("/datasets/sales")).headers["etag"] == etag

    async def test_only_at_the_version_that_was_read(self, sales: AsyncClient) -> None:
        etag = (await sales.get("/datasets/sales")).headers["etag"]
        for status in (200, 412):
            answer = await patch(sales, {"name": "Ann"}, {"amount": 9}, headers={"If-Match": etag})
            assert answer.status_code == status
        assert answer.json()["version"] == 2

    @pytest.mark.reads
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"where": None, "set": {}}, 422, "INVALID_BODY"),
            ({"where": {}}, 422, "INVALID_BODY"),
            ({"where": {}, "set": {}, "changes": []}, 422, "INVALID_BODY"),
            ({"where": {}, "set": [1]}, 422, "INVALID_BODY"),
            ({"where": {}, "set": {}, "max_affected": -1}, 422, "INVALID_BODY"),
            ({"where": {"colour": 1}, "set": {}}, 400, "UNKNOWN_COLUMN"),
            ({"where": {"amount": "x"}, "set": {}}, 400, "INVALID_QUERY"),
            ({"where": 7, "set": {}}, 400, "INVALID_QUERY"),
        ],
        ids=str,
    )
    async def test_what_cannot_be_understood(self, sales: AsyncClient, body: Any, status: int, code: str) -> None:
        answer = await sales.patch("/datasets/sales/records", json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
        assert await version(sales, "sales") == 1


class TestDelete:
    @pytest.mark.parametrize(
        ("body", "params"),
        [(None, {"status": "new"}), ({"where": {"status": "new"}}, {}), ({"ids": [2, 1]}, {}), (None, {"q": "new"})],
        ids=str,
    )
    async def test_removes_what_matches_as_one_version(self, sales: AsyncClient, body: Any, params: Any) -> None:
        answer = await delete(sales, body, **params)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"version": 2, "added": 0, "changed": 0, "removed": 2, "unchanged": 0}
        assert answer.headers["etag"] == (await sales.get("/datasets/sales")).headers["etag"]
        assert await column(sales, "name") == ["Cid", "Dan"]
        assert await column(sales, "name", version=1) == ["Ann", "Bob", "Cid", "Dan"]
        told = (await sales.get("/datasets/sales/versions/2")).json()
        assert (told["operation"], told["removed"], told["rows"]) == ("delete", 2, 2)

    @pytest.mark.reads
    @pytest.mark.parametrize(
        ("body", "params"),
        [
            (None, {}),
            ({}, {}),
            ({"where": {}}, {}),
            ({"where": [{}]}, {}),
            (None, {"q": " "}),
            (None, {"dry_run": "1"}),
        ],
        ids=str,
    )
    async def test_without_a_filter_nothing_is_deleted(self, sales: AsyncClient, body: Any, params: Any) -> None:
        answer = await delete(sales, body, **params)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
        assert await version(sales, "sales") == 1

    @pytest.mark.reads
    @pytest.mark.parametrize(
        ("body", "params", "status"),
        [
            ({"ids": [1]}, {"status": "new"}, 400),
            ({"ids": [1], "where": {"status": "new"}}, {}, 400),
            ({"ids": [1], "where": {}}, {}, 400),
            (None, {"status": "new", "limit": "1"}, 400),
            (None, {"status": "new", "sort": "name"}, 400),
            (None, {"status": "new", "version": "1"}, 400),
            (None, {"status": "new", "max_affected": "x"}, 400),
            (None, {"status": "new", "dry_run": "perhaps"}, 400),
            ({"where": {"status": "new"}, "max_affected": 1}, {"max_affected": "1"}, 400),
            (None, {"colour": "red"}, 400),
            ({"ids": ["1"]}, {}, 422),
            ({"ids": [0]}, {}, 422),
            ({"idz": [1]}, {}, 422),
        ],
        ids=str,
    )
    async def test_what_cannot_be_understood(self, sales: AsyncClient, body: Any, params: Any, status: int) -> None:
        assert (await delete(sales, body, **params)).status_code == status
        assert await version(sales, "sales") == 1

    @pytest.mark.reads
    async def test_more_ids_than_may_be(self, sales: AsyncClient) -> None:
        answer = await delete(sales, {"ids": list(range(1, 10_002))})
        assert (answer.status_code, answer.json()["error_code"]) == (422, "LIMIT_EXCEEDED")
        assert answer.json()["detail"] == "10,001 ids in one request; at most 10,000 are taken."

    @pytest.mark.reads
    async def test_ids_that_there_are_not(self, sales: AsyncClient) -> None:
        assert pointers(await delete(sales, {"ids": [1, 9, 1, 2**63 - 1]})) == [
            ("/ids/1", "RECORD_NOT_FOUND"), ("/ids/2", "DUPLICATE_ID"), ("/ids/3", "RECORD_NOT_FOUND")
        ]  # fmt: skip
        assert await version(sales, "sales") == 1
        assert (await delete(sales, {"ids": []})).json()["version"] == 1

    @pytest.mark.reads
    @pytest.mark.parametrize("body", [{"where": {"status": "new"}}, {"ids": [1, 2]}], ids=str)
    async def test_at_most_so_many_or_not_really(self, sales: AsyncClient, body: Any) -> None:
        for more, params in (({"max_affected": 1}, {}), ({}, {"max_affected": 1})):
            answer = await delete(sales, {**body, **more}, **params)
            assert (answer.status_code, answer.json()["error_code"]) == (409, "TOO_MANY_MATCH")
        dry = await delete(sales, body, dry_run=True)
        assert dry.json() == {"version": 2, "added": 0, "changed": 0, "removed": 2, "unchanged": 0, "dry_run": True}
        assert dry.headers["etag"] == (await sales.get("/datasets/sales")).headers["etag"]
        assert await version(sales, "sales") == 1

    @pytest.mark.reads
    async def test_only_at_the_version_that_was_read(self, sales: AsyncClient) -> None:
        address, old = "/datasets/sales/records", {"If-Match": '"old"'}
        assert (await sales.delete(address, params={"name": "Ann"}, headers=old)).status_code == 412
        assert (await sales.request("DELETE", address, json={"ids": [1]}, headers=old)).status_code == 412
        assert await version(sales, "sales") == 1


class TestMany:
    """So many that others are refused meanwhile, instead of waiting."""

    async def test_more_records_than_are_named(self, client: AsyncClient) -> None:
        rows = b"n,even\n" + b"".join(b"%d,%s\n" % (n, [b"true", b"false"][n % 2]) for n in range(MANY * 2))
        assert (await raw(client, rows, name="sales")).status_code == 201
        dry = await patch(client, {"even": True}, {"n": -1}, params={"dry_run": True})
        assert (dry.json()["changed"], await version(client, "sales")) == (MANY, 1)
        for _ in range(2):
            told = (await patch(client, {"even": True}, {"n": -1}, headers={"Idempotency-Key": "once"})).json()
            assert (told["version"], told["changed"]) == (2, MANY)
        counted = exact(await client.get("/datasets/sales/records/count", params={"n": -1}))
        assert counted == {"count": str(MANY), "version": "2"}
        refused = await delete(client, max_affected=MANY - 1, n="-1")
        assert (refused.status_code, refused.json()["detail"][:6]) == (409, "20,001")
        told = (await delete(client, n="-1")).json()
        assert (told["version"], told["removed"]) == (3, MANY)
        assert (await client.get("/datasets/sales")).json()["rows"] == MANY
