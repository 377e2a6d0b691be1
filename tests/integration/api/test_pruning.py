"""History that is not kept for ever: which versions stay, and what is left of the others."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import version
from support.pruning import Stored
from support.service import Upload

pytestmark = pytest.mark.anyio
READS = [
    "records?version={n}",
    "records?version={n}&amount=gte:0&limit=1&count=bounded",
    "records?version={n}&count=none",
    "records/stream?version={n}",
    "records/count?version={n}",
    "records/count?version={n}&name=Ann",
    "records/1?version={n}",
    "schema?version={n}",
    "export?version={n}",
    "export?version={n}&format=xlsx&sort=-amount",
    "diff?from={n}",
    "diff?from=4&to={n}",
    "diff?from={n}&summary=true",
    "versions/{n}",
]


async def edited(client: AsyncClient, upload: Upload, edits: int = 3) -> dict[str, Any]:
    """`orders` at version `edits` + 1: each edit gives the first record its number tenfold as amount."""
    dataset = await upload()
    for number in range(1, edits + 1):
        await client.patch("/datasets/orders/records/1", json={"amount": 10 * number})
    return dataset


async def keep(client: AsyncClient, **members: int | None) -> Any:
    answer = await client.patch("/datasets/orders", json=members)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client: AsyncClient) -> list[int]:
    answer = (await client.get("/datasets/orders/versions?limit=1000")).json()
    assert answer["total"] == len(answer["data"])
    return [each["version"] for each in answer["data"]]


async def everything(client: AsyncClient, number: int) -> tuple[str, str, str]:
    """All that a version shows."""
    asked = [f"records/stream?version={number}", f"export?version={number}", f"schema?version={number}"]
    answers = [await client.get(f"/datasets/orders/{each}") for each in asked]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    return answers[0].text, answers[1].text, answers[2].text


def gone(answer: Response) -> bool:
    assert answer.status_code == 410, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return bool(answer.json()["error_code"] == "VERSION_PRUNED")


class TestRules:
    async def test_all_are_kept_at_first(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        assert await listed(client) == [4, 3, 2, 1]
        assert "keep_versions" not in (await client.get("/datasets/orders")).json()

    async def test_so_many_of_the_newest(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        assert (await keep(client, keep_versions=2))["keep_versions"] == 2
        assert await listed(client) == [4, 3]
        await client.patch("/datasets/orders/records/2", json={"amount": 9})
        assert await listed(client) == [5, 4]

    async def test_what_is_pruned_does_not_come_back(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        await keep(client, keep_versions=1)
        await keep(client, keep_versions=None)
        await client.patch("/datasets/orders/records/2", json={"amount": 9})
        assert await listed(client) == [5, 4]

    async def test_a_tagged_one_stays(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        assert (await client.put("/datasets/orders/versions/2/tag", json={"tag": "audited"})).status_code == 200
        before = await everything(client, 2)
        await keep(client, keep_versions=1)
        assert await listed(client) == [4, 2]
        assert await everything(client, 2) == before
        assert (await client.get("/datasets/orders/records/1?version=audited")).json()["data"]["amount"] == 10
        assert (await client.delete("/datasets/orders/versions/2/tag")).status_code == 204
        assert await listed(client) == [4]

    async def test_so_many_days_and_what_was_the_newest_when_they_began(
        self, client: AsyncClient, upload: Upload, postgres_url: str
    ) -> None:
        stored = Stored(postgres_url, await edited(client, upload))
        stored.age(2, days=12)
        await keep(client, keep_days=10)
        assert await listed(client) == [4, 3, 2]
        stored.age(3, days=12)
        assert await listed(client) == [4, 3, 2]
        await stored.swept()
        assert await listed(client) == [4, 3]

    async def test_a_version_stays_that_either_rule_keeps(
        self, client: AsyncClient, upload: Upload, postgres_url: str
    ) -> None:
        stored = Stored(postgres_url, await edited(client, upload, edits=5))
        stored.age(4, days=5)
        await keep(client, keep_days=2, keep_versions=4)
        assert await listed(client) == [6, 5, 4, 3]
        await client.patch("/datasets/orders/records/2", json={"amount": 9})
        await keep(client, keep_versions=1)
        assert await listed(client) == [7, 6, 5, 4]

    @pytest.mark.reads
    @pytest.mark.parametrize("name", ["keep_versions", "keep_days"])
    @pytest.mark.parametrize("value", [0, -1, 1.5, "2", "many", True, 2**31])
    async def test_a_wrong_number_is_422(self, orders: AsyncClient, name: str, value: object) -> None:
        answer = await orders.patch("/datasets/orders", json={name: value})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{name}"


class TestPruned:
    @pytest.mark.parametrize("read", READS)
    async def test_every_read_is_410(self, client: AsyncClient, upload: Upload, postgres_url: str, read: str) -> None:
        stored = Stored(postgres_url, await edited(client, upload))
        assert (await client.get(f"/datasets/orders/{read.format(n=2)}")).status_code == 200
        await keep(client, keep_versions=1)
        assert gone(await client.get(f"/datasets/orders/{read.format(n=2)}"))
        await stored.swept()
        assert gone(await client.get(f"/datasets/orders/{read.format(n=2)}"))
        if not read.startswith("diff"):
            assert (await client.get(f"/datasets/orders/{read.format(n=4)}")).status_code == 200
        assert (await client.get(f"/datasets/orders/{read.format(n=9)}")).status_code == 404

    async def test_in_a_body_and_by_a_moment(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        moment = (await client.get("/datasets/orders/versions/2")).json()["created_at"]
        await keep(client, keep_versions=1)
        for members in ({"version": 2}, {"as_of": moment}):
            assert gone(await client.post("/datasets/orders/query", json=members))
            assert gone(await client.post("/datasets/orders/export", json=members))
            assert gone(await client.post("/datasets/orders/restore", json=members))
        for place in ("records", "records/1", "records/count", "schema", "export", "records/stream"):
            assert gone(await client.get(f"/datasets/orders/{place}", params={"as_of": moment}))
        assert await version(client, "orders") == 4

    async def test_a_tag_cannot_be_put_on_it(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        await keep(client, keep_versions=1)
        assert gone(await client.put("/datasets/orders/versions/2/tag", json={"tag": "late"}))

    async def test_a_cursor_of_it(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        cursor = (await client.get("/datasets/orders/records?limit=1")).json()["next"]
        old = (await client.get("/datasets/orders/records?limit=1&version=2")).json()["next"]
        await keep(client, keep_versions=1)
        assert gone(await client.get("/datasets/orders/records", params={"cursor": old}))
        assert (await client.get("/datasets/orders/records", params={"cursor": cursor})).json()["count"] == 1
        await client.patch("/datasets/orders/records/1", json={"amount": 77})
        assert gone(await client.get("/datasets/orders/records", params={"cursor": cursor}))

    async def test_its_etag_is_of_no_use(self, client: AsyncClient, upload: Upload) -> None:
        await edited(client, upload)
        paths = ("/datasets/orders/records?version=2", "/datasets/orders/export?version=2")
        known = [(await client.get(path)).headers["etag"] for path in paths]
        await keep(client, keep_versions=1)
        for path, etag in zip(paths, known, strict=True):
            assert gone(await client.get(path, headers={"If-None-Match": etag}))

    async def test_a_records_history_shows_what_kept_versions_show(
        self, client: AsyncClient, upload: Upload, postgres_url: str
    ) -> None:
        stored = Stored(postgres_url, await edited(client, upload))
        await keep(client, keep_versions=2)
        for _ in range(2):
            history = (await client.get("/datasets/orders/records/1/history")).json()
            assert [(each["version"], each["until"]) for each in history["data"]] == [(3, 4), (4, None)]
            assert history["total"] == 2
            await stored.swept()
        assert (await client.get("/datasets/orders/records/2/history")).json()["data"][0]["version"] == 1


class TestImages:
    async def test_those_of_no_kept_version_are_removed(
        self, client: AsyncClient, upload: Upload, postgres_url: str
    ) -> None:
        stored = Stored(postgres_url, await edited(client, upload))
        await client.delete("/datasets/orders/records/2")
        assert len(stored.images()) == 5
        await keep(client, keep_versions=2)
        await stored.swept()
        end = 2**31 - 1
        assert stored.images() == [(1, 4, end), (2, 1, 5)]
        await keep(client, keep_versions=1)
        await stored.swept()
        assert stored.images() == [(1, 4, end)]

    async def test_not_while_somebody_has_the_dataset_to_himself(
        self, client: AsyncClient, upload: Upload, postgres_url: str
    ) -> None:
        stored = Stored(postgres_url, await edited(client, upload))
        await keep(client, keep_versions=1)
        await stored.swept()
        before = stored.images()
        await client.patch("/datasets/orders/records/1", json={"amount": 55})
        stored.occupy(seconds=60)
        await stored.sweep_once()
        assert len(stored.images()) == len(before) + 1
        stored.occupy(seconds=-1)
        await stored.swept()
        assert len(stored.images()) == len(before)

    @pytest.mark.parametrize("seed", range(2))
    async def test_kept_versions_read_as_before_whatever_happened(
        self, client: AsyncClient, upload: Upload, postgres_url: str, seed: int
    ) -> None:
        random = Random(seed)
        stored = Stored(postgres_url, await upload("name,amount\nAnn,1\nBob,2\nCid,3\n"))
        shown = {1: await everything(client, 1)}
        for _ in range(4):
            for _ in range(random.randint(3, 8)):
                await _write(client, random)
                newest = await version(client, "orders")
                shown[newest] = await everything(client, newest)
            tagged = random.choice([number for number in await listed(client) if number > 1])
            await client.put(f"/datasets/orders/versions/{tagged}/tag", json={"tag": f"tag {tagged}"})
            await keep(client, keep_versions=random.randint(1, 6))
            if random.random() < 0.7:
                await stored.swept(step=random.randint(1, 3))
            kept = await listed(client)
            assert {number: await everything(client, number) for number in kept} == {
                number: shown[number] for number in kept
            }
        await stored.swept()
        kept = await listed(client)
        assert {number: await everything(client, number) for number in kept} == {
            number: shown[number] for number in kept
        }
        assert all(any(first <= number < end for number in kept) for _, first, end in stored.images())


async def _write(client: AsyncClient, random: Random) -> None:
    """One write that makes a version."""
    ids = [each["id"] for each in (await client.get("/datasets/orders/records")).json()["data"]]
    kind = random.choice(["create", "patch", "patch", "delete", "rename", "restore"])
    if kind == "create" or not ids:
        await client.post("/datasets/orders/records", json=[{"name": f"new {random.random()}"}] * random.randint(1, 3))
    elif kind == "patch":
        await client.patch(f"/datasets/orders/records/{random.choice(ids)}", json={"amount": random.randint(0, 10**9)})
    elif kind == "delete":
        await client.delete(f"/datasets/orders/records/{random.choice(ids)}")
    elif kind == "rename":
        change = {"name": "name", "description": f"the {random.random()}"}
        await client.patch("/datasets/orders/schema", json={"columns": [change]})
    else:
        number = random.choice((await client.get("/datasets/orders/versions?limit=1000")).json()["data"])["version"]
        await client.post("/datasets/orders/restore", json={"version": number})
