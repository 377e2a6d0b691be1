"""Records as lines of JSON: short streams are written like arrays, longer ones are copied."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
from httpx import AsyncClient, Response
from msgspec.structs import force_setattr
from support.calls import make, page, pointers, schema, version
from support.service import Upload

from backend.services.record_streams import USUAL

pytestmark = pytest.mark.anyio

LINES = {"Content-Type": "application/x-ndjson"}
MANY = 10_001
"""More than an array may have, so that the lines are copied."""
LONG = 1 << 20
"""From so many bytes on lines are copied here; 8 MiB, as usual, would have to be sent in every other test."""
PAD = b" " * LONG + b"\n"
"""So much that what comes behind it is copied, however little that is."""


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    usual = USUAL.bytes
    force_setattr(USUAL, "bytes", LONG)
    yield
    force_setattr(USUAL, "bytes", usual)


async def stream(client: AsyncClient, body: Any, ref: str = "typed", **params: Any) -> Response:
    headers = {**LINES, **params.pop("headers", {})}
    return await client.post(f"/datasets/{ref}/records", content=body, headers=headers, params=params)


def lines(records: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def many(count: int = MANY) -> bytes:
    return lines({"sku": f"s{at}", "count": at, "price": at / 4, "day": "2025-01-31"} for at in range(count))


@pytest.mark.usefixtures("typed")
class TestLong:
    async def test_answers_counts_and_ids(self, client: AsyncClient) -> None:
        answer = await stream(client, many())
        assert answer.status_code == 201, answer.text
        assert answer.json() == {
            "count": MANY, "added": MANY, "version": 3, "first_id": 2, "last_id": MANY + 1,
        }  # fmt: skip
        assert answer.headers["etag"] == (await client.get("/datasets/typed")).headers["etag"]
        newest = (await client.get("/datasets/typed/versions/3")).json()
        assert (newest["added"], newest["rows"], newest["operation"]) == (MANY, MANY + 1, "create")
        last = (await client.get(f"/datasets/typed/records/{MANY + 1}")).json()
        assert (last["version"], last["data"]["sku"], last["data"]["price"]) == (3, f"s{MANY - 1}", (MANY - 1) / 4)
        assert (await page(client, "typed", sku="eq:s0", version=2))["total"] == "0"

    async def test_chunks_of_any_size(self, client: AsyncClient) -> None:
        body = many()

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(body), 4_099):
                yield body[at : at + 4_099]

        assert (await stream(client, chunks())).json()["count"] == MANY

    async def test_blank_lines_and_line_ends(self, client: AsyncClient) -> None:
        body = PAD + b'{"sku":"a"}\r\n\r\n  \n{"sku":"b",\r"count":1}\n{"sku":"c"}'
        assert (await stream(client, body)).json()["count"] == 3
        assert [each["data"]["sku"] for each in (await page(client, "typed"))["data"]] == ["first", "a", "b", "c"]

    @pytest.mark.reads
    async def test_nothing_makes_no_version(self, client: AsyncClient) -> None:
        answer = await stream(client, PAD)
        assert (answer.status_code, answer.json()["count"], answer.json()["version"]) == (201, 0, 2)
        assert await version(client, "typed") == 2

    @pytest.mark.parametrize("pad", [b"", PAD], ids=["short", "long"])
    async def test_every_bad_value_is_listed_and_nothing_stored(self, client: AsyncClient, pad: bytes) -> None:
        items = [
            {"sku": "good"},
            {"sku": 7, "count": "1", "price": "1", "active": 1},
            {"sku": None, "count": 1.5, "nme": 1},
            {"day": "2025-02-30", "at": "soon", "time": "25:00", "sku": "x"},
        ]
        answer = await stream(client, pad + b"\n\n" + lines(items))
        assert pointers(answer) == [
            ("/1/sku", "INVALID_VALUE"), ("/1/count", "INVALID_VALUE"), ("/1/price", "INVALID_VALUE"),
            ("/1/active", "INVALID_VALUE"), ("/2/sku", "NULL"), ("/2/count", "INVALID_VALUE"),
            ("/2/nme", "UNKNOWN_COLUMN"), ("/3/day", "INVALID_VALUE"), ("/3/at", "INVALID_VALUE"),
            ("/3/time", "INVALID_VALUE"),
        ]  # fmt: skip
        assert answer.json()["error_code"] == "INVALID_RECORD"
        assert await version(client, "typed") == 2
        assert (await stream(client, b'{"sku": "next"}')).json()["data"][0]["id"] == 2

    @pytest.mark.reads
    async def test_of_many_bad_values_the_first_hundred_are_shown(self, client: AsyncClient) -> None:
        answer = await stream(client, many() + lines({"sku": at} for at in range(20_000)))
        told = answer.json()
        assert (answer.status_code, len(told["errors"])) == (422, 100)
        assert told["errors"][0]["pointer"] == f"/{MANY}/sku"
        assert "20,000" in told["detail"] or "20000" in told["detail"]

    @pytest.mark.reads
    @pytest.mark.parametrize("pad", [b"", PAD], ids=["short", "long"])
    @pytest.mark.parametrize(
        "line", [b"{", b"7", b'"x"', b"null", b"[]", b'{"sku": "\\ud800"}', b'{"sku": "a\tb"}', b"[" * 5000]
    )
    async def test_what_is_no_record_is_told_by_its_line(self, client: AsyncClient, pad: bytes, line: bytes) -> None:
        answer = await stream(client, pad + b'{"sku": "a"}\n\n' + line + b'\n{"sku": "b"}\n')
        assert pointers(answer) == [("/1", "INVALID_RECORD")]
        (error,) = answer.json()["errors"]
        number = 4 if pad else 3
        assert error["row"] == number
        assert f"Line {number}" in error["message"]
        assert await version(client, "typed") == 2

    @pytest.mark.reads
    @pytest.mark.parametrize("pad", [b"", PAD], ids=["short", "long"])
    async def test_bytes_that_are_no_utf_8(self, client: AsyncClient, pad: bytes) -> None:
        for line in (b'{"sku": "\xff"}', b'{"more": ["\xff"], "sku": ""}', b'{"\xff": 1}', b'{"sku": "\xed\xa0\x80"}'):
            answer = await stream(client, pad + b'{"sku": "a"}\n' + line)
            assert answer.status_code == 400, answer.text
            assert f"Line {3 if pad else 2} is not UTF-8" in answer.json()["detail"]
        assert await version(client, "typed") == 2

    @pytest.mark.reads
    @pytest.mark.parametrize(
        ("column", "given"),
        [
            ("sku", '"\\u0000"'), ("more", '["\\u0000"]'), ("more", '{"\\u0000": 1}'), ("count", "1e2"),
            ("price", "1e1000"), ("price", "0e99999"), ("price", "1e-99999"), ("price", "0." + "1" * 15_985 + "e-999"),
            ("more", "0." + "1" * 15_985 + "e-999"), ("price", "0." + "1" * 17_000),
            ("count", "1" * 17_000), ("more", "1e99999"), ("more", '{"a": [1e999999999]}'),
            ("at", '"2025-01-31T10:20:30.5Z"'), ("day", '"0000-01-01"'), ("active", '"true"'), ("time", '"24:00:00"'),
        ],
    )  # fmt: skip
    async def test_what_cannot_be_stored_exactly_is_refused_as_in_an_array(
        self, client: AsyncClient, column: str, given: str
    ) -> None:
        text = f'{{"sku": "x", "{column}": {given}}}' if column != "sku" else f'{{"sku": {given}}}'
        array = await client.post("/datasets/typed/records", content=f"[{text}]")
        long = await stream(client, PAD + text.encode())
        assert (array.status_code, long.status_code) == (422, 422), long.text
        assert long.json()["errors"] == array.json()["errors"]

    async def test_a_dry_run_checks_all_and_stores_nothing(self, client: AsyncClient) -> None:
        for body, count in ((many(), MANY), (many(3), 3)):
            answer = await stream(client, body, dry_run="true")
            told = answer.json()
            assert answer.status_code == 200, answer.text
            assert (told["count"], told["added"], told["version"], told["dry_run"]) == (count, count, 3, True)
            assert answer.headers["etag"] == (await client.get("/datasets/typed")).headers["etag"]
        assert (await stream(client, many() + b'{"sku": 7}', dry_run="true")).status_code == 422
        assert (await page(client, "typed"))["total"] == "1"
        assert (await stream(client, many())).json()["first_id"] == 2

    async def test_if_match_is_the_datasets(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/typed")).headers["etag"]
        first = await stream(client, many(), headers={"If-Match": etag})
        stale = await stream(client, many(), headers={"If-Match": etag})
        assert (first.status_code, stale.status_code) == (201, 412)
        assert await version(client, "typed") == 3

    async def test_the_same_key_writes_once(self, client: AsyncClient) -> None:
        headers = {"Idempotency-Key": "stream-1"}
        first, again = [await stream(client, many(), headers=headers) for _ in range(2)]
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        assert await version(client, "typed") == 3

    @pytest.mark.reads
    async def test_an_unknown_dataset_is_told_before_the_body_is_read(self, client: AsyncClient) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"{}\n"

        assert (await stream(client, endless(), "nowhere")).status_code == 404

    @pytest.mark.parametrize("second", ['"price":1,"price":2', '"count" :1,"note":{"a":1,"a":2}'])
    async def test_a_name_that_stands_twice_in_a_line_is_told(self, client: AsyncClient, second: str) -> None:
        first = '{"sku":"a:\\":","count":1}\n\n{"sku":"b","price":null}\n{"other":1}\n'
        answer = await stream(client, PAD + f'{first}{{"sku":"c",{second}}}\n'.encode())
        assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID_RECORD")
        assert ("DUPLICATE_NAME", 6) in {(each.get("code"), each.get("row")) for each in answer.json()["errors"]}


class TestForms:
    async def test_values_take_the_form_of_the_columns(self, client: AsyncClient, upload: Upload) -> None:
        await upload("flag,at\nTRUE,2025-01-31 10:20:30.000\nFALSE,2025-02-01 00:00:00.500\n", name="forms")
        items = [
            {"flag": True, "at": "2025-03-01T12:00:00"},
            {"flag": False, "at": "2025-03-01 12:00:00.250"},
            {"flag": None, "at": None},
        ]
        assert (await stream(client, PAD + lines(items), "forms")).status_code == 201
        export = (await client.get("/datasets/forms/export")).text.splitlines()
        assert export[-3:] == ["TRUE,2025-03-01 12:00:00.000", "FALSE,2025-03-01 12:00:00.250", ","]

    async def test_renamed_columns(self, client: AsyncClient) -> None:
        await make(client, "names", columns=[{"name": "a", "type": "integer"}, {"name": "b"}])
        change = {"columns": [{"name": "a", "rename_to": "c"}, {"name": "b", "rename_to": "a"}]}
        assert (await client.patch("/datasets/names/schema", json=change)).status_code == 200
        assert (await stream(client, PAD + b'{"a": "x", "c": 1}\n{"c": null}', "names")).status_code == 201
        assert [each["data"] for each in (await page(client, "names"))["data"]] == [
            {"c": "1", "a": "x"}, {"c": None, "a": None},
        ]  # fmt: skip

    async def test_odd_names(self, client: AsyncClient) -> None:
        odd = ['"', "\\", "a\nb", "é", "日", "{}", "x" * 300, "null"]
        await make(client, "odd", columns=[{"name": name, "type": "integer"} for name in odd])
        item = {name: at for at, name in enumerate(odd)}
        assert (await stream(client, PAD + lines([item]), "odd")).status_code == 201
        assert (await client.get("/datasets/odd/records/1")).json()["data"] == item

    async def test_two_thousand_columns(self, client: AsyncClient) -> None:
        names = [f"c{at}" for at in range(2_000)]
        await make(client, "wide", columns=[{"name": name, "type": "integer"} for name in names])
        items = [{name: at for at, name in enumerate(names)}, {"c1999": 1}, {"c7": None}]
        assert (await stream(client, PAD + lines(items), "wide")).status_code == 201
        assert (await client.get("/datasets/wide/records/1")).json()["data"] == items[0]


class TestWithoutASchema:
    async def test_grows_as_by_an_array(self, client: AsyncClient) -> None:
        items = [
            {"b": 1, "a": None, "n": None}, {"b": 2.5, "c": {"d": [1]}}, {"a": "x", "e": True}, {"e": 1, "b": None},
        ]  # fmt: skip
        for ref, body in (("long", PAD + lines(items)), ("short", lines(items))):
            await make(client, ref)
            assert (await stream(client, body, ref)).status_code == 201
        assert list((await schema(client, "long")).items()) == [
            ("b", "number"), ("a", "text"), ("n", "text"), ("c", "json"), ("e", "json"),
        ]  # fmt: skip
        assert await schema(client, "long") == await schema(client, "short")
        records = [(await page(client, ref))["data"] for ref in ("long", "short")]
        assert records[0] == records[1]
        assert (await stream(client, PAD + b'{"n": 1}', "long")).status_code == 201
        assert (await schema(client, "long"))["n"] == "integer"

    async def test_a_widening_late_in_the_stream(self, client: AsyncClient) -> None:
        await make(client, "late")
        body = lines({"a": at} for at in range(100_000)) + b'{"a": "x", "b": 1}'
        assert (await stream(client, body, "late")).json()["count"] == 100_001
        assert await schema(client, "late") == {"a": "json", "b": "integer"}
        assert await version(client, "late") == 2

    async def test_names_that_no_column_can_have(self, client: AsyncClient) -> None:
        await make(client, "named")
        answer = await stream(client, PAD + lines([{"a": 1}, {" ": 1, "__id": 2}, {"b\0": 3}]), "named")
        assert pointers(answer) == [("/1/ ", "INVALID_NAME"), ("/1/__id", "INVALID_NAME"), ("/2/b\0", "INVALID_NAME")]
        assert await schema(client, "named") == {}

    async def test_too_many_columns(self, client: AsyncClient) -> None:
        await make(client, "broad")
        answer = await stream(client, lines({f"c{row}.{at}": at for at in range(100)} for row in range(200)), "broad")
        assert answer.status_code == 422
        assert "SHEAF_MAX_COLUMNS" in answer.json()["detail"]
        answer = await stream(
            client, PAD + lines({f"c{row}.{at}": at for at in range(100)} for row in range(200)), "broad"
        )
        assert answer.status_code == 422
        assert "SHEAF_MAX_COLUMNS" in answer.json()["detail"]


@pytest.mark.usefixtures("typed")
class TestWithAKey:
    async def test_a_value_that_is_there_already_is_refused(self, client: AsyncClient) -> None:
        assert (await client.patch("/datasets/typed", json={"key": "sku"})).status_code == 200
        before = await version(client, "typed")
        for body in (lines([{"sku": "new"}, {"sku": "first"}]), lines([{"sku": "new"}, {"sku": "new"}])):
            answer = await stream(client, PAD + body)
            assert (answer.status_code, answer.json()["error_code"]) == (422, "DUPLICATE_KEYS"), answer.text
        assert await version(client, "typed") == before
        assert (await stream(client, PAD + lines([{"sku": "new"}]))).json()["added"] == 1
