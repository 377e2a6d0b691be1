"""Datasets without a schema: it grows with what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient
from support.calls import schema, send
from support.service import exact

pytestmark = pytest.mark.anyio


@pytest.fixture
async def free(client: AsyncClient) -> dict[str, Any]:
    """A dataset without a schema."""
    dataset: dict[str, Any] = (await client.post("/datasets", json={"name": "free"})).json()
    return dataset


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
         ('"x"', '{"a": 1}', "json"), ("null", "1", "integer"), ("null", "[1]", "json"),
         ("1", "null", "integer"), ('"2025-01-31"', '"x"', "text")],
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
        assert (await schema(client, "free", version=2))["a"] != "json"

    async def test_a_column_is_text_until_its_first_value_and_never_narrows(self, client: AsyncClient) -> None:
        for value, kind in [(None, "text"), (None, "text"), (2.5, "number"), (1, "number"), ("x", "json")]:
            await client.post("/datasets/free/records", json={"a": value})
            assert await schema(client, "free") == {"a": kind}
        await client.post("/datasets/free/records", json={"b": None})
        await client.post("/datasets/free/records", json={"b": "x"})
        await client.patch("/datasets/free/records/7", json={"b": None})
        await client.post("/datasets/free/records", json={"b": 1})
        assert (await schema(client, "free"))["b"] == "json"

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
        if name.strip() in {"", "__id"}:
            assert answer.status_code == 422, answer.text
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
