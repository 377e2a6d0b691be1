"""Uploads: a file as a form or as the raw body becomes a dataset at version 1, or nothing at all."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
import xlsxwriter
from httpx import AsyncClient, Response
from support.service import User, exact, without_request_id

pytestmark = pytest.mark.anyio

Upload = Callable[..., Any]
CSV = {"Content-Type": "text/csv"}
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
ORDERS = b"name,amount\nAnn,1\nBob,2\n"


async def raw(client: AsyncClient, body: bytes = ORDERS, headers: dict[str, str] = CSV, **params: Any) -> Response:
    return await client.post("/datasets", params=params, content=body, headers=headers)


async def form(client: AsyncClient, body: bytes = ORDERS, filename: str = "orders.csv", **fields: str) -> Response:
    return await client.post("/datasets", data=fields, files={"file": (filename, body, "text/csv")})


async def records(client: AsyncClient, ref: str) -> list[dict[str, Any]]:
    return [record["data"] for record in exact(await client.get(f"/datasets/{ref}/records"))["data"]]


def workbook(rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("Sales")
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    return file.getvalue()


class TestRawBody:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await raw(anonymous)).status_code == 401

    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert (await raw(reader)).status_code == 403

    async def test_answers_dataset_and_import(self, user: User) -> None:
        answer = await raw(user.client, name="Orders")
        assert answer.status_code == 201
        told = answer.json()
        dataset, report = told["dataset"], told["import"]
        assert set(told) == {"dataset", "import"}
        assert answer.headers["location"] == f"/api/v1/datasets/{dataset['id']}"
        assert (dataset["version"], dataset["rows"], dataset["columns"], dataset["slug"]) == (1, 2, 2, "orders")
        assert dataset["bytes"] > 0
        assert report.pop("seconds") >= 0
        assert report == {
            "format": "csv", "encoding": "utf-8", "delimiter": ",", "quote": '"', "sheet": None, "header_row": 1,
            "rows": 2, "columns": 2, "rejected": 0, "bytes": len(ORDERS), "sha256": hashlib.sha256(ORDERS).hexdigest(),
            "warnings": [], "warnings_total": 0,
        }  # fmt: skip
        assert await records(user.client, "orders") == [{"name": "Ann", "amount": "1"}, {"name": "Bob", "amount": "2"}]

    async def test_is_version_1_with_its_source(self, user: User) -> None:
        await raw(user.client, name="orders")
        version = (await user.client.get("/datasets/orders/versions/1")).json()
        assert version["operation"] == "import"
        assert (version["rows"], version["added"], version["changed"], version["removed"]) == (2, 2, 0, 0)
        assert version["author"] == user.id
        assert version["source"]["sha256"] == hashlib.sha256(ORDERS).hexdigest()

    @pytest.mark.parametrize("media_type", ["text/csv; charset=utf-8", "application/octet-stream", "text/plain", None])
    async def test_any_media_type_will_do(self, client: AsyncClient, media_type: str | None) -> None:
        answer = await raw(client, headers={"Content-Type": media_type} if media_type else {}, name="orders")
        assert answer.status_code == 201
        assert answer.json()["import"]["rows"] == 2

    @pytest.mark.parametrize("told", ["xlsx", "xlsm", "xlsb"])
    async def test_a_workbook_is_told_by_its_format(self, client: AsyncClient, told: str) -> None:
        answer = await raw(client, workbook([["sku"], ["007"]]), {}, format=told, name="book")
        assert (answer.status_code, answer.json()["import"]["format"]) == (201, "xlsx")

    async def test_curls_own_media_type_is_taken_for_a_file(self, client: AsyncClient) -> None:
        answer = await raw(client, headers={"Content-Type": "application/x-www-form-urlencoded"}, name="orders")
        assert answer.status_code == 201

    async def test_the_name_comes_from_the_files(self, client: AsyncClient) -> None:
        headers = {**CSV, "Content-Disposition": "attachment; filename*=UTF-8''%C3%9Cber%2Fsicht%202025.csv"}
        names = [(await raw(client, headers=headers)).json()["dataset"]["name"] for _ in range(3)]
        assert names == ["sicht 2025", "sicht 2025 2", "sicht 2025 3"]

    async def test_without_any_name(self, client: AsyncClient) -> None:
        assert [(await raw(client)).json()["dataset"]["slug"] for _ in range(2)] == ["dataset", "dataset-2"]

    async def test_a_name_in_any_script_gets_a_suffix_too(self, client: AsyncClient) -> None:
        names = [
            (await form(client, filename=f"{name}.csv")).json()["dataset"]["name"] for name in ("ÉTÉ", "Été", "été")
        ]
        assert names == ["ÉTÉ", "Été 2", "été 3"]

    async def test_options_are_parameters(self, client: AsyncClient) -> None:
        answer = await raw(
            client, b"x\nn;d\n007;03/04/2025\n;-\n", name="a", delimiter=";", header=2, types="n:integer,d:date",
            null_values="-,n/a", date_format="%d/%m/%Y",
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        assert await records(client, "a") == [{"n": "7", "d": "2025-04-03"}, {"n": None, "d": None}]

    @pytest.mark.parametrize(
        "params",
        [{"delimter": ";"}, {"on_error": "ignore"}, {"types": '{"a": "float"}'}, {"types": "{"}, {"skip_rows": "x"},
         {"format": "docx"}, {"delimiter": ""}, {"encoding": "klingon"}, {"skip_rows": -1}, {"null_values": "[1"},
         {"quote": "''"}, {"header": "maybe"}, {"types": "a"}, {"date_format": "%d"}],
        ids=str,
    )  # fmt: skip
    async def test_a_wrong_option_is_refused_and_stores_nothing(self, client: AsyncClient, params: Any) -> None:
        answer = await raw(client, name="orders", **params)
        assert answer.status_code in {400, 422}, answer.text
        assert (await client.get("/datasets")).json()["total"] == 0

    async def test_an_unknown_option_names_the_nearest(self, client: AsyncClient) -> None:
        answer = await raw(client, delimter=";")
        assert answer.json()["error_code"] == "UNKNOWN_PARAMETER"
        assert "'delimiter'" in answer.json()["detail"]

    async def test_a_taken_name_is_409_before_the_body_is_read(self, client: AsyncClient) -> None:
        await raw(client, name="orders")
        read = []

        async def body() -> AsyncIterator[bytes]:
            read.append(True)
            yield ORDERS

        answer = await client.post("/datasets?name=ORDERS", content=body(), headers=CSV)
        assert answer.status_code == 409
        assert answer.json()["error_code"] == "DATASET_NAME_TAKEN"
        assert read == []

    async def test_a_deleted_datasets_name_is_free(self, client: AsyncClient) -> None:
        await raw(client, name="orders")
        await client.delete("/datasets/orders")
        assert (await raw(client, name="orders")).json()["dataset"]["slug"] == "orders"

    async def test_anothers_workspace_is_404(self, stranger: AsyncClient, user: User) -> None:
        answer = await raw(stranger, workspace=user.workspace["id"])
        missing = await raw(stranger, workspace="no-such")
        assert answer.status_code == 404
        assert without_request_id(answer) == without_request_id(missing)


class TestForm:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await form(anonymous)).status_code == 401

    async def test_a_file_and_nothing_else(self, client: AsyncClient) -> None:
        answer = await form(client, filename="My orders.2025.csv")
        assert answer.status_code == 201
        assert answer.json()["dataset"]["name"] == "My orders"

    async def test_name_workspace_and_options(self, user: User) -> None:
        options = json.dumps({"delimiter": ";", "types": {"amount": "text"}, "null_values": ["-"]})
        answer = await form(
            user.client, b"name;amount\nAnn;1\n-;2\n", name="orders", workspace=user.workspace["slug"], options=options
        )
        assert answer.status_code == 201, answer.text
        assert await records(user.client, "orders") == [{"name": "Ann", "amount": "1"}, {"name": None, "amount": "2"}]
        columns = (await user.client.get("/datasets/orders/schema")).json()["columns"]
        assert [column["type"] for column in columns] == ["text", "text"]

    @pytest.mark.parametrize(
        "fields",
        [{"nam": "x"}, {"options": "{"}, {"options": '{"delimter": ";"}'}, {"options": "[]"}, {"name": "a/b"},
         {"options": '{"skip_rows": "1"}'}],
        ids=str,
    )  # fmt: skip
    async def test_a_wrong_field_is_refused_and_stores_nothing(
        self, client: AsyncClient, fields: dict[str, str]
    ) -> None:
        answer = await form(client, **fields)
        assert answer.status_code in {400, 422}
        assert (await client.get("/datasets")).json()["total"] == 0

    async def test_what_is_given_twice_is_refused(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets?name=a", data={"name": "b"}, files={"file": ("orders.csv", ORDERS)})
        assert answer.status_code == 400
        assert "`name` is given twice" in answer.json()["detail"]
        assert (await client.get("/datasets")).json()["total"] == 0

    async def test_a_form_without_a_file(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets", files={"name": (None, "x")})
        assert answer.status_code == 400
        assert "`file`" in answer.json()["detail"]

    async def test_two_files(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets", files=[("file", ("a.csv", ORDERS)), ("file", ("b.csv", ORDERS))])
        assert answer.status_code == 400
        assert (await client.get("/datasets")).json()["total"] == 0

    @pytest.mark.parametrize(
        ("media_type", "body"),
        [
            ("multipart/form-data", b"--x\r\n"),
            ("multipart/form-data; boundary=x", b""),
            ("multipart/form-data; boundary=x", b"--y\r\n"),
            ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na'),
            ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
        ],
    )  # fmt: skip
    async def test_a_broken_form_is_400(self, client: AsyncClient, media_type: str, body: bytes) -> None:
        answer = await raw(client, body, {"Content-Type": media_type})
        assert answer.status_code == 400, answer.text
        assert (await client.get("/datasets")).json()["total"] == 0


class TestFiles:
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
