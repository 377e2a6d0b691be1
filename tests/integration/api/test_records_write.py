"""Writing records: create, patch, replace, delete; each write is one version or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient
from support.calls import pointers, send, version
from support.datasets import COLUMNS
from support.service import Upload, exact

pytestmark = pytest.mark.anyio
NDJSON = "application/x-ndjson"


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
        answer = await send(client, "POST", "typed/records", text, **{"Content-Type": NDJSON})
        assert (answer.status_code, answer.json()["count"]) == (201, 3)

    @pytest.mark.parametrize(
        ("text", "media_type"),
        [('[{"sku":"a"},{"sku":"b"}]', "application/json"), ('{"sku":"a"}\n{"sku":"b"}', NDJSON)],
    )
    async def test_without_the_records(self, client: AsyncClient, text: str, media_type: str) -> None:
        headers = {"Content-Type": media_type, "Prefer": "return=minimal"}
        for params, status in (("?dry_run=true", 200), ("", 201)):
            answer = await send(client, "POST", f"typed/records{params}", text, **headers)
            told = answer.json()
            told.pop("dry_run", None)
            assert (answer.status_code, told) == (status, {"count": 2, "added": 2, "version": 3})
            assert answer.headers["preference-applied"] == "return=minimal"

    @pytest.mark.reads
    @pytest.mark.parametrize("text", ["[]", ""])
    async def test_nothing_makes_no_version(self, client: AsyncClient, text: str) -> None:
        media_type = NDJSON if not text else "application/json"
        answer = await send(client, "POST", "typed/records", text, **{"Content-Type": media_type})
        assert (answer.status_code, answer.json()["version"], answer.json()["data"]) == (201, 2, [])
        assert await version(client, "typed") == 2

    @pytest.mark.reads
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
            ("/1/active", "INVALID_VALUE"), ("/2/sku", "NULL"), ("/2/count", "INVALID_VALUE"),
            ("/2/nme", "UNKNOWN_COLUMN"), ("/3/day", "INVALID_VALUE"), ("/3/at", "INVALID_VALUE"),
            ("/3/time", "INVALID_VALUE"),
        ]  # fmt: skip
        assert answer.json()["error_code"] == "INVALID_RECORD"
        assert await version(client, "typed") == 2

    @pytest.mark.reads
    async def test_one_object_has_pointers_without_an_index(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json={"count": True, "a/b~c": 1})
        assert pointers(answer) == [("/count", "INVALID_VALUE"), ("/a~1b~0c", "UNKNOWN_COLUMN"), ("/sku", "NULL")]

    @pytest.mark.reads
    async def test_items_that_are_no_objects(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/typed/records", json=[{"sku": "x"}, 7, None, []])
        assert [pointer for pointer, _ in pointers(answer)] == ["/1", "/2", "/3"]

    @pytest.mark.reads
    @pytest.mark.parametrize("text", ["", "{", '{"sku": }', "nul", '{"sku": "\\ud800"}', "[" * 100_000])
    async def test_what_is_no_json_is_refused(self, client: AsyncClient, text: str) -> None:
        answer = await send(client, "POST", "typed/records", text)
        assert answer.status_code in {400, 422}, answer.text
        assert await version(client, "typed") == 2

    @pytest.mark.reads
    @pytest.mark.parametrize("text", ["7", '"x"', "null"])
    async def test_what_is_no_record_is_422(self, client: AsyncClient, text: str) -> None:
        assert (await send(client, "POST", "typed/records", text)).status_code == 422

    @pytest.mark.reads
    async def test_bytes_that_are_no_utf_8(self, client: AsyncClient) -> None:
        for body in (b'{"sku": "\xff"}', b'{"more": ["\xff"], "sku": ""}', b'{"\xff": 1}', b'[{"sku": "\xc3"}]'):
            answer = await client.post("/datasets/typed/records", content=body)
            assert answer.status_code in {400, 422}, body

    @pytest.mark.reads
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


class TestUploaded:
    async def test_values_take_the_form_of_the_columns(self, client: AsyncClient, upload: Upload) -> None:
        await upload("flag,at\nTRUE,2025-01-31 10:20:30.000\nFALSE,2025-02-01 00:00:00.500\n", name="forms")
        answer = await client.post("/datasets/forms/records", json={"flag": True, "at": "2025-03-01T12:00:00"})
        assert answer.json()["data"] == {"flag": True, "at": "2025-03-01 12:00:00.000"}
        lines = (await client.get("/datasets/forms/export")).text.splitlines()
        assert lines[-1] == "TRUE,2025-03-01 12:00:00.000"
