"""What becomes of a file: rows, types, reports, refusals."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pytest
import xlsxwriter
from httpx import AsyncClient
from support.calls import raw, records
from support.service import User, exact

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def workbook(rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("Sales")
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    return file.getvalue()


class TestFiles:
    @pytest.mark.parametrize("told", ["xlsx", "xlsm", "xlsb"])
    async def test_a_workbook_is_told_by_its_format(self, client: AsyncClient, told: str) -> None:
        answer = await raw(client, workbook([["sku"], ["007"]]), {}, format=told, name="book")
        assert (answer.status_code, answer.json()["import"]["format"]) == (201, "xlsx")

    async def test_a_workbook(self, client: AsyncClient) -> None:
        answer = await client.post(
            "/datasets", files={"file": ("Sales.xlsx", workbook([["sku", "price"], ["007", 0.1], ["x", 12]]))}
        )
        assert answer.status_code == 201, answer.text
        report = answer.json()["import"]
        assert (report["format"], report["sheet"], report["header_row"], report["rows"]) == ("xlsx", "Sales", 1, 2)
        assert await records(client, "sales") == [{"sku": "007", "price": "0.1"}, {"sku": "x", "price": "12"}]

    @pytest.mark.parametrize("body", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=repr)
    async def test_an_empty_file_is_a_dataset_without_rows(self, client: AsyncClient, body: bytes) -> None:
        answer = await raw(client, body, name="empty")
        assert answer.status_code == 201, answer.text
        assert answer.json()["dataset"]["rows"] == 0
        page = (await client.get("/datasets/empty/records")).json()
        assert (page["data"], page["total"], page["has_more"]) == ([], 0, False)
        assert (await client.get("/datasets/empty/export")).status_code == 200

    async def test_a_header_alone(self, client: AsyncClient) -> None:
        answer = await raw(client, b"a,b\n", name="head")
        assert (answer.json()["dataset"]["rows"], answer.json()["dataset"]["columns"]) == (0, 2)
        assert (await client.get("/datasets/head/export")).text == "a,b\r\n"

    async def test_headers_and_ragged_rows_are_mended_and_reported(self, client: AsyncClient) -> None:
        answer = await raw(client, b" a ,a,\n1\n1,2,3,4\n", name="odd", header="1")
        told = answer.json()["import"]
        columns = (await client.get("/datasets/odd/schema")).json()["columns"]
        assert [column["name"] for column in columns] == ["a", "a_2", "column_3", "column_4"]
        assert told["warnings_total"] == len(told["warnings"]) >= 4
        assert await records(client, "odd") == [
            {"a": "1", "a_2": None, "column_3": None, "column_4": None},
            {"a": "1", "a_2": "2", "column_3": "3", "column_4": "4"},
        ]

    async def test_null_and_empty_text_are_two_things(self, client: AsyncClient) -> None:
        text = 'a,b\r\n"",\r\nx,""\r\n'
        await raw(client, text.encode(), name="empty", header="1")
        assert await records(client, "empty") == [{"a": "", "b": None}, {"a": "x", "b": ""}]
        for query, found in (("a=is_null", 0), ("b=is_null", 1), ("a=eq:", 1), ("b=eq:", 1), ("a=ne:", 1)):
            assert (await client.get(f"/datasets/empty/records?{query}")).json()["total"] == found, query
        assert (await client.get("/datasets/empty/export")).text == text

    async def test_a_record_of_nulls_stays_but_not_at_the_end(self, client: AsyncClient) -> None:
        answer = await raw(client, b"a,b\n1,2\n,\n\n3,4\n,\n,\n", name="nulls")
        assert answer.json()["dataset"]["rows"] == 3
        assert await records(client, "nulls") == [{"a": "1", "b": "2"}, {"a": None, "b": None}, {"a": "3", "b": "4"}]
        assert answer.json()["import"]["warnings_total"] >= 1

    @pytest.mark.parametrize(
        "body",
        [PNG, b"PK\x03\x04 half a package", b"name,amount\nAnn,1\nBob,\x00\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
        ids=["png", "zip", "nul", "ole"],
    )  # fmt: skip
    async def test_what_is_no_table_is_refused_and_stores_nothing(self, client: AsyncClient, body: bytes) -> None:
        answer = await raw(client, body, name="bad")
        assert answer.status_code in {415, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/datasets")).json()["total"] == 0

    async def test_a_cell_that_does_not_fit_its_type_names_its_place(self, client: AsyncClient) -> None:
        answer = await raw(client, b"a\n1\nx\n", name="bad", types="a:integer")
        assert answer.status_code == 422
        error = answer.json()["errors"][0]
        assert (error["row"], error["column"]) == (3, "a")
        assert (await client.get("/datasets")).json()["total"] == 0

    async def test_a_refused_file_leaves_no_table(self, user: User, postgres_url: str) -> None:
        await raw(user.client, name="good")
        schema = "ws_" + user.workspace["id"].replace("-", "")
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename LIKE 'records%%'"
        body = b"a\n" + b"1\n" * 300_000 + b"x\n"
        answer = await raw(user.client, body, name="bad", types="a:integer")
        assert answer.status_code == 422
        with psycopg.connect(postgres_url) as connection:
            assert connection.execute(tables, (schema,)).fetchone() == (1,)

    async def test_on_error_skip_leaves_rows_out(self, client: AsyncClient) -> None:
        answer = await raw(client, b"a\n1\nx\n3\n", name="skip", types="a:integer", on_error="skip")
        assert answer.status_code == 201, answer.text
        assert (answer.json()["import"]["rows"], answer.json()["import"]["rejected"]) == (2, 1)
        assert answer.json()["dataset"]["rows"] == 2
        assert await records(client, "skip") == [{"a": "1"}, {"a": "3"}]

    async def test_a_type_for_a_column_that_is_not_there(self, client: AsyncClient) -> None:
        assert (await raw(client, name="x", types="nme:text")).status_code == 422

    async def test_a_body_that_stops_half_way(self, service: Any, user: User) -> None:
        """The connection ends before the length that was announced."""
        sent: list[Any] = []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/api/v1/datasets", "raw_path": b"/api/v1/datasets", "query_string": b"name=half", "root_path": "",
            "headers": [(b"x-api-key", user.key.encode()), (b"content-type", b"text/csv"), (b"content-length", b"100")],
            "client": ("127.0.0.1", 1), "server": ("sheaf.test", 80),
        }  # fmt: skip
        messages = [{"type": "http.request", "body": b"a,b\n1,", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0) if len(messages) > 1 else messages[0]

        async def send(message: Any) -> None:
            sent.append(message)

        await service.app(scope, receive, send)
        assert sent[0]["status"] == 400
        assert (await user.client.get("/datasets")).json()["total"] == 0


class TestInference:
    async def test_types_are_those_of_the_whole_file(self, client: AsyncClient) -> None:
        """A value far behind the first batch decides; what was loaded until then is loaded anew."""
        rows = 200_000
        body = b"id,code\n" + b"".join(b"%d,%d\n" % (at, at) for at in range(rows)) + b"1,007\n"
        answer = await raw(client, body, name="late")
        assert answer.json()["dataset"]["rows"] == rows + 1
        columns = (await client.get("/datasets/late/schema")).json()["columns"]
        assert [column["type"] for column in columns] == ["integer", "text"]
        first = exact(await client.get("/datasets/late/records/1"))["data"]
        last = exact(await client.get(f"/datasets/late/records/{rows + 1}"))["data"]
        assert (first, last) == ({"id": "0", "code": "0"}, {"id": "1", "code": "007"})

    @pytest.mark.parametrize(
        ("cells", "kind"),
        [
            (["1", "-2", "0"], "integer"),
            (["9223372036854775808", "1234567890123456789012345678901234567890"], "integer"),
            (["0.10", "1.5", "-3"], "number"),
            (["0.1234567890123456789012345678901234567890"], "number"),
            (["007", "1"], "text"),
            (["1e5", "1"], "text"),
            (["1,5", "2,5"], "text"),
            (["+49 30 1", "1"], "text"),
            (["-0", "1"], "text"),
            (["1.", ".5"], "text"),
            (["NaN", "1"], "text"),
            (["true", "false"], "boolean"),
            (["TRUE", "FALSE"], "boolean"),
            (["True", "true"], "text"),
            (["2025-01-31", "1999-12-31"], "date"),
            (["2025-02-30", "2025-01-01"], "text"),
            (["03/04/2025", "05/06/2025"], "text"),
            (["2025-01-31T10:20:30Z"], "datetime"),
            (["2025-01-31 10:20:30.5"], "datetime"),
            (["10:20:30"], "time"),
            (["10:20:30", "10:20:30.5"], "text"),
        ],
    )
    async def test_nothing_is_damaged(self, client: AsyncClient, cells: list[str], kind: str) -> None:
        text = "value\r\n" + "".join(f'"{cell}"\r\n' if "," in cell else f"{cell}\r\n" for cell in cells)
        await raw(client, text.encode(), name="cells", header="true")
        column = (await client.get("/datasets/cells/schema")).json()["columns"][0]
        assert column["type"] == column["evidence"]["type"] == kind
        assert (await client.get("/datasets/cells/export")).text == text
