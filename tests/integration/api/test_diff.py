"""What is different between two versions: counts, and records cell by cell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient
from support.calls import CSV, raw
from support.service import Once, User, without_request_id

pytestmark = pytest.mark.anyio

STOCK = b"sku,name,price\nA,Axe,10.50\nB,Bow,7\nC,Club,0.10\n"
NEXT = b"sku,name,price\nA,Axe,10.5\nC,Club,0.10\nD,Dart,1\n"


@pytest.fixture
async def synced(user: User, once: Once) -> AsyncClient:
    """A dataset of two versions, the second by a sync of the next file."""

    async def filled() -> None:
        assert (await raw(user.client, STOCK, name="stock")).status_code == 201
        params = {"mode": "sync", "key": "sku"}
        answer = await user.client.post("/datasets/stock/imports", params=params, content=NEXT, headers=CSV)
        assert answer.status_code == 201, answer.text

    await once("stock", filled)
    return user.client


async def diff(client: AsyncClient, **params: Any) -> Any:
    answer = await client.get("/datasets/stock/diff", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.reads
async def test_strangers_find_nothing(synced: AsyncClient, stranger: AsyncClient, anonymous: AsyncClient) -> None:
    assert (await anonymous.get("/datasets/stock/diff")).status_code == 401
    theirs = (await synced.get("/datasets/stock")).json()["id"]
    missing = f"{theirs[:-12]}000000000000"
    answers = [await stranger.get(f"/datasets/{ref}/diff") for ref in (theirs, missing)]
    assert without_request_id(answers[0]) == without_request_id(answers[1])
    assert answers[0].status_code == 404


@pytest.mark.reads
async def test_it_says_the_same_as_the_version_that_a_sync_made(synced: AsyncClient) -> None:
    version = (await synced.get("/datasets/stock/versions/2")).json()
    counts = {name: version[name] for name in ("added", "changed", "removed")}
    assert await diff(synced, summary=True) == {**counts, "columns": []}
    found = await diff(synced)
    assert (found["from"], found["to"], found["added"], found["changed"], found["removed"]) == (1, 2, 1, 1, 1)
    assert [(each["id"], each["change"]) for each in found["data"]] == [(1, "changed"), (2, "removed"), (4, "added")]
    assert "10.50" in (await synced.get("/datasets/stock/diff")).text
    assert list(found["data"][0]["cells"]) == ["price"]
    assert found["data"][1]["cells"]["name"] == {"before": "Bow", "after": None}
    assert found["data"][2]["cells"]["sku"] == {"before": None, "after": "D"}


@pytest.mark.reads
async def test_the_way_back_is_the_opposite(synced: AsyncClient) -> None:
    there, back = await diff(synced), await diff(synced, **{"from": 2, "to": 1})
    assert (back["added"], back["changed"], back["removed"]) == (1, 1, 1)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(each["id"], turned[each["change"]]) for each in back["data"]] == [
        (each["id"], each["change"]) for each in there["data"]
    ]


@pytest.mark.reads
async def test_it_is_paged(synced: AsyncClient) -> None:
    first = await diff(synced, limit=2)
    rest = await diff(synced, limit=2, cursor=first["next"])
    assert (first["count"], first["has_more"], rest["has_more"], rest["next"]) == (2, True, False, None)
    assert first["data"] + rest["data"] == (await diff(synced))["data"]


async def test_pages_stay_with_the_versions_of_the_first(synced: AsyncClient) -> None:
    whole, first = await diff(synced), await diff(synced, limit=2)
    await synced.patch("/datasets/stock/records/3", json={"name": "x"})
    rest = await diff(synced, limit=2, cursor=first["next"])
    assert (rest["from"], rest["to"]) == (first["from"], first["to"])
    assert first["data"] + rest["data"] == whole["data"]
    same = {"from": first["from"], "to": first["to"]}
    assert await diff(synced, limit=2, cursor=first["next"], **same) == rest


@pytest.mark.reads
@pytest.mark.parametrize("changed", [{"to": 1}, {"from": 2}])
async def test_a_cursor_of_other_versions_is_400(synced: AsyncClient, changed: dict[str, int]) -> None:
    cursor = (await diff(synced, limit=2))["next"]
    answer = await synced.get("/datasets/stock/diff", params={"cursor": cursor, **changed})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_CURSOR")


@pytest.mark.reads
async def test_a_summary_is_no_stream(synced: AsyncClient) -> None:
    answer = await synced.get("/datasets/stock/diff?summary=true", headers={"Accept": "application/x-ndjson"})
    assert answer.json() == await diff(synced, summary=True)


@pytest.mark.reads
@pytest.mark.parametrize("paged", ["limit=5", "cursor=x"])
async def test_what_has_no_pages_takes_no_page(synced: AsyncClient, paged: str) -> None:
    for address, headers in (("summary=true&", {}), ("", {"Accept": "application/x-ndjson"})):
        answer = await synced.get(f"/datasets/stock/diff?{address}{paged}", headers=headers)
        assert (answer.status_code, paged.partition("=")[0] in answer.json()["detail"]) == (400, True)


async def test_what_was_changed_and_changed_back_is_no_difference(synced: AsyncClient) -> None:
    await synced.patch("/datasets/stock/records/3", json={"name": "x"})
    await synced.patch("/datasets/stock/records/3", json={"name": "Club"})
    assert await diff(synced, **{"from": 2, "to": 4}) == {
        "from": 2, "to": 4, "added": 0, "changed": 0, "removed": 0, "columns": [],
        "data": [], "count": 0, "has_more": False, "next": None,
    }  # fmt: skip


async def test_a_renamed_column_is_compared_by_what_it_is(synced: AsyncClient) -> None:
    await synced.patch("/datasets/stock/schema", json={"columns": [{"name": "price", "rename_to": "cost"}]})
    found = await diff(synced, **{"from": 2, "to": 3})
    assert found["data"] == []
    price = {"name": "price", "type": "number", "format": None, "nullable": True, "description": None, "position": 3}
    assert found["columns"] == [{"change": "changed", "before": price, "after": {**price, "name": "cost"}}]
    assert list((await diff(synced, **{"from": 1, "to": 3}))["data"][0]["cells"]) == ["cost"]


@pytest.mark.reads
async def test_an_unknown_version_is_404_and_an_etag_spares_the_body(synced: AsyncClient) -> None:
    assert (await synced.get("/datasets/stock/diff", params={"to": 9})).status_code == 404
    assert (await diff(synced, to=1))["data"] == []
    etag = (await synced.get("/datasets/stock/diff")).headers["etag"]
    again = await synced.get("/datasets/stock/diff", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


async def test_columns_that_came_went_or_moved_are_told(synced: AsyncClient) -> None:
    change = {"columns": [{"name": "sku", "drop": True}], "add": [{"name": "note"}], "order": ["price"]}
    assert (await synced.patch("/datasets/stock/schema", json=change)).status_code == 200
    for found in (await diff(synced), await diff(synced, summary=True)):
        assert [
            (each["change"], (each["before"] or {}).get("name"), (each["after"] or {}).get("name"))
            for each in found["columns"]
        ] == [
            ("changed", "price", "price"),
            ("changed", "name", "name"),
            ("added", None, "note"),
            ("removed", "sku", None),
        ]


class TestDroppedColumns:
    async def test_what_only_a_dropped_column_held_is_no_difference(self, synced: AsyncClient) -> None:
        await synced.patch("/datasets/stock/schema", json={"columns": [{"name": "price", "drop": True}]})
        await synced.patch("/datasets/stock/records/1", json={"name": "x"})
        await synced.patch("/datasets/stock/records/1", json={"name": "Axe"})
        for start in (2, 3):
            found = await diff(synced, **{"from": start, "to": 5})
            assert (found["changed"], found["data"]) == (0, [])
        assert (await diff(synced, **{"from": 3, "to": 5}))["columns"] == []

    async def test_a_removed_record_shows_the_columns_of_its_time(self, synced: AsyncClient) -> None:
        drop_and_take_its_name = {"columns": [{"name": "name", "drop": True}, {"name": "price", "rename_to": "name"}]}
        assert (await synced.patch("/datasets/stock/schema", json=drop_and_take_its_name)).status_code == 200
        await synced.delete("/datasets/stock/records/3")
        (gone,) = (await diff(synced, **{"from": 2, "to": 4}))["data"]
        assert {name: cell["before"] for name, cell in gone["cells"].items()} == {
            "sku": "C", "name": "Club", "price": 0.10,
        }  # fmt: skip


class TestStream:
    @pytest.mark.reads
    async def test_all_of_a_page_a_record_a_line(self, synced: AsyncClient) -> None:
        for params in ({}, {"from": 2, "to": 1}, {"from": 1, "to": 1}):
            answer = await synced.get("/datasets/stock/diff", params=params, headers={"Accept": "application/x-ndjson"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
            found = await diff(synced, **params)
            assert (answer.headers["x-from-version"], answer.headers["x-dataset-version"]) == (
                str(found["from"]), str(found["to"]),
            )  # fmt: skip
            assert [json.loads(line) for line in answer.text.splitlines()] == found["data"]
        assert "10.50" in (await synced.get("/datasets/stock/diff", headers={"Accept": "application/x-ndjson"})).text

    async def test_separators_escapes_and_percent_signs_stay_what_they_are(self, user: User) -> None:
        name = 'a%s"\\b'
        await user.client.post("/datasets", json={"name": "stock", "columns": [{"name": name}]})
        value = "\x01\x02\t\n\\é %s"
        await user.client.post("/datasets/stock/records", json=[{name: value}, {name: None}])
        answer = await user.client.get("/datasets/stock/diff", headers={"Accept": "application/x-ndjson"})
        assert [json.loads(line)["cells"] for line in answer.text.splitlines()] == [
            {name: {"before": None, "after": value}}, {},
        ]  # fmt: skip

    @pytest.mark.reads
    async def test_refusals_come_before_the_first_line(self, synced: AsyncClient) -> None:
        answer = await synced.get(
            "/datasets/stock/diff", params={"to": "gone"}, headers={"Accept": "application/x-ndjson"}
        )
        assert (answer.status_code, answer.json()["error_code"]) == (404, "VERSION_NOT_FOUND")
