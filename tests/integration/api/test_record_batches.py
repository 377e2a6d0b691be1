"""Many operations on records as one version: all of them, or what is good of them."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import make, pointers, records, schema, send, version
from support.service import Once, User, exact

pytestmark = pytest.mark.anyio
MINIMAL = {"Prefer": "return=minimal"}


@pytest.fixture
async def stock(client: AsyncClient, once: Once) -> AsyncClient:
    """Calls as the owner of `stock`, version 2: records 1 to 4."""
    columns = [
        {"name": "sku", "nullable": False}, {"name": "pieces", "type": "integer"}, {"name": "price", "type": "number"},
        {"name": "more", "type": "json"},
    ]  # fmt: skip

    async def filled() -> None:
        await make(client, "stock", columns=columns)
        answer = await client.post("/datasets/stock/records", json=[{"sku": sku, "pieces": 1} for sku in "abcd"])
        assert answer.status_code == 201

    await once("stock", filled)
    return client


async def batch(
    client: AsyncClient, ref: str = "stock", params: dict[str, Any] | None = None, **parts: Any
) -> Response:
    return await client.patch(f"/datasets/{ref}/records", json=parts, params=params or {})


def wrong(answer: Response) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@pytest.mark.reads
class TestRefused:
    async def test_a_stranger_finds_nothing_and_a_reader_may_not(
        self, stock: AsyncClient, stranger: AsyncClient, reader: AsyncClient
    ) -> None:
        ref = (await stock.get("/datasets/stock")).json()["id"]
        assert (await batch(stranger, ref, deletes=[1])).status_code == 404
        assert (await batch(reader, ref, deletes=[1])).status_code == 403
        assert (await batch(stranger, ref, creates=[{"no": 1}])).status_code == 404
        assert await version(stock, "stock") == 2

    @pytest.mark.parametrize(
        ("text", "pointer"),
        [
            ('{"changes": [{"id": 1}]}', "/changes/0"), ('{"changes": [{"id": "1", "set": {}}]}', "/changes/0/id"),
            ('{"changes": [{"id": 1, "set": []}]}', "/changes/0/set"), ('{"deletes": [1, null]}', "/deletes/1"),
            ('{"deletes": [0]}', "/deletes/0"), ('{"deletes": [9223372036854775808]}', "/deletes/0"),
            ('{"changes": [{"id": 1, "set": {}, "if_version": 0}]}', "/changes/0/if_version"),
            ('{"creates": [{}, 7]}', "/creates/1"), ('{"creates": {}}', "/creates"), ('{"updates": []}', None),
            ("[]", None), ("7", None),
        ],
    )  # fmt: skip
    async def test_what_is_no_batch(self, stock: AsyncClient, text: str, pointer: str | None) -> None:
        answer = await send(stock, "PATCH", "stock/records", text)
        assert answer.status_code == 422, answer.text
        assert [error.get("pointer") for error in answer.json()["errors"]] == [pointer]

    @pytest.mark.parametrize("text", ["", "{", '{"creates": [{"sku": "\\ud800}]}'])
    async def test_what_is_no_json(self, stock: AsyncClient, text: str) -> None:
        assert (await send(stock, "PATCH", "stock/records", text)).status_code == 400

    async def test_more_operations_than_a_request_may_have(self, stock: AsyncClient) -> None:
        answer = await batch(stock, creates=[{"sku": "x"}] * 10_000, deletes=[1])
        assert answer.status_code == 422
        assert "10,000" in answer.json()["detail"]


class TestAllOrNothing:
    async def test_changes_deletes_and_creates_are_one_version(self, stock: AsyncClient) -> None:
        changes = [{"id": 3, "set": {"pieces": 7}}, {"id": 1, "set": {"price": 2.5, "pieces": None}}]
        answer = await batch(stock, changes=changes, deletes=[4, {"id": 2}], creates=[{"sku": "e"}, {"sku": "f"}])
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert [record["id"] for record in told.pop("data")] == [3, 1, 5, 6], "in the order of the operations"
        assert told == {"version": 3, "added": 2, "changed": 2, "removed": 2, "unchanged": 0}
        assert answer.headers["etag"] == (await stock.get("/datasets/stock")).headers["etag"]
        assert [(row["sku"], row["pieces"]) for row in await records(stock, "stock")] == [
            ("a", None), ("c", "7"), ("e", None), ("f", None),
        ]  # fmt: skip
        newest = (await stock.get("/datasets/stock/versions/3")).json()
        assert (newest["added"], newest["changed"], newest["removed"], newest["rows"]) == (2, 2, 2, 4)
        assert newest["operation"] == "batch"
        assert len(await records(stock, "stock", version=2)) == 4

    async def test_the_answer_has_what_is_read_afterwards(self, stock: AsyncClient) -> None:
        answer = await batch(stock, changes=[{"id": 2, "set": {"price": 1}}], creates=[{"sku": "e", "price": 3}])
        for record in answer.json()["data"]:
            read = await stock.get(f"/datasets/stock/records/{record['id']}")
            assert read.json() == record

    async def test_without_the_records(self, stock: AsyncClient) -> None:
        answer = await stock.patch("/datasets/stock/records", json={"creates": [{"sku": "e"}]}, headers=MINIMAL)
        assert answer.json() == {"version": 3, "added": 1, "changed": 0, "removed": 0, "unchanged": 0}
        assert answer.headers["preference-applied"] == "return=minimal"

    async def test_every_error_has_its_pointer_and_nothing_is_stored(self, stock: AsyncClient) -> None:
        changes = [
            {"id": 1, "set": {"pieces": 2}},
            {"id": 2, "set": {"pieces": "x", "sku": None, "a/b~c": 1}},
            {"id": 99, "set": {"pieces": 1}},
            {"id": 1, "set": {"pieces": 3}},
        ]
        creates = [{"sku": "e"}, {"pieces": 1.5}, {"sku": "f", "price": "1"}]
        answer = await batch(stock, changes=changes, deletes=[98, 3, 3, {"id": 2}], creates=creates)
        assert pointers(answer) == [
            ("/changes/1/set/pieces", "INVALID_VALUE"), ("/changes/1/set/sku", "NULL"),
            ("/changes/1/set/a~1b~0c", "UNKNOWN_COLUMN"), ("/changes/2", "RECORD_NOT_FOUND"),
            ("/changes/3", "DUPLICATE_ID"), ("/deletes/0", "RECORD_NOT_FOUND"), ("/deletes/2", "DUPLICATE_ID"),
            ("/deletes/3", "DUPLICATE_ID"), ("/creates/1/pieces", "INVALID_VALUE"), ("/creates/1/sku", "NULL"),
            ("/creates/2/price", "INVALID_VALUE"),
        ]  # fmt: skip
        assert answer.json()["error_code"] == "INVALID_RECORD"
        assert await version(stock, "stock") == 2
        assert (await stock.post("/datasets/stock/records", json={"sku": "e"})).json()["id"] == 5

    async def test_a_deleted_record_is_not_there(self, stock: AsyncClient) -> None:
        await stock.delete("/datasets/stock/records/2")
        assert pointers(await batch(stock, changes=[{"id": 2, "set": {}}])) == [("/changes/0", "RECORD_NOT_FOUND")]

    @pytest.mark.reads
    @pytest.mark.parametrize(
        "parts",
        [{}, {"changes": [{"id": 1, "set": {}}]}, {"changes": [{"id": 1, "set": {"sku": "a", "pieces": 1}}]},
         {"changes": [{"id": 1, "set": {"price": None, "more": None}}], "deletes": [], "creates": []}],
    )  # fmt: skip
    async def test_what_changes_nothing_makes_no_version(self, stock: AsyncClient, parts: dict[str, Any]) -> None:
        before = (await stock.get("/datasets/stock")).headers["etag"]
        answer = await batch(stock, **parts)
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
        assert answer.json()["unchanged"] == len(parts.get("changes", []))
        assert answer.json()["data"] == []
        assert answer.headers["etag"] == before

    async def test_numbers_keep_their_digits(self, stock: AsyncClient) -> None:
        creates = '[{"sku": "e", "price": 12345678901234567890.50}]'
        text = f'{{"changes": [{{"id": 1, "set": {{"price": 0.10}}}}], "creates": {creates}}}'
        first = exact(await send(stock, "PATCH", "stock/records", text))
        assert [record["data"]["price"] for record in first["data"]] == ["0.10", "12345678901234567890.50"]
        again = exact(await send(stock, "PATCH", "stock/records", '{"changes": [{"id": 1, "set": {"price": 0.1}}]}'))
        assert (again["changed"], again["data"][0]["data"]["price"]) == ("1", "0.1")
        same = await send(stock, "PATCH", "stock/records", '{"changes": [{"id": 1, "set": {"price": 1e-1}}]}')
        assert (same.json()["changed"], same.json()["unchanged"]) == (0, 1)

    async def test_objects_are_merged_into_objects(self, stock: AsyncClient) -> None:
        creates = [{"sku": "n", "more": {"a": {"b": 1.10, "c": 2}, "d": [1]}}, {"sku": "o", "more": [1]}]
        await batch(stock, creates=creates)
        more = {"a": {"c": None, "e": {"f": None}}, "d": [2]}
        text = {"changes": [{"id": each, "set": {"more": more}} for each in (1, 5, 6)]}
        answer = exact(await stock.patch("/datasets/stock/records", json=text))
        assert [record["data"]["more"] for record in answer["data"]] == [
            {"a": {"e": {}}, "d": ["2"]}, {"a": {"b": "1.1", "e": {}}, "d": ["2"]}, {"a": {"e": {}}, "d": ["2"]},
        ]  # fmt: skip

    async def test_ten_thousand_operations(self, stock: AsyncClient) -> None:
        made = await batch(stock, creates=[{"sku": str(at), "pieces": at} for at in range(10_000)])
        assert (made.json()["added"], len(made.json()["data"])) == (10_000, 10_000)
        ids = [record["id"] for record in made.json()["data"]]
        assert ids == list(range(5, 10_005))
        changes = [{"id": each, "set": {"pieces": -each}} for each in ids[:5_000]]
        answer = await stock.patch(
            "/datasets/stock/records", json={"changes": changes, "deletes": ids[5_000:]}, headers=MINIMAL
        )
        told = answer.json()
        assert (told["version"], told["changed"], told["removed"]) == (4, 5_000, 5_000)
        rows = await records(stock, "stock", sort="pieces", limit=2)
        assert [row["pieces"] for row in rows] == ["-5004", "-5003"]
        assert (await stock.get("/datasets/stock/records/count")).json()["count"] == 5_004

    async def test_if_match_is_the_datasets(self, stock: AsyncClient) -> None:
        etag = (await stock.get("/datasets/stock")).headers["etag"]
        path, body = "/datasets/stock/records", {"deletes": [1]}
        first = await stock.patch(path, json=body, headers={"If-Match": etag})
        stale = await stock.patch(path, json={"deletes": [2]}, headers={"If-Match": etag})
        assert (first.status_code, stale.status_code, stale.json()["version"]) == (200, 412, 3)
        assert stale.headers["etag"] == first.headers["etag"]


class TestPartial:
    async def test_the_good_ones_go_in_and_each_bad_one_is_answered(self, stock: AsyncClient) -> None:
        changes = [{"id": 1, "set": {"pieces": 2}}, {"id": 2, "set": {"pieces": "x"}}, {"id": 99, "set": {}}]
        creates = [{"sku": "e"}, {"pieces": 1}, {"sku": "f"}]
        answer = await batch(stock, params={"partial": "true"}, changes=changes, deletes=[1, 3, 97], creates=creates)
        told = answer.json()
        assert answer.status_code == 200, answer.text
        assert (told["version"], told["added"], told["changed"], told["removed"]) == (3, 2, 1, 1)
        assert [record["id"] for record in told["data"]] == [1, 5, 6]
        assert wrong(answer) == [
            ("/changes/1/set/pieces", "INVALID_VALUE"), ("/changes/2", "RECORD_NOT_FOUND"),
            ("/deletes/0", "DUPLICATE_ID"), ("/deletes/2", "RECORD_NOT_FOUND"), ("/creates/1/sku", "NULL"),
        ]  # fmt: skip
        assert [row["sku"] for row in await records(stock, "stock")] == ["a", "b", "d", "e", "f"]

    @pytest.mark.reads
    async def test_nothing_good_makes_no_version(self, stock: AsyncClient) -> None:
        answer = await batch(stock, params={"partial": "true"}, deletes=[99], creates=[{"no": 1}])
        assert (answer.status_code, answer.json()["version"], len(answer.json()["errors"])) == (200, 2, 3)

    async def test_a_stale_one_is_left_out(self, stock: AsyncClient) -> None:
        await batch(stock, changes=[{"id": 1, "set": {"pieces": 5}}])
        changes = [{"id": each, "set": {"pieces": 6}, "if_version": 2} for each in (1, 2)]
        answer = await batch(stock, params={"partial": "true"}, changes=changes)
        assert (answer.json()["changed"], wrong(answer)) == (1, [("/changes/0", "STALE")])


class TestDryRun:
    async def test_tells_all_and_leaves_nothing(self, stock: AsyncClient) -> None:
        before = (await stock.get("/datasets/stock")).json()
        etag = (await stock.get("/datasets/stock")).headers["etag"]
        parts = {"changes": [{"id": 1, "set": {"pieces": 9}}], "deletes": [2], "creates": [{"sku": "e"}]}
        answer = await batch(stock, params={"dry_run": "true"}, **parts)
        told = answer.json()
        assert (told["dry_run"], told["version"], told["added"], told["changed"], told["removed"]) == (True, 3, 1, 1, 1)
        assert [(record["id"], record["version"]) for record in told["data"]] == [(1, 3), (5, 3)]
        assert answer.headers["etag"] == etag
        assert (await stock.get("/datasets/stock")).json() == before
        real = (await batch(stock, **parts)).json()
        assert real == {name: value for name, value in told.items() if name != "dry_run"}, "no id was used up"

    @pytest.mark.reads
    async def test_refuses_what_it_would_refuse(self, stock: AsyncClient) -> None:
        answer = await batch(stock, params={"dry_run": "true"}, creates=[{"no": 1}])
        assert pointers(answer) == [("/creates/0/no", "UNKNOWN_COLUMN"), ("/creates/0/sku", "NULL")]

    @pytest.mark.reads
    @pytest.mark.parametrize(
        ("method", "body", "counts"),
        [("PATCH", {"pieces": 9}, (1, 0, 0)), ("PATCH", {"pieces": 1}, (0, 0, 1)), ("PUT", {"sku": "z"}, (1, 0, 0)),
         ("DELETE", None, (0, 1, 0))],
    )  # fmt: skip
    async def test_of_one_record(
        self, stock: AsyncClient, method: str, body: Any, counts: tuple[int, int, int]
    ) -> None:
        before = (await stock.get("/datasets/stock/records/1")).json()
        path = "/datasets/stock/records/1"
        answer = await stock.request(method, path, json=body, params={"dry_run": "true"})
        told = answer.json()
        assert (answer.status_code, told["dry_run"]) == (200, True)
        assert (told["changed"], told["removed"], told["unchanged"]) == counts
        assert told["version"] == 2 + (counts[2] == 0)
        assert (await stock.get(path)).json() == before
        assert await version(stock, "stock") == 2

    async def test_in_a_schemaless_dataset_no_column_stays(self, client: AsyncClient) -> None:
        await make(client, "open")
        told = (await batch(client, "open", params={"dry_run": "true"}, creates=[{"a": 1}])).json()
        assert told["data"][0]["data"] == {"a": 1}
        assert await schema(client, "open") == {}
        assert (await batch(client, "open", creates=[{"a": "x"}])).json()["version"] == 2
        assert await schema(client, "open") == {"a": "text"}


class TestNeverOverwriteUnseen:
    async def test_if_version(self, stock: AsyncClient) -> None:
        await batch(stock, changes=[{"id": 1, "set": {"pieces": 5}}])
        fresh = [{"id": 1, "set": {"pieces": 6}, "if_version": 3}, {"id": 2, "set": {"pieces": 6}, "if_version": 3}]
        assert (await batch(stock, changes=fresh)).json()["version"] == 4, "a version read later is as good"
        answer = await batch(stock, changes=[{"id": 2, "set": {}, "if_version": 9}])
        assert answer.status_code == 412, "there is no such version yet"

    async def test_412_tells_what_stands_in_the_fields_in_conflict(self, stock: AsyncClient) -> None:
        await batch(stock, changes=[{"id": 1, "set": {"pieces": 5, "price": 1.50}}, {"id": 2, "set": {"pieces": 7}}])
        text = """{"changes": [{"id": 1, "set": {"pieces": 5, "price": 1.5, "sku": "z"}, "if_version": 2}],
                   "deletes": [{"id": 2, "if_version": 2}, 3]}"""
        answer = await send(stock, "PATCH", "stock/records", text)
        assert answer.status_code == 412, answer.text
        told = answer.json()
        assert told["error_code"] == "PRECONDITION_FAILED"
        assert [(each["pointer"], each["code"], each["record"]) for each in told["errors"]] == [
            ("/changes/0", "STALE", 1), ("/deletes/0", "STALE", 2),
        ]  # fmt: skip
        assert exact(answer)["current"] == [
            {"id": "1", "version": "3", "data": {"sku": "a"}},
            {"id": "2", "version": "3", "data": {"sku": "b", "pieces": "7", "price": None, "more": None}},
        ]
        assert await version(stock, "stock") == 3

    async def test_with_other_errors_it_is_422(self, stock: AsyncClient) -> None:
        await batch(stock, changes=[{"id": 1, "set": {"pieces": 5}}])
        changes = [{"id": 1, "set": {"pieces": 6}, "if_version": 2}, {"id": 2, "set": {"pieces": "x"}}]
        answer = await batch(stock, changes=changes)
        assert pointers(answer) == [("/changes/0", "STALE"), ("/changes/1/set/pieces", "INVALID_VALUE")]

    @pytest.mark.parametrize(
        ("method", "body", "differing"),
        [
            ("PATCH", '{"pieces": 1, "price": 0.1}', {"pieces": "5", "price": "0.10"}),
            ("PATCH", '{"pieces": 5, "more": {"a": 1}}', {}),
            ("PATCH", '{"more": {"a": 2}, "pieces": "x", "no": 1}', {"pieces": "5", "more": {"a": "1", "b": None}}),
            ("PUT", '{"sku": "a", "pieces": 5, "more": {"a": 1}}', {"price": "0.10", "more": {"a": "1", "b": None}}),
            ("DELETE", "", {"sku": "a", "pieces": "5", "price": "0.10", "more": {"a": "1", "b": None}}),
        ],
    )  # fmt: skip
    async def test_of_one_record(self, stock: AsyncClient, method: str, body: str, differing: dict[str, Any]) -> None:
        path = "stock/records/1"
        stale = (await stock.get(f"/datasets/{path}")).headers["etag"]
        now = await send(stock, "PUT", path, '{"sku": "a", "pieces": 5, "price": 0.10, "more": {"a": 1, "b": null}}')
        answer = await send(stock, method, path, body, **{"If-Match": stale})
        assert answer.status_code == 412, answer.text
        assert answer.headers["etag"] == now.headers["etag"]
        assert exact(answer)["current"] == [{"id": "1", "version": "3", "data": differing}]

    @pytest.mark.reads
    async def test_a_datasets_has_no_records(self, stock: AsyncClient) -> None:
        answer = await stock.post("/datasets/stock/records", json={"sku": "x"}, headers={"If-Match": '"old"'})
        assert (answer.status_code, "current" in answer.json()) == (412, False)


class TestSchemaless:
    async def test_all_operations_together_grow_the_schema(self, client: AsyncClient) -> None:
        await make(client, "open")
        await client.post("/datasets/open/records", json=[{"a": 1}, {"a": 2}])
        changes = [{"id": 1, "set": {"b": True}}, {"id": 2, "set": {"a": 2.5, "c": None}}]
        answer = await batch(client, "open", changes=changes, creates=[{"b": "x", "d": {"e": 1}}])
        assert answer.status_code == 200, answer.text
        assert await schema(client, "open") == {"a": "number", "b": "json", "c": "text", "d": "json"}
        assert await schema(client, "open", version=2) == {"a": "integer"}
        assert [record["data"] for record in answer.json()["data"]] == [
            {"a": 1, "b": True, "c": None, "d": None}, {"a": 2.5, "b": None, "c": None, "d": None},
            {"a": None, "b": "x", "c": None, "d": {"e": 1}},
        ]  # fmt: skip

    async def test_names_that_no_column_can_have(self, client: AsyncClient) -> None:
        await make(client, "open")
        parts = {"creates": [{"ok": 1}, {"__id": 1, " ": 2}]}
        expected = [("/creates/1/__id", "INVALID_NAME"), ("/creates/1/ ", "INVALID_NAME")]
        assert pointers(await batch(client, "open", **parts)) == expected
        answer = await batch(client, "open", params={"partial": "true"}, **parts)
        assert (answer.json()["added"], wrong(answer)) == (1, expected)

    async def test_a_bad_operation_grows_nothing(self, client: AsyncClient) -> None:
        await make(client, "open")
        answer = await batch(
            client, "open", params={"partial": "true"}, changes=[{"id": 9, "set": {"b": 1}}], creates=[{"a": 1}]
        )
        assert wrong(answer) == [("/changes/0", "RECORD_NOT_FOUND")]
        assert await schema(client, "open") == {"a": "integer"}

    @pytest.mark.parametrize("method", ["PATCH", "batch"])
    async def test_a_new_column_without_a_value_is_a_version(self, client: AsyncClient, method: str) -> None:
        await make(client, "open")
        await client.post("/datasets/open/records", json={"a": 1})
        if method == "batch":
            assert (await batch(client, "open", changes=[{"id": 1, "set": {"b": None}}])).json()["version"] == 3
        else:
            assert (await client.patch("/datasets/open/records/1", json={"b": None})).status_code == 200
        assert await schema(client, "open") == {"a": "integer", "b": "text"}
        assert await schema(client, "open", version=2) == {"a": "integer"}
        assert await version(client, "open") == 3


class TestAtOnce:
    """Small writes that take the short way must not take it where it is wrong."""

    async def test_after_a_write_by_another_way(self, stock: AsyncClient) -> None:
        path = "/datasets/stock/records/1"
        for at in range(3):
            assert (await stock.patch(path, json={"pieces": 10 + at})).json()["version"] == 3 + 2 * at
            assert (await batch(stock, changes=[{"id": 2, "set": {"pieces": 10 + at}}])).json()["version"] == 4 + 2 * at
        assert (await stock.post("/datasets/stock/records", json={"sku": "e"})).json()["id"] == 5
        assert (await stock.delete("/datasets/stock/records/5")).status_code == 204
        assert (await stock.post("/datasets/stock/records", json={"sku": "f"})).json()["id"] == 6
        assert (await stock.get("/datasets/stock")).json()["rows"] == 5
        assert (await stock.get("/datasets/stock/records")).json()["total"] == 5

    async def test_after_the_columns_have_changed(self, stock: AsyncClient) -> None:
        path = "/datasets/stock/records/1"
        await stock.patch(path, json={"pieces": 2})
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "pieces", "rename_to": "count"}]})
        assert (await stock.patch(path, json={"pieces": 3})).status_code == 422
        assert (await stock.patch(path, json={"count": 3})).json()["data"]["count"] == 3

    async def test_of_a_dataset_that_is_called_otherwise_now(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/1", json={"pieces": 2})
        await stock.patch("/datasets/stock", json={"name": "Shelf"})
        await make(stock, "stock", columns=[{"name": "pieces", "type": "integer"}])
        assert (await stock.patch("/datasets/stock/records/1", json={"pieces": 3})).status_code == 404
        assert (await stock.post("/datasets/stock/records", json={"pieces": 3})).json()["id"] == 1
        assert (await stock.patch("/datasets/shelf/records/1", json={"pieces": 4})).json()["version"] == 4

    async def test_of_a_deleted_dataset(self, stock: AsyncClient, user: User) -> None:
        assert (await stock.patch("/datasets/stock/records/1", json={"pieces": 2})).status_code == 200
        await stock.delete("/datasets/stock")
        for method in ("PATCH", "DELETE"):
            answer = await stock.request(method, "/datasets/stock/records/1", json={"pieces": 3})
            assert (answer.status_code, answer.json()["error_code"]) == (404, "DATASET_NOT_FOUND")

    async def test_where_only_some_versions_are_kept(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock", json={"keep_versions": 2})
        for pieces in (5, 6, 7):
            await stock.patch("/datasets/stock/records/1", json={"pieces": pieces})
        assert [each["version"] for each in (await stock.get("/datasets/stock/versions")).json()["data"]] == [5, 4]
