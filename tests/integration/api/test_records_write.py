"""Writing records: create, patch, replace, delete; each write is one version or nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.service import exact

pytestmark = pytest.mark.anyio

Upload = Callable[..., Any]
COLUMNS = [
    {"name": "sku", "type": "text", "nullable": False},
    {"name": "count", "type": "integer"},
    {"name": "price", "type": "number"},
    {"name": "active", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "datetime"},
    {"name": "time", "type": "time"},
    {"name": "more", "type": "json"},
]


@pytest.fixture
async def typed(client: AsyncClient) -> dict[str, Any]:
    """A dataset with a column of each type and one record."""
    dataset: dict[str, Any] = (await client.post("/datasets", json={"name": "typed", "columns": COLUMNS})).json()
    assert (await client.post("/datasets/typed/records", json={"sku": "first", "count": 1})).status_code == 201
    return dataset


@pytest.fixture
async def free(client: AsyncClient) -> dict[str, Any]:
    """A dataset without a schema."""
    dataset: dict[str, Any] = (await client.post("/datasets", json={"name": "free"})).json()
    return dataset


async def send(client: AsyncClient, method: str, path: str, text: str, **headers: str) -> Response:
    headers = {"Content-Type": "application/json", **headers}
    return await client.request(method, f"/datasets/{path}", content=text.encode(), headers=headers)


async def version(client: AsyncClient, ref: str) -> int:
    number: int = (await client.get(f"/datasets/{ref}")).json()["version"]
    return number


async def schema(client: AsyncClient, ref: str, **params: Any) -> dict[str, str]:
    told = (await client.get(f"/datasets/{ref}/schema", params=params)).json()
    return {column["name"]: column["type"] for column in told["columns"]}


def pointers(answer: Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@pytest.mark.usefixtures("typed")
class TestCreate:
    async def test_an_object_answers_the_record(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json={"count": 5, "sku": "new"})
        assert answer.status_code == 201
        told = answer.json()
        assert (told["id"], told["version"]) == (2, 3)
        assert list(told["data"]) == [column["name"] for column in COLUMNS]
        assert told["data"]["count"] == 5
        assert told["data"]["price"] is None
        read = await client.get(answer.headers["location"].removeprefix("/api/v1"))
        assert read.json() == told
        assert read.headers["etag"] == answer.headers["etag"]

    async def test_an_array_is_one_version(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json=[{"sku": str(at)} for at in range(3)])
        told = answer.json()
        assert [record["id"] for record in told["data"]] == [2, 3, 4]
        assert (told["count"], told["version"]) == (3, 3)
        assert answer.headers["etag"] == (await client.get("/datasets/typed")).headers["etag"]
        newest = (await client.get("/datasets/typed/versions/3")).json()
        assert (newest["added"], newest["rows"], newest["operation"]) == (3, 4, "create")

    async def test_lines(self, client: AsyncClient) -> None:
        text = '{"sku":"a"}\n\n{"sku":"b"}\r\n{"sku":"c"}'
        answer = await send(client, "POST", "typed/records", text, **{"Content-Type": "application/x-ndjson"})
        assert (answer.status_code, answer.json()["count"]) == (201, 3)

    @pytest.mark.parametrize("text", ["[]", ""])
    async def test_nothing_makes_no_version(self, client: AsyncClient, text: str) -> None:
        media_type = "application/x-ndjson" if not text else "application/json"
        answer = await send(client, "POST", "typed/records", text, **{"Content-Type": media_type})
        assert (answer.status_code, answer.json()["version"], answer.json()["data"]) == (201, 2, [])
        assert await version(client, "typed") == 2

    async def test_every_bad_value_is_listed_and_nothing_stored(self, client: AsyncClient) -> None:
        items = [
            {"sku": "good"},
            {"sku": 7, "count": "1", "price": "1", "active": 1},
            {"sku": None, "count": 1.5, "nme": 1},
            {"day": "31.01.2025", "at": "soon", "time": "25:00", "sku": "x"},
        ]
        answer = await client.post("/datasets/typed/records", json=items)
        assert pointers(answer) == [
            ("/1/sku", "INVALID_VALUE"), ("/1/count", "INVALID_VALUE"), ("/1/price", "INVALID_VALUE"),
            ("/1/active", "INVALID_VALUE"), ("/2/count", "INVALID_VALUE"), ("/2/nme", "UNKNOWN_COLUMN"),
            ("/2/sku", "NULL"), ("/3/day", "INVALID_VALUE"), ("/3/at", "INVALID_VALUE"), ("/3/time", "INVALID_VALUE"),
        ]  # fmt: skip
        assert answer.json()["error_code"] == "INVALID_RECORD"
        assert await version(client, "typed") == 2

    async def test_one_object_has_pointers_without_an_index(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json={"count": True, "a/b~c": 1})
        assert pointers(answer) == [("/count", "INVALID_VALUE"), ("/a~1b~0c", "UNKNOWN_COLUMN"), ("/sku", "NULL")]

    async def test_items_that_are_no_objects(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json=[{"sku": "x"}, 7, None, []])
        assert [pointer for pointer, _ in pointers(answer)] == ["/1", "/2", "/3"]

    @pytest.mark.parametrize("text", ["", "{", '{"sku": }', "nul", '{"sku": "\\ud800"}', "[" * 100_000])
    async def test_what_is_no_json_is_refused(self, client: AsyncClient, text: str) -> None:
        answer = await send(client, "POST", "typed/records", text)
        assert answer.status_code in {400, 422}, answer.text
        assert await version(client, "typed") == 2

    @pytest.mark.parametrize("text", ["7", '"x"', "null"])
    async def test_what_is_no_record_is_422(self, client: AsyncClient, text: str) -> None:
        assert (await send(client, "POST", "typed/records", text)).status_code == 422

    async def test_bytes_that_are_no_utf_8(self, client: AsyncClient) -> None:
        for body in (b'{"sku": "\xff"}', b'{"more": ["\xff"], "sku": ""}', b'{"\xff": 1}', b'[{"sku": "\xc3"}]'):
            answer = await client.post("/datasets/typed/records", content=body)
            assert answer.status_code in {400, 422}, body

    async def test_too_many_at_once(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json=[{"sku": "x"}] * 10_001)
        assert answer.status_code in {413, 422}
        assert "10,000" in answer.json()["detail"]

    async def test_if_match_is_the_datasets(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/typed")).headers["etag"]
        first = await client.post("/datasets/typed/records", json={"sku": "1"}, headers={"If-Match": etag})
        stale = await client.post("/datasets/typed/records", json={"sku": "2"}, headers={"If-Match": etag})
        assert (first.status_code, stale.status_code) == (201, 412)
        assert await version(client, "typed") == 3

    @pytest.mark.parametrize(
        ("column", "given", "told"),
        [
            ("count", "9223372036854775808", "9223372036854775808"),
            ("count", "-1234567890123456789012345678901234567890", "-1234567890123456789012345678901234567890"),
            ("price", "0.10", "0.10"),
            ("price", "1.2345678901234567890123456789012345678900", "1.2345678901234567890123456789012345678900"),
            ("price", "1e5", "100000"),
            ("price", "100", "100"),
            ("sku", '"1e5"', "1e5"),
            ("sku", '""', ""),
            ("sku", '"\\u00e9\\n\\"\\\\\\ud83d\\ude00"', 'é\n"\\😀'),
            ("active", "false", False),
            ("day", '"2024-02-29"', "2024-02-29"),
            ("at", '"2025-01-31T10:20:30Z"', "2025-01-31T10:20:30Z"),
            ("at", '"2025-01-31T10:20:30+02:00"', "2025-01-31T08:20:30Z"),
            ("time", '"10:20:30"', "10:20:30"),
            ("more", '{"b": [0.10, {"a": null}], "a": ""}', {"b": ["0.10", {"a": None}], "a": ""}),
            ("more", "0.10", "0.10"),
            ("more", '"x"', "x"),
        ],
    )  # fmt: skip
    async def test_values_are_exact(self, client: AsyncClient, column: str, given: str, told: Any) -> None:
        text = f'{{"sku": "x", "{column}": {given}}}' if column != "sku" else f'{{"sku": {given}}}'
        answer = await send(client, "POST", "typed/records", text)
        assert answer.status_code == 201, answer.text
        assert exact(answer)["data"][column] == told
        assert exact(await client.get("/datasets/typed/records/2"))["data"][column] == told

    @pytest.mark.parametrize(
        ("column", "given"),
        [
            ("sku", '"\\u0000"'), ("more", '["\\u0000"]'), ("more", '{"\\u0000": 1}'), ("count", "1e2"),
            ("price", "1e400"), ("price", "1e-999"), ("price", "1e1000"), ("price", "1" * 20_000), ("more", "1e99999"),
            ("more", "[" * 20_000 + "]" * 20_000),
            ("more", '{"a": 1e999999999}'), ("at", '"2025-01-31T10:20:30.5Z"'),
            ("day", '"2025-02-29"'), ("at", '"0001-01-01T00:00:00+23:00"'), ("active", '"true"'), ("price", "NaN"),
        ],
    )  # fmt: skip
    async def test_a_value_that_cannot_be_stored_exactly_is_refused_or_kept(
        self, client: AsyncClient, column: str, given: str
    ) -> None:
        answer = await send(client, "POST", "typed/records", f'{{"sku": "x", "{column}": {given}}}')
        assert answer.status_code in {201, 400, 422}, answer.text
        assert (await client.get("/datasets/typed/records")).status_code == 200
        assert (await client.get("/datasets/typed/export")).status_code == 200


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

    async def test_a_bad_value_is_422_with_a_pointer(self, client: AsyncClient) -> None:
        answer = await client.patch("/datasets/typed/records/1", json={"count": "x", "sku": None, "no": 1})
        assert pointers(answer) == [("/count", "INVALID_VALUE"), ("/no", "UNKNOWN_COLUMN"), ("/sku", "NULL")]
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

    @pytest.mark.parametrize("text", ["", "[]", "7", "{", '[{"op": "remove", "path": "/sku"}]'])
    async def test_what_is_no_object_is_refused(self, client: AsyncClient, text: str) -> None:
        assert (await send(client, "PATCH", "typed/records/1", text)).status_code in {400, 422}


@pytest.mark.usefixtures("typed")
class TestReplace:
    async def test_what_is_not_named_becomes_null(self, client: AsyncClient) -> None:
        answer = await client.put("/datasets/typed/records/1", json={"sku": "other", "price": 1})
        assert answer.status_code == 200
        assert {name for name, value in answer.json()["data"].items() if value is not None} == {"sku", "price"}

    async def test_what_must_have_a_value(self, client: AsyncClient) -> None:
        assert pointers(await client.put("/datasets/typed/records/1", json={})) == [("/sku", "NULL")]

    async def test_the_same_again_makes_no_version(self, client: AsyncClient) -> None:
        record = (await client.get("/datasets/typed/records/1")).json()
        answer = await client.put("/datasets/typed/records/1", json=record["data"])
        assert answer.json() == record
        assert await version(client, "typed") == 2

    async def test_if_match(self, client: AsyncClient) -> None:
        answer = await client.put("/datasets/typed/records/1", json={"sku": "x"}, headers={"If-Match": '"old"'})
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


@pytest.mark.usefixtures("free")
class TestWithoutASchema:
    async def test_grows_with_what_is_written(self, client: AsyncClient) -> None:
        await client.post("/datasets/free/records", json={"b": 1, "a": "x"})
        assert await schema(client, "free") == {"b": "integer", "a": "text"}
        await client.post("/datasets/free/records", json=[{"c": None, "b": 2}, {"d": {"e": [1]}, "c": True}])
        assert list((await schema(client, "free")).items()) == [
            ("b", "integer"), ("a", "text"), ("c", "boolean"), ("d", "json"),
        ]  # fmt: skip
        records = (await client.get("/datasets/free/records")).json()["data"]
        assert records[0]["data"] == {"b": 1, "a": "x", "c": None, "d": None}
        assert records[2]["data"] == {"b": None, "a": None, "c": True, "d": {"e": [1]}}
        assert (await client.get("/datasets/free")).json()["columns"] == 4

    @pytest.mark.parametrize(
        ("first", "second", "kind"),
        [("1", "2.50", "number"), ("1", '"x"', "json"), ("true", "1", "json"), ("1.5", "2", "number"),
         ('"x"', '{"a": 1}', "json"), ("null", "1", "json"), ("1", "null", "integer"), ('"2025-01-31"', '"x"', "text")],
    )  # fmt: skip
    async def test_widens_and_keeps_values_to_the_letter(
        self, client: AsyncClient, first: str, second: str, kind: str
    ) -> None:
        for text in (first, second):
            assert (await send(client, "POST", "free/records", f'{{"a": {text}}}')).status_code == 201
        assert await schema(client, "free") == {"a": kind}
        records = exact(await client.get("/datasets/free/records"))["data"]
        told = [record["data"]["a"] for record in records]
        assert told == [json.loads(text, parse_int=str, parse_float=str) for text in (first, second)]
        assert (await schema(client, "free", version=2))["a"] != "json" or first == "null"

    async def test_a_patch_grows_it_too(self, client: AsyncClient) -> None:
        await client.post("/datasets/free/records", json={"a": 1})
        answer = await client.patch("/datasets/free/records/1", json={"b": "new", "a": "x"})
        assert answer.json()["data"] == {"a": "x", "b": "new"}
        assert await schema(client, "free") == {"a": "json", "b": "text"}
        assert await schema(client, "free", version=2) == {"a": "integer"}

    async def test_an_object_without_members_is_a_record(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/free/records", json={})
        assert (answer.status_code, answer.json()["data"]) == (201, {})
        assert (await client.get("/datasets/free/records")).json()["total"] == 1

    @pytest.mark.parametrize(
        "name",
        ["", " ", " a ", "a.b", "a/b", "limit", "x" * 1000, "ключ", "日" * 30, "__id", '"', "'", "%s", "{}", "a\nb"],
    )
    async def test_odd_names(self, client: AsyncClient, name: str) -> None:
        answer = await client.post("/datasets/free/records", json={name: 1})
        if answer.status_code == 422:
            assert name.strip() in {"", "a", "__id"} or "\n" in name
            return
        assert answer.status_code == 201, answer.text
        assert (await client.get("/datasets/free/records/1")).json()["data"] == {name: 1}
        found = await client.get("/datasets/free/records", params={f"filter[{name}]": "eq:1"})
        assert found.json()["total"] == 1
        assert (await client.get("/datasets/free/export")).status_code == 200

    async def test_names_that_share_their_first_63_bytes(self, client: AsyncClient) -> None:
        item = {"x" * 70 + str(at): at for at in range(12)}
        assert (await client.post("/datasets/free/records", json=item)).json()["data"] == item

    async def test_a_name_with_nul_is_refused(self, client: AsyncClient) -> None:
        assert (await client.post("/datasets/free/records", json={"a\0b": 1})).status_code == 422

    async def test_too_many_columns_are_refused(self, client: AsyncClient) -> None:
        item = {f"c{at}": at for at in range(20_000)}
        answer = await client.post("/datasets/free/records", json=item)
        assert answer.status_code == 422
        assert "SHEAF_MAX_COLUMNS" in answer.json()["detail"]


class TestUploaded:
    async def test_values_take_the_form_of_the_columns(self, client: AsyncClient, upload: Upload) -> None:
        await upload("flag,at\nTRUE,2025-01-31 10:20:30.000\nFALSE,2025-02-01 00:00:00.500\n", name="forms")
        answer = await client.post("/datasets/forms/records", json={"flag": True, "at": "2025-03-01T12:00:00"})
        assert answer.json()["data"] == {"flag": True, "at": "2025-03-01 12:00:00.000"}
        lines = (await client.get("/datasets/forms/export")).text.splitlines()
        assert lines[-1] == "TRUE,2025-03-01 12:00:00.000"


class TestManyWriters:
    async def test_no_version_is_lost_or_made_twice(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value\n" + "0\n" * 10, name="busy")
        answers = await asyncio.gather(
            *(client.patch(f"/datasets/busy/records/{at % 10 + 1}", json={"value": at + 1}) for at in range(50))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 52))
        listed = (await client.get("/datasets/busy/versions?limit=100")).json()
        assert [each["version"] for each in listed["data"]] == list(range(51, 0, -1))
        last = {
            answer.json()["id"]: answer.json() for answer in sorted(answers, key=lambda each: each.json()["version"])
        }
        records = (await client.get("/datasets/busy/records")).json()["data"]
        assert {record["id"]: record for record in records} == last

    async def test_ids_are_given_once(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value\n1\n", name="busy")
        answers = await asyncio.gather(
            *(client.post("/datasets/busy/records", json=[{"value": at}, {"value": -at}]) for at in range(20))
        )
        ids = [record["id"] for answer in answers for record in answer.json()["data"]]
        assert sorted(ids) == list(range(2, 42))

    async def test_one_of_many_who_read_the_same_wins(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value\n0\n", name="busy")
        etag = (await client.get("/datasets/busy/records/1")).headers["etag"]
        answers = await asyncio.gather(
            *(
                client.patch("/datasets/busy/records/1", json={"value": at}, headers={"If-Match": etag})
                for at in range(1, 11)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9

    async def test_a_schema_grows_for_each_of_many(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "free"})
        await asyncio.gather(*(client.post("/datasets/free/records", json={f"c{at}": at}) for at in range(20)))
        assert await schema(client, "free") == dict.fromkeys((await schema(client, "free")), "integer")
        assert len(await schema(client, "free")) == 20

    async def test_a_first_dataset_is_made_by_many(self, client: AsyncClient) -> None:
        """The workspace's schema is made once, whoever comes first."""
        csv = {"Content-Type": "text/csv"}
        answers = await asyncio.gather(
            *(client.post(f"/datasets?name=d{at}", content="a\n1\n", headers=csv) for at in range(8)),
            *(client.post("/datasets", json={"name": f"e{at}"}) for at in range(8)),
        )  # fmt: skip
        assert {answer.status_code for answer in answers} == {201}
        assert (await client.get("/datasets")).json()["total"] == 16

    async def test_one_name_is_given_once(self, client: AsyncClient) -> None:
        answers = await asyncio.gather(*(client.post("/datasets", json={"name": "same"}) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        uploads = await asyncio.gather(
            *(client.post("/datasets", files={"file": ("f.csv", "a\n1\n")}) for _ in range(6))
        )
        assert sorted(answer.json()["dataset"]["slug"] for answer in uploads) == [
            "f",
            *(f"f-{at}" for at in range(2, 7)),
        ]
