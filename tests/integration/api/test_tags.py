"""Names of versions: given, taken away, and read by wherever a version is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from support.service import Once, Upload, without_request_id

pytestmark = pytest.mark.anyio

LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture
async def orders(client: AsyncClient, upload: Upload, once: Once) -> AsyncClient:
    """A dataset of two versions, the first called `audited 2026`."""

    async def filled() -> None:
        await upload("name,amount\nAnn,1\nBob,2\n")
        await client.patch("/datasets/orders/schema", json={"columns": [{"name": "amount", "rename_to": "sum"}]})
        assert (await tag(client, 1, "audited 2026"))["tag"] == "audited 2026"

    await once("orders", filled)
    return client


async def tag(client: AsyncClient, version: int, name: Any, status: int = 200) -> Any:
    answer = await client.put(f"/datasets/orders/versions/{version}/tag", json={"tag": name})
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.reads
async def test_strangers_find_nothing(orders: AsyncClient, stranger: AsyncClient, reader: AsyncClient) -> None:
    theirs = (await orders.get("/datasets/orders")).json()["id"]
    missing = f"{theirs[:-12]}000000000000"
    for method, body in (("PUT", {"tag": "x"}), ("DELETE", None)):
        answers = [
            await stranger.request(method, f"/datasets/{ref}/versions/1/tag", json=body) for ref in (theirs, missing)
        ]
        assert without_request_id(answers[0]) == without_request_id(answers[1])
        assert answers[0].status_code == 404
        assert (await reader.request(method, "/datasets/orders/versions/1/tag", json=body)).status_code == 403


class TestNaming:
    async def test_it_is_no_version_and_moves_nothing(self, orders: AsyncClient) -> None:
        dataset = await orders.get("/datasets/orders")
        listed = await orders.get("/datasets/orders/versions")
        assert dataset.json()["version"] == 2
        assert [each["tag"] for each in listed.json()["data"]] == [None, "audited 2026"]
        assert (await tag(orders, 2, "  newest\u00a0")) == {**listed.json()["data"][0], "tag": "newest"}
        assert (await orders.get("/datasets/orders")).headers["etag"] == dataset.headers["etag"]
        unread = {"If-None-Match": listed.headers["etag"]}
        assert (await orders.get("/datasets/orders/versions", headers=unread)).status_code == 200

    async def test_a_version_has_one_and_a_tag_is_of_one(self, orders: AsyncClient) -> None:
        refused = await tag(orders, 2, "audited 2026", 409)
        assert refused["error_code"] == "TAG_TAKEN"
        await tag(orders, 1, "audited 2026")
        await tag(orders, 1, "checked")
        assert (await orders.get("/datasets/orders/schema?version=audited 2026")).status_code == 404
        await tag(orders, 2, "audited 2026")

    async def test_another_dataset_may_have_the_same(self, orders: AsyncClient, upload: Upload) -> None:
        await upload(name="bills")
        answer = await orders.put("/datasets/bills/versions/1/tag", json={"tag": "audited 2026"})
        assert answer.status_code == 200

    async def test_taken_away(self, orders: AsyncClient) -> None:
        for _ in range(2):
            assert (await orders.delete("/datasets/orders/versions/1/tag")).status_code == 204
        assert (await orders.get("/datasets/orders/versions/1")).json()["tag"] is None
        assert (await orders.get("/datasets/orders/records?version=audited 2026")).status_code == 404

    @pytest.mark.reads
    @pytest.mark.parametrize(
        "name", ["", " ", "7", "2026", "٣", "a\x00b", "a\nb", "\u200b", "x\u202ey", "x" * 101, None, 7]
    )
    async def test_what_cannot_be_one_is_refused(self, orders: AsyncClient, name: Any) -> None:
        refused = await tag(orders, 2, name, 422)
        assert [error["pointer"] for error in refused["errors"]] == ["/tag"]

    @pytest.mark.parametrize("name", ["7a", " a ", "x" * 100, "é", "eq:1", "a/b?c&d", "-1", "1.0", "true"])
    async def test_any_other_text_can(self, orders: AsyncClient, name: str) -> None:
        await tag(orders, 2, name)
        answer = await orders.get("/datasets/orders/schema", params={"version": name})
        assert answer.json()["version"] == 2

    @pytest.mark.reads
    async def test_one_that_never_was_is_404(self, orders: AsyncClient) -> None:
        assert (await tag(orders, 3, "x", 404))["error_code"] == "VERSION_NOT_FOUND"
        assert (await orders.delete("/datasets/orders/versions/3/tag")).status_code == 404

    async def test_of_two_who_give_it_at_once_one_gets_it(self, orders: AsyncClient) -> None:
        paths = [f"/datasets/orders/versions/{version}/tag" for version in (1, 2) for _ in range(2)]
        answers = await asyncio.gather(*(orders.put(path, json={"tag": "mine"}) for path in paths))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409]
        tags = [each["tag"] for each in (await orders.get("/datasets/orders/versions")).json()["data"]]
        assert tags.count("mine") == 1


class TestReading:
    """Whatever takes a version's number takes its tag."""

    @pytest.mark.reads
    async def test_records(self, orders: AsyncClient) -> None:
        params = {"version": "audited 2026", "amount": "gt:1"}
        page = (await orders.get("/datasets/orders/records", params=params)).json()
        assert (page["version"], page["data"]) == (1, [{"id": 2, "version": 1, "data": {"name": "Bob", "amount": 2}}])
        counted = (await orders.get("/datasets/orders/records/count", params=params)).json()
        assert counted == {"count": 1, "version": 1}
        one = await orders.get("/datasets/orders/records/2", params={"version": "audited 2026"})
        assert one.json() == page["data"][0]
        asked = (await orders.post("/datasets/orders/query", json={"version": "audited 2026"})).json()
        assert (asked["version"], asked["count"]) == (1, 2)

    @pytest.mark.reads
    async def test_streams_and_exports(self, orders: AsyncClient) -> None:
        params = {"version": "audited 2026"}
        for answer in (
            await orders.get("/datasets/orders/records", params=params, headers=LINES),
            await orders.get("/datasets/orders/records/stream", params=params),
            await orders.post("/datasets/orders/query", json=params, headers=LINES),
            await orders.get("/datasets/orders/export", params={**params, "format": "csv"}),
            await orders.post("/datasets/orders/export", params={"format": "csv"}, json=params),
        ):
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-dataset-version"] == "1"
            assert "amount" in answer.text

    @pytest.mark.reads
    async def test_the_schema_and_differences(self, orders: AsyncClient) -> None:
        schema = (await orders.get("/datasets/orders/schema", params={"version": "audited 2026"})).json()
        assert (schema["version"], schema["columns"][1]["name"]) == (1, "amount")
        for params in ({"from": "audited 2026"}, {"from": 2, "to": "audited 2026"}):
            found = await orders.get("/datasets/orders/diff", params=params)
            assert sorted([found.json()["from"], found.json()["to"]]) == [1, 2]

    async def test_restores(self, orders: AsyncClient) -> None:
        answer = await orders.post("/datasets/orders/restore", json={"version": "audited 2026"})
        assert answer.json()["version"] == 3
        made = (await orders.get("/datasets/orders/versions/3")).json()
        assert made["source"] == {"version": 1}

    async def test_pages_stay_with_the_version_when_the_tag_goes_elsewhere(self, orders: AsyncClient) -> None:
        params = {"version": "audited 2026", "limit": 1}
        first = (await orders.get("/datasets/orders/records", params=params)).json()
        await orders.delete("/datasets/orders/versions/1/tag")
        await tag(orders, 2, "audited 2026")
        second = (await orders.get("/datasets/orders/records", params={"cursor": first["next"]})).json()
        assert (second["version"], second["data"][0]["data"]) == (1, {"name": "Bob", "amount": 2})
        anew = (await orders.get("/datasets/orders/records", params=params)).json()
        assert (anew["version"], anew["data"][0]["data"]) == (2, {"name": "Ann", "sum": 1})
