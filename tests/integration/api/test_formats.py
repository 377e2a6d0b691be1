"""JSON, NDJSON, Parquet and packed files through the API: in by each way, and out again."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from httpx import AsyncClient, Response
from support.calls import raw, records

pytestmark = pytest.mark.anyio

RECORDS = b'[{"id": 1, "price": 0.10, "at": {"lat": 1.50}}, {"id": 12345678901234567890, "price": 7, "zip": "00501"}]'
DATA = [
    {"id": "1", "price": "0.10", "at": {"lat": "1.50"}, "zip": None},
    {"id": "12345678901234567890", "price": "7", "at": None, "zip": "00501"},
]
LINES = b'{"id": 1, "price": 0.10, "at": {"lat": 1.50}}\n{"id": 12345678901234567890, "price": 7, "zip": "00501"}\n'


def parquet() -> bytes:
    file = io.BytesIO()
    prices = pl.Series([Decimal("0.10"), Decimal("7.00")], dtype=pl.Decimal(9, 2))
    days = [date(2025, 1, 31), None]
    pl.DataFrame({"id": [1, 2], "price": prices, "day": days, "tags": [["a"], []]}).write_parquet(file)
    return file.getvalue()


async def types(client: AsyncClient, name: str) -> dict[str, str]:
    columns = (await client.get(f"/datasets/{name}/schema")).json()["columns"]
    return {column["name"]: column["type"] for column in columns}


async def send(client: AsyncClient, body: bytes, media_type: str, **params: str) -> Response:
    return await raw(client, body, {"Content-Type": media_type}, **params)


def report(answer: Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()["import"]


@pytest.mark.parametrize(
    ("body", "media_type", "params", "format_"),
    [
        (LINES, "application/x-ndjson", {}, "ndjson"),
        (LINES, "application/octet-stream", {"format": "ndjson"}, "ndjson"),
        (LINES, "application/octet-stream", {}, "ndjson"),
        (RECORDS, "application/json", {"format": "json"}, "json"),
        (RECORDS, "application/octet-stream", {}, "json"),
        (gzip.compress(RECORDS), "application/gzip", {}, "json"),
        (gzip.compress(LINES), "application/gzip", {"format": "ndjson"}, "ndjson"),
    ],
)
async def test_json_by_each_way(
    client: AsyncClient, body: bytes, media_type: str, params: dict[str, str], format_: str
) -> None:
    told = report(await send(client, body, media_type, name="a", **params))
    assert (told["format"], told["rows"], told["columns"], told["warnings"]) == (format_, 2, 4, [])
    assert await types(client, "a") == {"id": "integer", "price": "number", "at": "json", "zip": "text"}
    assert await records(client, "a") == DATA


async def test_json_as_a_form_names_the_dataset(client: AsyncClient) -> None:
    answer = await client.post("/datasets", files={"file": ("orders.json", RECORDS, "application/json")})
    assert report(answer)["format"] == "json"
    assert await records(client, "orders") == DATA


async def test_json_alone_makes_an_empty_dataset(client: AsyncClient) -> None:
    answer = await send(client, b'{"name": "fresh"}', "application/json")
    assert (answer.status_code, answer.json()["rows"]) == (201, 0)


async def test_a_column_of_several_kinds_keeps_each(client: AsyncClient) -> None:
    """Texts first, so that what was loaded is loaded anew."""
    lines = b'{"v": "1"}\n' * 70_000 + b'{"v": 1}\n{"v": [true]}\n'
    report(await send(client, lines, "application/x-ndjson", name="mixed"))
    assert await types(client, "mixed") == {"v": "json"}
    exported = (await client.get("/datasets/mixed/export?format=tsv")).text.splitlines()
    assert [exported[1], *exported[-2:]] == ['"""1"""', "1", "[true]"]


async def test_parquet(client: AsyncClient) -> None:
    told = report(await send(client, parquet(), "application/vnd.apache.parquet", name="a"))
    assert (told["format"], told["rows"], told["warnings"]) == ("parquet", 2, [])
    assert await types(client, "a") == {"id": "integer", "price": "number", "day": "date", "tags": "json"}
    csv = (await client.get("/datasets/a/export")).text
    assert csv == 'id,price,day,tags\r\n1,0.10,2025-01-31,"[""a""]"\r\n2,7.00,,[]\r\n'


async def test_zip(client: AsyncClient) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("orders.parquet", parquet())
    answer = await client.post("/datasets", files={"file": ("orders.zip", file.getvalue())})
    assert report(answer)["format"] == "parquet"
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("more.csv", "a\n1\n")
    refused = await client.post("/datasets", files={"file": ("orders.zip", file.getvalue())})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "UNREADABLE_FILE")
    assert "holds 2 files: orders.parquet, more.csv" in refused.json()["detail"]


async def test_a_disagreement_is_a_warning_and_a_told_format_must_fit(client: AsyncClient) -> None:
    (warning,) = report(await send(client, LINES, "text/csv"))["warnings"]
    assert warning["message"] == "The media type says text, but the content is NDJSON: read as that"
    refused = await send(client, LINES, "text/csv", format="csv")
    assert refused.json()["detail"].startswith("format=csv is told, but the content is NDJSON: send format=ndjson")
    refused = await send(client, RECORDS, "application/x-ndjson", format="ndjson")
    assert refused.json()["detail"].startswith("format=ndjson is told, but the content is JSON")
    refused = await send(client, RECORDS, "application/octet-stream", delimiter=";")
    assert refused.json()["detail"].startswith("The option `delimiter` is for delimited text, but the content is JSON")


@pytest.mark.parametrize(
    ("body", "row", "says"),
    [
        (b'{"a": 1}\n{"a": }\n', 2, "Line 2, character 7 (record 2)"),
        (b'[{"a": 1}, {"a": 1, "a": 2}]', 2, "Record 2: 'a' stands twice in one object (/a)"),
        (b'{"a": "x"}\n{"a": "\\u0000"}\n', 2, "Line 2, column a holds the character \\u0000"),
        (b'{"a": [1]}\n{"a": ["\\u0000"]}\n', 2, "Line 2, column a holds the character \\u0000"),
        (b'[{"a": 1}, 2]', 2, "Record 2 is a number"),
    ],
)
async def test_broken_json_names_its_place(client: AsyncClient, body: bytes, row: int, says: str) -> None:
    answer = await send(client, body, "application/x-ndjson" if body[:1] == b"{" else "application/octet-stream")
    assert (answer.status_code, answer.json()["error_code"]) == (422, "UNREADABLE_FILE")
    assert says in answer.json()["detail"]
    assert answer.json()["errors"][0]["row"] == row
    assert (await client.get("/datasets")).json()["total"] == 0
