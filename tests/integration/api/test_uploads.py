"""Uploads: a file as a form or as the raw body becomes a dataset at version 1, or nothing at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient, Response
from support.calls import CSV, ORDERS, raw, records
from support.service import User, without_request_id

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


async def form(client: AsyncClient, body: bytes = ORDERS, filename: str = "orders.csv", **fields: str) -> Response:
    return await client.post("/datasets", data=fields, files={"file": (filename, body, "text/csv")})


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
        assert UUID(report.pop("id")).version == 7
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

    async def test_a_column_called_like_the_record_id_is_renamed(self, client: AsyncClient) -> None:
        told = (await raw(client, b"__id,a\n7,x\n8,y\n", name="a")).json()["import"]
        assert told["warnings"] == [
            {"message": "__id means the record's own id: named __id_2", "row": 1, "column": "__id_2", "value": "__id"}
        ]
        by_id = await client.get("/datasets/a/records", params={"filter[__id]": "2"})
        assert [each["data"] for each in by_id.json()["data"]] == [{"__id_2": 8, "a": "y"}]
        by_column = await client.get("/datasets/a/records", params={"filter[__id_2]": "7", "sort": "-__id_2"})
        assert [each["id"] for each in by_column.json()["data"]] == [1]

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


class TestPlan:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient) -> None:
        assert (await raw(anonymous, dry_run="true")).status_code == 401

    async def test_tells_what_would_come_and_stores_nothing(self, user: User) -> None:
        content = b"sku,amount\n007,1\nx,zwei\n"
        answer = await raw(user.client, content, name="planned", dry_run="true", types="amount:integer")
        assert answer.status_code == 200
        plan = answer.json()
        assert [(each["name"], each["type"]) for each in plan["columns"]] == [("sku", "text"), ("amount", "integer")]
        assert plan["rows"] == [{"sku": "007", "amount": "1"}, {"sku": "x", "amount": None}]
        assert (plan["bad_cells_total"], plan["bad_cells"][0]["value"], plan["bad_cells"][0]["row"]) == (1, "zwei", 3)
        assert (plan["refused"], plan["bad_cells"][0]["message"]) == (True, "not of type integer")
        assert plan["import"]["delimiter"] == ","
        assert (await user.client.get("/datasets")).json()["total"] == 0
