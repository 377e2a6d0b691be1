"""Datasets: make an empty one, list, read, rename, describe, delete, undelete, schema."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient
from support.calls import make
from support.service import MakeUser, Upload, User

pytestmark = pytest.mark.anyio


class TestCreate:
    async def test_answers_the_dataset_with_its_address(self, user: User) -> None:
        answer = await user.client.post("/datasets", json={"name": "Orders 2025", "description": "all of them"})
        assert answer.status_code == 201
        told = answer.json()
        assert answer.headers["location"] == f"/api/v1/datasets/{told['id']}"
        assert UUID(told["id"]).version == 7
        assert set(told) == {
            "id", "slug", "name", "description", "kind", "workspace", "owner", "version", "rows", "columns", "bytes",
            "created_at", "updated_at",
        }  # fmt: skip
        expected = {
            "slug": "orders-2025", "name": "Orders 2025", "description": "all of them", "owner": user.id,
            "workspace": user.workspace["id"], "version": 1, "rows": 0, "columns": 0,
        }  # fmt: skip
        assert {name: told[name] for name in expected} == expected
        read = await user.client.get(answer.headers["location"].removeprefix("/api/v1"))
        assert read.json() == told
        assert read.headers["etag"] == answer.headers["etag"]

    async def test_columns_keep_their_order_and_meaning(self, client: AsyncClient) -> None:
        columns = [
            {"name": "z", "type": "integer", "nullable": False, "description": "last letter"},
            {"name": "a"},
            {"name": "day", "type": "date"},
        ]
        made = await make(client, columns=columns)
        schema = (await client.get(f"/datasets/{made['id']}/schema")).json()
        told = [(each["name"], each["type"], each["nullable"], each["description"]) for each in schema["columns"]]
        assert told == [("z", "integer", False, "last letter"), ("a", "text", True, None), ("day", "date", True, None)]
        assert made["columns"] == 3

    async def test_a_taken_name_is_409_in_any_case(self, client: AsyncClient) -> None:
        await make(client, "Orders")
        for name in ("Orders", "orders", " ORDERS "):
            answer = await client.post("/datasets", json={"name": name})
            assert answer.status_code == 409
            assert answer.json()["error_code"] == "DATASET_NAME_TAKEN"

    async def test_names_that_share_a_slug_get_slugs_of_their_own(self, client: AsyncClient) -> None:
        slugs = [(await make(client, name))["slug"] for name in ("a b", "a-b", "a.b")]
        assert slugs == ["a-b", "a-b-2", "a-b-3"]

    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Überblick – Straße", "überblick-strasse"),
            ("売上 2025", "売上-2025"),
            ("...", "dataset"),
            ("01890000-0000-7000-8000-000000000000", "01890000-0000-7000-8000-000000000000-"),
        ],
    )
    async def test_a_slug_is_made_of_letters_and_digits(self, client: AsyncClient, name: str, slug: str) -> None:
        made = await make(client, name)
        assert (made["name"], made["slug"]) == (name, slug)
        assert (await client.get(f"/datasets/{slug}")).json()["id"] == made["id"]

    @pytest.mark.parametrize(
        "name", ["", "   ", "a/b", "a\\b", "a\u0000b", "a\nb", "abc\u202etxt.exe", "\u200b", "x" * 201, ".", " .."]
    )
    async def test_a_name_that_misleads_is_422(self, client: AsyncClient, name: str) -> None:
        answer = await client.post("/datasets", json={"name": name})
        assert answer.status_code == 422
        assert answer.json()["error_code"] == "INVALID_NAME"
        assert (await client.get("/datasets")).json()["total"] == 0

    async def test_half_a_surrogate_pair_is_no_json(self, client: AsyncClient) -> None:
        answer = await client.post(
            "/datasets", content=b'{"name": "\\ud800"}', headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"name": "x", "columns": [{"name": "a"}, {"name": "a"}]}, "/columns/1/name"),
            ({"name": "x", "columns": [{"name": "a\u0000b"}]}, "/columns/0/name"),
            ({"name": "x", "columns": [{"name": " "}]}, "/columns/0/name"),
            ({"name": "x", "columns": [{"name": "a"}, {"name": " __id"}]}, "/columns/1/name"),
            ({"name": "a/b"}, "/name"),
            ({"name": "x", "columns": [{"name": "a", "type": "float"}]}, "/columns/0/type"),
            ({"name": "x", "colums": []}, None),
            ({"columns": []}, None),
        ],
    )
    async def test_a_bad_body_is_422_with_a_pointer(self, client: AsyncClient, body: Any, pointer: str | None) -> None:
        answer = await client.post("/datasets", json=body)
        assert answer.status_code == 422
        assert [error.get("pointer") for error in answer.json()["errors"]] == [pointer]

    async def test_a_workspace_is_named_by_id_or_slug(self, user: User) -> None:
        first = await make(user.client, "a", workspace=user.workspace["id"])
        second = await make(user.client, "b", workspace=user.workspace["slug"])
        assert first["workspace"] == second["workspace"] == user.workspace["id"]
        third = await user.client.post("/datasets", json={"name": "c"}, params={"workspace": user.workspace["slug"]})
        assert third.json()["workspace"] == user.workspace["id"]
        twice = {"name": "d", "workspace": user.workspace["id"]}
        answer = await user.client.post("/datasets", json=twice, params={"workspace": user.workspace["slug"]})
        assert answer.status_code == 400
        answer = await user.client.post("/datasets", json={"name": "c", "workspace": "nobody"})
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "WORKSPACE_NOT_FOUND"

    async def test_two_users_may_have_datasets_of_one_name(self, client: AsyncClient, make_user: MakeUser) -> None:
        other = (await make_user()).client
        assert (await make(client))["slug"] == (await make(other))["slug"] == "orders"


class TestList:
    async def test_answers_data_total_and_has_more(self, client: AsyncClient) -> None:
        for name in ("b", "a", "c"):
            await make(client, name)
        listed = (await client.get("/datasets", params={"sort": "name", "limit": 2})).json()
        assert [each["name"] for each in listed["data"]] == ["a", "b"]
        assert (listed["total"], listed["has_more"]) == (3, True)
        rest = (await client.get("/datasets", params={"sort": "name", "limit": 2, "offset": 2})).json()
        assert [each["name"] for each in rest["data"]] == ["c"]
        assert (rest["total"], rest["has_more"]) == (3, False)

    async def test_is_empty_before_the_first_dataset(self, client: AsyncClient) -> None:
        assert (await client.get("/datasets")).json() == {"data": [], "total": 0, "has_more": False}

    async def test_q_looks_into_names_and_descriptions(self, client: AsyncClient) -> None:
        await make(client, "Orders", description="by Müller")
        await make(client, "people")
        for q, found in (("ORD", ["Orders"]), ("müller", ["Orders"]), ("p", ["people"]), ("%", [])):
            listed = (await client.get("/datasets", params={"q": q})).json()
            assert [each["name"] for each in listed["data"]] == found, q

    async def test_the_newest_comes_first(self, client: AsyncClient) -> None:
        for name in ("a", "b"):
            await make(client, name)
        await client.patch("/datasets/a", json={"description": "touched"})
        assert [each["name"] for each in (await client.get("/datasets")).json()["data"]] == ["a", "b"]

    @pytest.mark.parametrize(
        "params",
        [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"offset": -1}, {"sort": "colour"}, {"sort": "-"}, {"q": "\0"}],
    )
    async def test_a_wrong_parameter_is_400(self, client: AsyncClient, params: Any) -> None:
        await make(client)
        answer = await client.get("/datasets", params=params)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_an_unknown_parameter_is_400_with_the_nearest(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets", params={"limt": 5})
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "UNKNOWN_PARAMETER"
        assert "limit" in answer.json()["detail"]


class TestRead:
    async def test_by_id_and_by_slug(self, client: AsyncClient, user: User) -> None:
        made = await make(client, "My Orders")
        for address in (made["id"], made["id"].upper(), "my-orders", f"my-orders?workspace={user.workspace['slug']}"):
            assert (await client.get(f"/datasets/{address}")).json() == made

    async def test_304_without_a_body(self, client: AsyncClient) -> None:
        await make(client)
        etag = (await client.get("/datasets/orders")).headers["etag"]
        assert not etag.startswith("W/")
        for known in (etag, f'"other", {etag}', "*", f"W/{etag}"):
            answer = await client.get("/datasets/orders", headers={"If-None-Match": known})
            assert answer.status_code == 304
            assert answer.content == b""
            assert answer.headers["etag"] == etag
            assert "content-type" not in answer.headers

    async def test_a_description_changes_the_etag(self, client: AsyncClient) -> None:
        await make(client)
        before = (await client.get("/datasets/orders")).headers["etag"]
        changed = await client.patch("/datasets/orders", json={"description": "x"})
        after = await client.get("/datasets/orders", headers={"If-None-Match": before})
        assert after.status_code == 200
        assert after.headers["etag"] == changed.headers["etag"] != before


class TestPatch:
    async def test_renames_with_a_new_slug_and_no_new_version(self, client: AsyncClient) -> None:
        made = await make(client)
        answer = await client.patch("/datasets/orders", json={"name": "Bills"})
        told = answer.json()
        assert (told["id"], told["name"], told["slug"], told["version"]) == (made["id"], "Bills", "bills", 1)
        assert (await client.get("/datasets/orders")).status_code == 404
        assert (await client.get("/datasets/bills")).status_code == 200
        assert (await client.get(f"/datasets/{made['id']}/versions")).json()["total"] == 1

    async def test_null_clears_and_absent_leaves(self, client: AsyncClient) -> None:
        await make(client, description="old")
        assert (await client.patch("/datasets/orders", json={})).json()["description"] == "old"
        assert (await client.patch("/datasets/orders", json={"description": None})).json()["description"] is None

    async def test_a_change_of_case_is_no_conflict_with_itself(self, client: AsyncClient) -> None:
        await make(client)
        told = (await client.patch("/datasets/orders", json={"name": "ORDERS"})).json()
        assert (told["name"], told["slug"]) == ("ORDERS", "orders")

    async def test_a_taken_name_is_409(self, client: AsyncClient) -> None:
        await make(client)
        await make(client, "bills")
        answer = await client.patch("/datasets/bills", json={"name": "Orders"})
        assert answer.status_code == 409
        assert answer.json()["error_code"] == "DATASET_NAME_TAKEN"

    @pytest.mark.parametrize(
        "body",
        [{"name": ""}, {"name": None}, {"name": "a/b"}, {"slug": "x"}, {"description": "x" * 10_001}, [], 7],
    )
    async def test_a_bad_body_is_422(self, client: AsyncClient, body: Any) -> None:
        made = await make(client)
        assert (await client.patch("/datasets/orders", json=body)).status_code == 422
        assert (await client.get("/datasets/orders")).json() == made

    @pytest.mark.parametrize("description", ["a\0b", "\ud800"])
    async def test_text_that_cannot_be_stored_is_refused(self, client: AsyncClient, description: str) -> None:
        await make(client)
        body = ascii({"description": description}).replace("'", '"').replace("\\x00", "\\u0000").encode()
        answer = await client.patch("/datasets/orders", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}

    async def test_if_match(self, client: AsyncClient) -> None:
        await make(client)
        etag = (await client.get("/datasets/orders")).headers["etag"]
        first = await client.patch("/datasets/orders", json={"description": "1"}, headers={"If-Match": etag})
        assert first.status_code == 200
        stale = await client.patch("/datasets/orders", json={"description": "2"}, headers={"If-Match": etag})
        assert (stale.status_code, stale.json()["version"]) == (412, 1)
        assert stale.json()["error_code"] == "PRECONDITION_FAILED"
        assert stale.headers["etag"] == first.headers["etag"]
        assert (await client.get("/datasets/orders")).json()["description"] == "1"
        any_version = await client.patch("/datasets/orders", json={"description": "3"}, headers={"If-Match": "*"})
        assert any_version.status_code == 200
        weak = f"W/{any_version.headers['etag']}"
        assert (await client.patch("/datasets/orders", json={}, headers={"If-Match": weak})).status_code == 412


class TestSchema:
    async def test_tells_the_evidence_of_the_file(self, client: AsyncClient, upload: Upload) -> None:
        await upload("sku,amount,note\n007,1,\n08,2.50,x\n9,3,\n")
        answer = await client.get("/datasets/orders/schema")
        assert answer.json()["version"] == 1
        sku, amount, note = answer.json()["columns"]
        assert (sku["name"], sku["type"], sku["nullable"]) == ("sku", "text", True)
        assert sku["evidence"]["type"] == "text"
        refused = sku["evidence"]["refused"]["integer"]
        assert "leading zero" in refused["reason"]
        assert (refused["cells"][0]["row"], refused["cells"][0]["value"]) == (2, "007")
        assert (amount["type"], amount["evidence"]["min"], amount["evidence"]["max"]) == ("number", "1", "3")
        assert (note["evidence"]["nulls"], note["evidence"]["longest"]) == (2, 1)

    async def test_304(self, client: AsyncClient, upload: Upload) -> None:
        await upload()
        etag = (await client.get("/datasets/orders/schema")).headers["etag"]
        answer = await client.get("/datasets/orders/schema", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")

    async def test_reads_as_it_was(self, client: AsyncClient) -> None:
        await make(client)
        await client.post("/datasets/orders/records", json={"a": 1})
        await client.post("/datasets/orders/records", json={"b": 1})
        names = []
        for version in (1, 2, 3):
            schema = (await client.get("/datasets/orders/schema", params={"version": version})).json()
            names.append([each["name"] for each in schema["columns"]])
        assert names == [[], ["a"], ["a", "b"]]
        assert (await client.get("/datasets/orders/schema", params={"version": 4})).status_code == 404
