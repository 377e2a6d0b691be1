"""JSON, NDJSON and Parquet exports, and what all formats have in common."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from zoneinfo import ZoneInfo

import openpyxl
import polars as pl
import pytest
from httpx import AsyncClient, Response
from support.service import Once, Upload, exact, export

pytestmark = pytest.mark.anyio

MIXED = (
    "sku,price,day,at,ok,note\r\n"
    "007,0.10,2025-01-31,2025-01-31T10:20:30+02:00,TRUE,\r\n"
    '1,12345678901234567.5,,,FALSE,""\r\n'
    'x,,2024-02-29,2025-02-01T00:00:00+02:00,,"a ""b"", c\nd"\r\n'
)
OBJECTS = [
    '{"sku":"007","price":0.10,"day":"2025-01-31","at":"2025-01-31T10:20:30+02:00","ok":true,"note":null}',
    '{"sku":"1","price":12345678901234567.5,"day":null,"at":null,"ok":false,"note":""}',
    '{"sku":"x","price":null,"day":"2024-02-29","at":"2025-02-01T00:00:00+02:00","ok":null,"note":"a \\"b\\", c\\nd"}',
]


def parquet(answer: Response) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(answer.content))


@pytest.fixture
async def mixed(upload: Upload, once: Once) -> None:
    await once("mixed", lambda: upload(MIXED, name="mixed"))


@pytest.mark.reads
@pytest.mark.usefixtures("mixed")
class TestJson:
    async def test_lines_hold_every_value_to_the_digit(self, client: AsyncClient) -> None:
        answer = await export(client, format="ndjson")
        assert answer.text == "".join(line + "\n" for line in OBJECTS)
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert 'filename="mixed.ndjson"' in answer.headers["content-disposition"]
        assert (answer.headers["x-row-count"], answer.headers["x-dataset-version"]) == ("3", "1")

    async def test_an_array_holds_the_same_objects(self, client: AsyncClient) -> None:
        answer = await export(client, format="json")
        assert answer.text == "[\n" + ",\n".join(OBJECTS) + "\n]\n"
        assert answer.headers["content-type"] == "application/json"
        assert (await export(client, format="json", sku="nobody")).json() == []

    async def test_filters_sorts_columns_and_ids(self, client: AsyncClient) -> None:
        asked = {"format": "ndjson", "select": "ok,sku", "sort": "-sku", "limit": 2, "ids": "true"}
        assert (await export(client, **asked)).text == (
            '{"__id":3,"ok":null,"sku":"x"}\n{"__id":2,"ok":false,"sku":"1"}\n'
        )
        body = {"format": "json", "columns": ["sku"], "filters": {"price": {"gt": 1}}, "ids": True}
        answer = await client.post("/datasets/mixed/export", json=body)
        assert answer.json() == [{"__id": 2, "sku": "1"}]

    @pytest.mark.writes
    async def test_an_older_version(self, client: AsyncClient) -> None:
        before = (await export(client, format="json")).text
        await client.patch("/datasets/mixed/records/1", json={"note": "changed"})
        assert (await export(client, format="json", version=1)).text == before
        assert json.loads((await export(client, format="ndjson")).text.splitlines()[0])["note"] == "changed"

    async def test_nested_json_comes_as_it_is_stored(self, client: AsyncClient) -> None:
        given = [{"a": {"b": [1.50, "é\u2028\t", None, {"c": 12345678901234567890}]}}, {"a": "text"}, {"a": 1}, {}]
        await client.post("/datasets", json={"name": "free"})
        await client.post("/datasets/free/records", json=given)
        lines = (await export(client, "free", format="ndjson")).text.split("\n")[:-1]
        assert [json.loads(line).get("a") for line in lines] == [each.get("a") for each in given]
        records = exact(await client.get("/datasets/free/records"))["data"]
        assert [json.loads(line, parse_int=str, parse_float=str) for line in lines] == [
            each["data"] for each in records
        ]


@pytest.mark.reads
@pytest.mark.usefixtures("mixed")
class TestParquet:
    async def test_columns_are_typed(self, client: AsyncClient) -> None:
        answer = await export(client, format="parquet")
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert 'filename="mixed.parquet"' in answer.headers["content-disposition"]
        frame = parquet(answer)
        assert frame.schema == {
            "sku": pl.String,
            "price": pl.Decimal(38, 2),
            "day": pl.Date,
            "at": pl.Datetime("ms", "UTC"),
            "ok": pl.Boolean,
            "note": pl.String,
        }
        at = dt.datetime(2025, 1, 31, 8, 20, 30, tzinfo=ZoneInfo("UTC"))
        assert frame.row(0) == ("007", Decimal("0.10"), dt.date(2025, 1, 31), at, True, None)
        assert frame.row(1) == ("1", Decimal("12345678901234567.50"), None, None, False, "")

    async def test_the_types_are_those_of_what_matches(self, client: AsyncClient) -> None:
        frame = parquet(await export(client, format="parquet", select="price,sku", price="lt:5", ids="true"))
        assert frame.schema == {"__id": pl.Int64, "price": pl.Decimal(18, 2), "sku": pl.String}
        assert frame.rows() == [(1, Decimal("0.10"), "007")]

    async def test_and_of_those_that_leave(self, client: AsyncClient) -> None:
        for query, kind in (({"limit": 1}, (18, 2)), ({"sort": "price", "offset": 1, "limit": 1}, (18, 1))):
            frame = parquet(await export(client, format="parquet", select="price", **query))
            assert frame.schema == {"price": pl.Decimal(*kind)}, query

    async def test_whole_numbers_of_any_size(self, client: AsyncClient, upload: Upload) -> None:
        rows = [("9223372036854775807", "9223372036854775808", "1" + "0" * 40), ("-1", "-5", "2")]
        await upload("a,b,c\n" + "".join(",".join(row) + "\n" for row in rows), name="large")
        frame = parquet(await export(client, "large", format="parquet"))
        assert frame.dtypes == [pl.Int64(), pl.Decimal(38, 0), pl.String()]
        assert [tuple(map(str, row)) for row in frame.rows()] == rows

    async def test_without_rows(self, client: AsyncClient) -> None:
        frame = parquet(await export(client, format="parquet", sku="nobody"))
        assert (frame.height, frame.width) == (0, 6)

    async def test_without_columns(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "bare"})
        await client.post("/datasets/bare/records", json=[{}, {}])
        assert (await export(client, "bare", format="json")).json() == [{}, {}]
        assert (await export(client, "bare", format="ndjson", ids="true")).text == '{"__id":1}\n{"__id":2}\n'
        assert parquet(await export(client, "bare", format="parquet", ids="true"))["__id"].to_list() == [1, 2]
        for asked in ({"format": "parquet"}, {"format": "xlsx"}, {"null": "NA"}, {"format": "json", "a": "none"}):
            answer = await client.get("/datasets/bare/export", params=asked)
            assert (answer.status_code, bool(answer.content)) == (400 if "a" in asked else 200, True)


@pytest.mark.usefixtures("mixed")
class TestIds:
    async def test_in_every_format(self, client: AsyncClient) -> None:
        await client.delete("/datasets/mixed/records/2")
        asked = {"select": "sku", "ids": "true"}
        assert (await export(client, **asked)).text == "__id,sku\r\n1,007\r\n3,x\r\n"
        assert (await export(client, format="tsv", null="NA", **asked)).text == "__id\tsku\r\n1\t007\r\n3\tx\r\n"
        book = openpyxl.load_workbook(io.BytesIO((await export(client, format="xlsx", **asked)).content))
        assert list(book.worksheets[0].values) == [("__id", "sku"), (1, "007"), (3, "x")]
        assert parquet(await export(client, format="parquet", **asked)).rows() == [(1, "007"), (3, "x")]


@pytest.mark.parametrize("width", [300, 1601, 2000])
async def test_wide_tables(client: AsyncClient, upload: Upload, width: int) -> None:
    names = [f"c{at}" for at in range(width)]
    rows = [[str(at * row) if at % 3 else "" for at in range(width)] for row in range(1, 6)]
    out = io.StringIO()
    csv.writer(out).writerows([names, *rows])
    await upload(out.getvalue(), name="wide")
    wanted = [{name: int(cell) if cell else None for name, cell in zip(names, row, strict=True)} for row in rows]
    assert (await export(client, "wide", format="json")).json() == wanted
    lines = (await export(client, "wide", format="ndjson", ids="true")).text.splitlines()
    assert [json.loads(line) for line in lines] == [{"__id": at, **row} for at, row in enumerate(wanted, 1)]
    for ids in ({}, {"ids": "true"}):
        frame = parquet(await export(client, "wide", format="parquet", **ids))
        assert frame.drop("__id", strict=False).to_dicts() == wanted
    cells = list(csv.reader(io.StringIO((await export(client, "wide", ids="true")).text)))
    assert cells == [["__id", *names], *([str(at), *row] for at, row in enumerate(rows, 1))]


class TestTooMuchForAWorkbook:
    async def test_a_cell_of_32_768_characters(self, client: AsyncClient, upload: Upload) -> None:
        await upload(f"a,b\n1,{'x' * 32_767}\n2,{'x' * 32_768}\n", name="long")
        answer = await client.get("/datasets/long/export?format=xlsx")
        assert answer.status_code == 422
        assert "'b' of record 2" in answer.json()["detail"]
        assert (await client.head("/datasets/long/export?format=xlsx")).status_code == 422
        assert (await export(client, "long", format="xlsx", a="1")).content[:2] == b"PK"
        for form in ("json", "ndjson", "parquet", "csv"):
            assert (await export(client, "long", format=form)).content

    async def test_only_what_leaves_counts_and_the_first_is_told(self, client: AsyncClient, upload: Upload) -> None:
        long = "x" * 40_000
        await upload(f"a,b,c\n1,short,\n2,{long},{long}\n3,,{long}\n", name="long")
        for query in ("limit=1", "sort=-a&offset=2", "select=a", "select=c&limit=1", "limit=1&a=1"):
            answer = await client.get(f"/datasets/long/export?format=xlsx&{query}")
            assert (answer.status_code, answer.content[:2]) == (200, b"PK"), query
        for query, first in (("", "'b' of record 2"), ("select=c,b", "'c' of record 2"), ("sort=-a", "'c' of record 3"),
                             ("sort=-a&offset=1", "'b' of record 2"), ("limit=2", "'b' of record 2")):  # fmt: skip
            answer = await client.get(f"/datasets/long/export?format=xlsx&{query}")
            assert (answer.status_code, first in answer.json()["detail"]) == (422, True), query

    async def test_json_of_a_few_bytes_that_is_long_as_text(self, client: AsyncClient) -> None:
        """And quotes count: JSON of a text is two characters more."""
        await client.post("/datasets", json={"name": "free"})
        numbers = ",".join(["1e999"] * 40)
        lines = f'{{"a": [1]}}\n{{"a": [{numbers}]}}\n{{"a": "{"x" * 32_766}"}}\n'
        lined = {"Content-Type": "application/x-ndjson"}
        added = await client.post("/datasets/free/records", content=lines.encode(), headers=lined)
        assert added.status_code == 201, added.text
        for query, first in (("", "'a' of record 2"), ("sort=-__id", "'a' of record 3")):
            answer = await client.get(f"/datasets/free/export?format=xlsx&{query}")
            assert (answer.status_code, first in answer.json()["detail"]) == (422, True), answer.text
        assert (await export(client, "free", format="xlsx", limit=1)).content[:2] == b"PK"

    async def test_characters_that_count_twice(self, client: AsyncClient, upload: Upload) -> None:
        await upload(f"a,b\n1,{'😀' * 16_383}x\n2,{'😀' * 16_384}\n", name="long")
        answer = await client.get("/datasets/long/export?format=xlsx")
        assert answer.status_code == 422
        assert "record 2" in answer.json()["detail"]

    async def test_more_than_16_384_columns(self, client: AsyncClient) -> None:
        columns = [{"name": f"c{at}"} for at in range(16_384)]
        made = await client.post("/datasets", json={"name": "widest", "columns": columns})
        assert made.status_code == 201, made.text
        assert (await client.head("/datasets/widest/export?format=xlsx")).status_code == 200
        answer = await client.get("/datasets/widest/export?format=xlsx&ids=true")
        assert (answer.status_code, "16,384 columns" in answer.json()["detail"]) == (422, True)
