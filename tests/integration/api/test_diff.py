"""What is different between two versions: counts, and records cell by cell."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient
from support.calls import CSV, raw
from support.service import User, without_request_id

pytestmark = pytest.mark.anyio

STOCK = b"sku,name,price\nA,Axe,10.50\nB,Bow,7\nC,Club,0.10\n"
NEXT = b"sku,name,price\nA,Axe,10.5\nC,Club,0.10\nD,Dart,1\n"


@pytest.fixture
async def synced(user: User) -> AsyncClient:
    """A dataset of two versions, the second by a sync of the next file."""
    assert (await raw(user.client, STOCK, name="stock")).status_code == 201
    params = {"mode": "sync", "key": "sku"}
    answer = await user.client.post("/datasets/stock/imports", params=params, content=NEXT, headers=CSV)
    assert answer.status_code == 201, answer.text
    return user.client


async def diff(client: AsyncClient, **params: Any) -> Any:
    answer = await client.get("/datasets/stock/diff", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_strangers_find_nothing(synced: AsyncClient, stranger: AsyncClient, anonymous: AsyncClient) -> None:
    assert (await anonymous.get("/datasets/stock/diff")).status_code == 401
    theirs = (await synced.get("/datasets/stock")).json()["id"]
    missing = f"{theirs[:-12]}000000000000"
    answers = [await stranger.get(f"/datasets/{ref}/diff") for ref in (theirs, missing)]
    assert without_request_id(answers[0]) == without_request_id(answers[1])
    assert answers[0].status_code == 404


async def test_it_says_the_same_as_the_version_that_a_sync_made(synced: AsyncClient) -> None:
    version = (await synced.get("/datasets/stock/versions/2")).json()
    assert await diff(synced, summary=True) == {name: version[name] for name in ("added", "changed", "removed")}
    found = await diff(synced)
    assert (found["from"], found["to"], found["added"], found["changed"], found["removed"]) == (1, 2, 1, 1, 1)
    assert [(each["id"], each["change"]) for each in found["data"]] == [(1, "changed"), (2, "removed"), (4, "added")]
    assert "10.50" in (await synced.get("/datasets/stock/diff")).text
    assert list(found["data"][0]["cells"]) == ["price"]
    assert found["data"][1]["cells"]["name"] == {"before": "Bow", "after": None}
    assert found["data"][2]["cells"]["sku"] == {"before": None, "after": "D"}


async def test_the_way_back_is_the_opposite(synced: AsyncClient) -> None:
    there, back = await diff(synced), await diff(synced, **{"from": 2, "to": 1})
    assert (back["added"], back["changed"], back["removed"]) == (1, 1, 1)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(each["id"], turned[each["change"]]) for each in back["data"]] == [
        (each["id"], each["change"]) for each in there["data"]
    ]


async def test_it_is_paged(synced: AsyncClient) -> None:
    first = await diff(synced, limit=2)
    rest = await diff(synced, limit=2, cursor=first["next"])
    assert (first["count"], first["has_more"], rest["has_more"], rest["next"]) == (2, True, False, None)
    assert first["data"] + rest["data"] == (await diff(synced))["data"]


async def test_what_was_changed_and_changed_back_is_no_difference(synced: AsyncClient) -> None:
    await synced.patch("/datasets/stock/records/3", json={"name": "x"})
    await synced.patch("/datasets/stock/records/3", json={"name": "Club"})
    assert await diff(synced, **{"from": 2, "to": 4}) == {
        "from": 2, "to": 4, "added": 0, "changed": 0, "removed": 0,
        "data": [], "count": 0, "has_more": False, "next": None,
    }  # fmt: skip


async def test_a_renamed_column_is_compared_by_what_it_is(synced: AsyncClient) -> None:
    await synced.patch("/datasets/stock/schema", json={"columns": [{"name": "price", "rename_to": "cost"}]})
    assert (await diff(synced, **{"from": 2, "to": 3}))["data"] == []
    assert list((await diff(synced, **{"from": 1, "to": 3}))["data"][0]["cells"]) == ["cost"]


async def test_an_unknown_version_is_404_and_an_etag_spares_the_body(synced: AsyncClient) -> None:
    assert (await synced.get("/datasets/stock/diff", params={"to": 9})).status_code == 404
    assert (await diff(synced, to=1))["data"] == []
    etag = (await synced.get("/datasets/stock/diff")).headers["etag"]
    again = await synced.get("/datasets/stock/diff", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
