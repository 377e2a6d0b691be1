"""The versions of a dataset: list, read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from httpx import AsyncClient
from support.service import Upload, User, exact, without_request_id

pytestmark = pytest.mark.anyio


class TestList:
    async def test_the_newest_comes_first(self, user: User, upload: Upload) -> None:
        await upload()
        await user.client.post("/datasets/orders/records", json=[{"name": "x"}, {"name": "y"}])
        await user.client.patch("/datasets/orders/records/1", json={"name": "Anna"})
        await user.client.delete("/datasets/orders/records/2")
        listed = (await user.client.get("/datasets/orders/versions")).json()
        assert (listed["total"], listed["has_more"]) == (4, False)
        counts = ("version", "operation", "rows", "added", "changed", "removed")
        assert [tuple(each[name] for name in counts) for each in listed["data"]] == [
            (4, "delete", 3, 0, 0, 1),
            (3, "update", 4, 0, 1, 0),
            (2, "create", 4, 2, 0, 0),
            (1, "import", 2, 2, 0, 0),
        ]
        assert {each["author"] for each in listed["data"]} == {user.id}
        moments = [datetime.fromisoformat(each["created_at"]) for each in listed["data"]]
        assert moments == sorted(moments, reverse=True)
        assert all(moment.tzinfo for moment in moments)

    async def test_is_paged(self, client: AsyncClient, upload: Upload) -> None:
        await upload()
        for at in range(3):
            await client.patch("/datasets/orders/records/1", json={"name": f"{at}"})
        first = (await client.get("/datasets/orders/versions?limit=3")).json()
        rest = (await client.get("/datasets/orders/versions?limit=3&offset=3")).json()
        assert [each["version"] for each in first["data"]] == [4, 3, 2]
        assert [each["version"] for each in rest["data"]] == [1]
        assert (first["has_more"], rest["has_more"], rest["total"]) == (True, False, 4)

    async def test_a_rename_is_no_version(self, client: AsyncClient, upload: Upload) -> None:
        await upload()
        await client.patch("/datasets/orders", json={"name": "bills", "description": "x"})
        assert (await client.get("/datasets/bills/versions")).json()["total"] == 1

    @pytest.mark.reads
    @pytest.mark.parametrize(
        "params", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"limt": 1}, {"sort": "version"}]
    )
    async def test_a_wrong_parameter_is_400(self, orders: AsyncClient, params: Any) -> None:
        assert (await orders.get("/datasets/orders/versions", params=params)).status_code == 400


class TestRead:
    @pytest.mark.reads
    async def test_one_version(self, orders: AsyncClient) -> None:
        listed = (await orders.get("/datasets/orders/versions")).json()["data"][0]
        assert (await orders.get("/datasets/orders/versions/1")).json() == listed
        assert set(listed) == {
            "version", "created_at", "author", "operation", "note", "rows", "added", "changed", "removed", "tag",
            "source",
        }  # fmt: skip

    @pytest.mark.reads
    @pytest.mark.parametrize("version", ["0", "2", "-1", "9999999999", "99999999999999999999"])
    async def test_one_that_never_was_is_404(self, orders: AsyncClient, version: str) -> None:
        answer = await orders.get(f"/datasets/orders/versions/{version}")
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "VERSION_NOT_FOUND"

    async def test_an_empty_dataset_has_one(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "empty"})
        version = (await client.get("/datasets/empty/versions/1")).json()
        assert (version["operation"], version["rows"], version["source"]) == ("create", 0, None)


class TestHistory:
    async def test_without_a_key_is_refused(self, anonymous: AsyncClient, upload: Upload) -> None:
        dataset = await upload()
        assert (await anonymous.get(f"/datasets/{dataset['id']}/records/1/history")).status_code == 401

    async def test_a_stranger_sees_what_is_missing(self, stranger: AsyncClient, upload: Upload) -> None:
        dataset = await upload()
        answer = await stranger.get(f"/datasets/{dataset['id']}/records/1/history")
        missing = await stranger.get("/datasets/01890000-0000-7000-8000-000000000000/records/1/history")
        assert without_request_id(answer) == without_request_id(missing)
        assert answer.status_code == 404

    async def test_tells_every_image_with_its_author_and_when_it_ended(self, user: User, upload: Upload) -> None:
        await upload("name,amount\nAnn,0.10\nBob,2\n", name="people")
        await user.client.patch("/datasets/people/records/1", json={"amount": 0.5})
        await user.client.patch("/datasets/people/records/2", json={"amount": 7})
        await user.client.delete("/datasets/people/records/1")
        told = exact(await user.client.get("/datasets/people/records/1/history"))
        assert [(image["version"], image["until"], image["data"]) for image in told["data"]] == [
            ("1", "2", {"name": "Ann", "amount": "0.10"}),
            ("2", "4", {"name": "Ann", "amount": "0.5"}),
        ]
        assert {image["author"] for image in told["data"]} == {user.id}
        assert [image["operation"] for image in told["data"]] == ["import", "update"]
        assert (told["total"], told["has_more"]) == ("2", False)

    async def test_shows_each_image_with_the_columns_of_its_time(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "open"})
        await client.post("/datasets/open/records", json={"a": 1})
        await client.patch("/datasets/open/records/1", json={"b": "x"})
        told = (await client.get("/datasets/open/records/1/history")).json()["data"]
        assert [image["data"] for image in told] == [{"a": 1}, {"a": 1, "b": "x"}]

    async def test_is_paged(self, client: AsyncClient, upload: Upload) -> None:
        await upload("amount\n0\n", name="counter")
        for n in range(1, 5):
            await client.patch("/datasets/counter/records/1", json={"amount": n})
        told = (await client.get("/datasets/counter/records/1/history?limit=2&offset=2")).json()
        assert [image["data"]["amount"] for image in told["data"]] == [2, 3]
        assert (told["total"], told["has_more"]) == (5, True)

    async def test_a_record_that_never_was_is_not_found(self, client: AsyncClient, upload: Upload) -> None:
        dataset = await upload()
        assert (await client.get(f"/datasets/{dataset['id']}/records/99/history")).status_code == 404
