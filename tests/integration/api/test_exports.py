"""Exports: a dataset at a version, as a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from urllib.parse import unquote

import openpyxl
import pytest
from httpx import AsyncClient
from support.service import Once, Upload, export

pytestmark = pytest.mark.anyio

MIXED = (
    "sku,price,day,at,ok,note\r\n"
    "007,0.10,2025-01-31,2025-01-31T10:20:30Z,TRUE,\r\n"
    '1,2,,,FALSE,""\r\n'
    'x,,2024-02-29,2025-02-01T00:00:00Z,,"a ""b"", c\nd"\r\n'
)


@pytest.fixture
async def mixed(upload: Upload, once: Once) -> None:
    await once("mixed", lambda: upload(MIXED, name="mixed"))


@pytest.mark.reads
@pytest.mark.usefixtures("mixed")
class TestCsv:
    async def test_gives_every_cell_back(self, client: AsyncClient) -> None:
        answer = await export(client)
        assert answer.content == MIXED.encode()
        assert answer.headers["content-type"] in {"text/csv; charset=utf-8", "text/csv; header=present; charset=utf-8"}
        assert answer.headers["x-row-count"] == "3"
        assert answer.headers["x-dataset-version"] == "1"
        assert answer.headers["content-disposition"] == "attachment; filename=\"mixed.csv\"; filename*=UTF-8''mixed.csv"

    async def test_a_single_column_keeps_its_empty_texts_and_nulls_apart(
        self, client: AsyncClient, upload: Upload
    ) -> None:
        text = 'only\r\n""\r\na\r\n""\r\n'
        await upload(text, name="only", header="1")
        await client.post("/datasets/only/records", json=[{"only": None}, {"only": ""}, {"only": "z"}])
        exported = (await export(client, "only")).text
        assert exported.startswith(text)
        again = await upload(exported, name="again", header="1")
        assert again["rows"] >= 5

    @pytest.mark.parametrize(
        ("params", "text"),
        [
            ({"select": "note,sku", "sku": "x"}, 'note,sku\r\n"a ""b"", c\nd",x\r\n'),
            ({"select": "sku", "sort": "-price"}, "sku\r\n1\r\n007\r\nx\r\n"),
            ({"select": "sku", "limit": 1, "offset": 1}, "sku\r\n1\r\n"),
            ({"select": "sku,price", "price": "is_null", "null": "NA"}, "sku,price\r\nx,NA\r\n"),
            ({"select": "sku,price", "limit": 1, "delimiter": ";", "newline": "lf"}, "sku;price\n007;0.10\n"),
            ({"select": "sku", "limit": 1, "bom": "true"}, "\ufeffsku\r\n007\r\n"),
            ({"select": "sku", "sku": "nobody"}, "sku\r\n"),
            ({"select": "sku,ok", "format": "tsv", "limit": 1}, "sku\tok\r\n007\tTRUE\r\n"),
            ({"select": "sku", "limit": 5000}, "sku\r\n007\r\n1\r\nx\r\n"),
            ({"select": "sku", "price": "is_not_null", "limit": 1, "offset": 1}, "sku\r\n1\r\n"),
            ({"select": "sku", "price": "is_not_null", "limit": 7, "offset": 1}, "sku\r\n1\r\n"),
            ({"select": "sku", "price": "is_not_null", "limit": 1}, "sku\r\n007\r\n"),
            ({"select": "sku", "price": "is_not_null", "limit": 1, "offset": 9}, "sku\r\n"),
            ({"select": "sku", "limit": 10**18 - 1, "offset": 10**18 - 1}, "sku\r\n"),
            ({"select": "sku", "price": "is_not_null", "limit": 10**18 - 1, "offset": 10**18 - 1}, "sku\r\n"),
        ],
        ids=str,
    )
    async def test_takes_filters_sorts_and_options(
        self, client: AsyncClient, params: dict[str, str], text: str
    ) -> None:
        answer = await export(client, **params)
        assert answer.content.decode() == text
        assert answer.headers["x-row-count"] == str(len(list(csv.reader(io.StringIO(text)))) - 1)

    async def test_formulas_are_guarded_on_demand(self, client: AsyncClient, upload: Upload) -> None:
        text = "a,b\r\n=1+1,-1\r\n@x,-2\r\n+4,3\r\n"
        await upload(text, name="formulas", header="1")
        assert (await export(client, "formulas")).text == text
        guarded = (await export(client, "formulas", escape_formulas="true")).text
        assert guarded == "a,b\r\n'=1+1,-1\r\n'@x,-2\r\n'+4,3\r\n"

    @pytest.mark.parametrize(
        "params",
        [{"format": "docx"}, {"delimiter": "||"}, {"newline": "cr"}, {"bom": "maybe"}, {"null": '"'}, {"null": "\0"},
         {"null": "a\tb"}, {"formt": "csv"},
         {"select": "nothing"}, {"limit": 0}, {"cursor": "x"}, {"format": "xlsx", "delimiter": ";"}, {"sort": "no"},
         {"sku": "regex:("}],
        ids=str,
    )  # fmt: skip
    async def test_a_wrong_option_is_refused(self, client: AsyncClient, params: dict[str, str]) -> None:
        answer = await client.get("/datasets/mixed/export", params=params)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("params", ["newline=cr", "format=docx", "format=xlsx&delimiter=;"])
    async def test_a_wrong_option_has_one_code(self, client: AsyncClient, params: str) -> None:
        answer = await client.get(f"/datasets/mixed/export?{params}")
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_QUERY")

    @pytest.mark.parametrize("path", ["export", "records/stream"])
    async def test_the_query_string_of_a_page_does(self, client: AsyncClient, path: str) -> None:
        """`count` is about a page's total: it changes nothing here."""
        plain = await client.get(f"/datasets/mixed/{path}?price=gt:0")
        counted = await client.get(f"/datasets/mixed/{path}?price=gt:0&count=none")
        assert (counted.status_code, counted.content) == (200, plain.content)

    async def test_asked_by_a_body(self, client: AsyncClient) -> None:
        body = {"columns": ["sku"], "filters": {"price": {"gt": 0}}, "sort": "-price", "format": "tsv"}
        answer = await client.post("/datasets/mixed/export", json=body)
        assert (answer.status_code, answer.text) == (200, "sku\r\n1\r\n007\r\n")
        answer = await client.post("/datasets/mixed/export?format=tsv&newline=lf", json={"columns": ["sku"]})
        assert answer.text == "sku\n007\n1\nx\n"
        for bad in ({"colums": ["sku"]}, {"format": 7}, {"newline": "cr"}, {"bom": "x"}):
            assert (await client.post("/datasets/mixed/export", json=bad)).status_code == 400, bad

    @pytest.mark.writes
    async def test_304(self, client: AsyncClient) -> None:
        etag = (await export(client)).headers["etag"]
        same = await client.get("/datasets/mixed/export", headers={"If-None-Match": etag})
        assert (same.status_code, same.content) == (304, b"")
        other = await client.get("/datasets/mixed/export?bom=true", headers={"If-None-Match": etag})
        assert other.status_code == 200
        await client.patch("/datasets/mixed", json={"name": "renamed"})
        renamed = await client.get("/datasets/renamed/export", headers={"If-None-Match": etag})
        assert renamed.status_code == 200, "the file's name has changed"

    @pytest.mark.writes
    async def test_an_older_version(self, client: AsyncClient) -> None:
        await client.delete("/datasets/mixed/records/1")
        assert (await export(client, version=1)).content == MIXED.encode()
        newest = await export(client)
        assert (newest.headers["x-row-count"], newest.headers["x-dataset-version"]) == ("2", "2")

    @pytest.mark.writes
    @pytest.mark.parametrize("name", ["Übersicht 2025", 'a "b"; c', "50% off", "日本"])
    async def test_the_file_is_called_as_the_dataset(self, client: AsyncClient, name: str) -> None:
        await client.patch("/datasets/mixed", json={"name": name})
        ref = (await client.get("/datasets")).json()["data"][0]["id"]
        disposition = (await export(client, ref)).headers["content-disposition"]
        assert unquote(disposition.split("filename*=UTF-8''")[1]) == f"{name}.csv"
        assert disposition.isascii()
        assert disposition.count('"') == 2


