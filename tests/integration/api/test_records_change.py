"""Changing records: patch, replace, delete."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient
from support.calls import pointers, send, version
from support.service import exact

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("typed")
class TestPatch:
    async def test_changes_the_named_fields_alone(self, client: AsyncClient) -> None:
        before = (await client.get("/datasets/typed/records/1")).json()
        answer = await client.patch("/datasets/typed/records/1", json={"price": 2.5, "count": None})
        told = answer.json()
        assert answer.status_code == 200
        assert (told["id"], told["version"]) == (1, 3)
        assert told["data"] == {**before["data"], "price": 2.5, "count": None}
        read = await client.get("/datasets/typed/records/1")
        assert (read.json(), read.headers["etag"]) == (told, answer.headers["etag"])
        newest = (await client.get("/datasets/typed/versions/3")).json()
        assert (newest["changed"], newest["added"], newest["removed"], newest["rows"]) == (1, 0, 0, 1)

    @pytest.mark.parametrize(
        ("stored", "patch", "left"),
        [
            ({"a": 1, "b": 2}, {"b": None, "c": 3}, {"a": 1, "c": 3}),
            ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": {"e": None}}}, {"a": {"c": 2, "d": {}}}),
            ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
            ([1, 2], {"a": None, "b": 1}, {"b": 1}),
            ({"a": 1}, [None, {"a": None}], [None, {"a": None}]),
            ({"a": 1}, "x", "x"),
            (None, {"a": {"b": None}, "c": 1}, {"a": {}, "c": 1}),
            ({"a": 1}, {}, {"a": 1}),
            ({"a": 1}, None, None),
        ],
        ids=str,
    )
    async def test_is_a_merge_patch_below_the_top(
        self, client: AsyncClient, stored: Any, patch: Any, left: Any
    ) -> None:
        """RFC 7396, with its own examples."""
        await client.patch("/datasets/typed/records/1", json={"more": stored})
        answer = await client.patch("/datasets/typed/records/1", json={"more": patch})
        assert answer.json()["data"]["more"] == left

    async def test_merging_keeps_numbers_exact(self, client: AsyncClient) -> None:
        await send(client, "PATCH", "typed/records/1", '{"more": {"a": 0.10, "b": 12345678901234567890.50}}')
        answer = await send(client, "PATCH", "typed/records/1", '{"more": {"c": 1.00}}')
        assert exact(answer)["data"]["more"] == {"a": "0.10", "b": "12345678901234567890.50", "c": "1.00"}

    @pytest.mark.reads
    @pytest.mark.parametrize("text", ["{}", '{"count": 1}', '{"sku": "first", "price": null}'])
    async def test_what_changes_nothing_makes_no_version(self, client: AsyncClient, text: str) -> None:
        before = await client.get("/datasets/typed/records/1")
        answer = await send(client, "PATCH", "typed/records/1", text)
        assert (answer.status_code, answer.json()) == (200, before.json())
        assert answer.headers["etag"] == before.headers["etag"]
        assert await version(client, "typed") == 2

    async def test_a_trailing_zero_is_a_change(self, client: AsyncClient) -> None:
        for at, price in enumerate(("1.5", "1.50", "1.50", "1.5")):
            await send(client, "PATCH", "typed/records/1", f'{{"price": {price}}}')
            assert exact(await client.get("/datasets/typed/records/1"))["data"]["price"] == price
            assert await version(client, "typed") == (3, 4, 4, 5)[at]

    @pytest.mark.reads
    async def test_a_bad_value_is_422_with_a_pointer(self, client: AsyncClient) -> None:
        answer = await client.patch("/datasets/typed/records/1", json={"count": "x", "sku": None, "no": 1})
        assert pointers(answer) == [("/count", "INVALID_VALUE"), ("/sku", "NULL"), ("/no", "UNKNOWN_COLUMN")]
        answer = await client.patch("/datasets/typed/records/1", json={"sku": None})
        assert pointers(answer) == [("/sku", "NULL")]
        assert await version(client, "typed") == 2

    async def test_if_match(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/typed/records/1")).headers["etag"]
        await client.post("/datasets/typed/records", json={"sku": "another"})
        first = await client.patch("/datasets/typed/records/1", json={"count": 2}, headers={"If-Match": etag})
        assert first.status_code == 200, "another record's write does not matter"
        stale = await client.patch("/datasets/typed/records/1", json={"count": 3}, headers={"If-Match": etag})
        assert stale.status_code == 412
        assert stale.headers["etag"] == first.headers["etag"]
        assert stale.json()["error_code"] == "PRECONDITION_FAILED"
        assert (await client.get("/datasets/typed/records/1")).json()["data"]["count"] == 2

    @pytest.mark.reads
    @pytest.mark.parametrize("text", ["", "[]", "7", "{", '[{"op": "remove", "path": "/sku"}]'])
    async def test_what_is_no_object_is_refused(self, client: AsyncClient, text: str) -> None:
        assert (await send(client, "PATCH", "typed/records/1", text)).status_code in {400, 422}


@pytest.mark.usefixtures("typed")
class TestReplace:
    async def test_what_is_not_named_becomes_null(self, client: AsyncClient) -> None:
        answer = await client.put("/datasets/typed/records/1", json={"sku": "other", "price": 1})
        assert answer.status_code == 200
        assert {name for name, value in answer.json()["data"].items() if value is not None} == {"sku", "price"}

    @pytest.mark.reads
    async def test_what_must_have_a_value(self, client: AsyncClient) -> None:
        assert pointers(await client.put("/datasets/typed/records/1", json={})) == [("/sku", "NULL")]

    @pytest.mark.reads
    async def test_the_same_again_makes_no_version(self, client: AsyncClient) -> None:
        record = (await client.get("/datasets/typed/records/1")).json()
        answer = await client.put("/datasets/typed/records/1", json=record["data"])
        assert answer.json() == record
        assert await version(client, "typed") == 2

    @pytest.mark.reads
    async def test_if_match(self, client: AsyncClient) -> None:
        answer = await client.put("/datasets/typed/records/1", json={"sku": "x"}, headers={"If-Match": '"old"'})
        assert answer.status_code == 412

    @pytest.mark.parametrize("shape", ["{}", '"other", {}', "*"])
    async def test_each_answer_tells_what_the_next_one_must_match(self, client: AsyncClient, shape: str) -> None:
        etag = (await client.get("/datasets/typed/records/1")).headers["etag"]
        for sku in ("x", "y", "y"):
            headers = {"If-Match": shape.format(etag)}
            answer = await client.put("/datasets/typed/records/1", json={"sku": sku}, headers=headers)
            assert answer.status_code == 200
            etag = answer.headers["etag"]
        assert await version(client, "typed") == 4

    async def test_the_entity_tag_of_another_record_does_not_match(self, client: AsyncClient) -> None:
        await client.post("/datasets/typed/records", json=[{"sku": "second"}, {"sku": "third"}])
        etag = (await client.get("/datasets/typed/records/3")).headers["etag"]
        answer = await client.put("/datasets/typed/records/2", json={"sku": "x"}, headers={"If-Match": etag})
        assert answer.status_code == 412


@pytest.mark.usefixtures("typed")
class TestDelete:
    async def test_is_gone_and_its_id_is_not_used_again(self, client: AsyncClient) -> None:
        answer = await client.delete("/datasets/typed/records/1")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await client.get("/datasets/typed/records/1")).status_code == 404
        assert (await client.get("/datasets/typed/records/1?version=2")).status_code == 200
        assert (await client.delete("/datasets/typed/records/1")).status_code == 404
        newest = (await client.get("/datasets/typed/versions/3")).json()
        assert (newest["removed"], newest["rows"], newest["operation"]) == (1, 0, "delete")
        assert (await client.post("/datasets/typed/records", json={"sku": "x"})).json()["id"] == 2

    async def test_if_match(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/typed/records/1")).headers["etag"]
        assert (await client.delete("/datasets/typed/records/1", headers={"If-Match": '"old"'})).status_code == 412
        assert (await client.delete("/datasets/typed/records/1", headers={"If-Match": etag})).status_code == 204