class TestXlsx:
    async def test_cells_are_typed(self, client: AsyncClient, upload: Upload) -> None:
        await upload(MIXED.replace("0Z", "0"), name="mixed")
        answer = await export(client, format="xlsx")
        assert answer.headers["content-type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        assert 'filename="mixed.xlsx"' in answer.headers["content-disposition"]
        sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
        assert sheet is not None
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        day = dt.datetime.fromisoformat("2025-01-31")
        assert rows[0] == ["sku", "price", "day", "at", "ok", "note"]
        assert rows[1] == ["007", 0.1, day, day + dt.timedelta(hours=10, minutes=20, seconds=30), True, None]
        assert rows[2][:5] == ["1", 2, None, None, False]
        assert rows[3][5] == 'a "b", c\nd'

    async def test_comes_back_as_it_went(self, client: AsyncClient, upload: Upload) -> None:
        await upload(MIXED, name="mixed")
        book = (await export(client, format="xlsx")).content
        answer = await client.post("/datasets", files={"file": ("again.xlsx", book)})
        assert answer.status_code == 201, answer.text
        first = (await client.get("/datasets/mixed/records")).json()["data"]
        again = (await client.get("/datasets/again/records")).json()["data"]
        for name in ("sku", "price", "day", "ok"):
            assert [each["data"][name] for each in again] == [each["data"][name] for each in first], name

    async def test_without_rows(self, client: AsyncClient, upload: Upload) -> None:
        await upload("a,b\n1,2\n", name="few")
        sheet = openpyxl.load_workbook(io.BytesIO((await export(client, "few", format="xlsx", a="99")).content)).active
        assert sheet is not None
        assert [list(row) for row in sheet.iter_rows(values_only=True)] == [["a", "b"]]


class TestJsonColumns:
    async def test_objects_are_json_text(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "free"})
        await client.post("/datasets/free/records", json=[{"a": {"b": [1, "x"]}}, {"a": "text"}, {"a": 1}])
        rows = list(csv.reader(io.StringIO((await export(client, "free")).text)))
        assert rows == [["a"], ['{"b": [1, "x"]}'], ['"text"'], ["1"]]
