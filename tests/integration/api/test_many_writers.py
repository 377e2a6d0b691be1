"""Many who write at the same time: nothing is lost, nothing made twice."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient
from support.calls import schema
from support.service import Upload

pytestmark = pytest.mark.anyio


class TestManyWriters:
    async def test_no_version_is_lost_or_made_twice(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value\n" + "0\n" * 10, name="busy")
        answers = await asyncio.gather(
            *(client.patch(f"/datasets/busy/records/{at % 10 + 1}", json={"value": at + 1}) for at in range(50))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 52))
        listed = (await client.get("/datasets/busy/versions?limit=100")).json()
        assert [each["version"] for each in listed["data"]] == list(range(51, 0, -1))
        last = {
            answer.json()["id"]: answer.json() for answer in sorted(answers, key=lambda each: each.json()["version"])
        }
        records = (await client.get("/datasets/busy/records")).json()["data"]
        assert {record["id"]: record for record in records} == last

    async def test_ids_are_given_once(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value\n1\n", name="busy")
        answers = await asyncio.gather(
            *(client.post("/datasets/busy/records", json=[{"value": at}, {"value": -at}]) for at in range(20))
        )
        ids = [record["id"] for answer in answers for record in answer.json()["data"]]
        assert sorted(ids) == list(range(2, 42))

    async def test_one_of_many_who_read_the_same_wins(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value\n0\n", name="busy")
        etag = (await client.get("/datasets/busy/records/1")).headers["etag"]
        answers = await asyncio.gather(
            *(
                client.patch("/datasets/busy/records/1", json={"value": at}, headers={"If-Match": etag})
                for at in range(1, 11)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9

    async def test_a_schema_grows_for_each_of_many(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "free"})
        await asyncio.gather(*(client.post("/datasets/free/records", json={f"c{at}": at}) for at in range(20)))
        assert await schema(client, "free") == dict.fromkeys((await schema(client, "free")), "integer")
        assert len(await schema(client, "free")) == 20

    async def test_a_first_dataset_is_made_by_many(self, client: AsyncClient) -> None:
        """The workspace's schema is made once, whoever comes first."""
        csv = {"Content-Type": "text/csv"}
        answers = await asyncio.gather(
            *(client.post(f"/datasets?name=d{at}", content="a\n1\n", headers=csv) for at in range(8)),
            *(client.post("/datasets", json={"name": f"e{at}"}) for at in range(8)),
        )  # fmt: skip
        assert {answer.status_code for answer in answers} == {201}
        assert (await client.get("/datasets")).json()["total"] == 16

    async def test_one_name_is_given_once(self, client: AsyncClient) -> None:
        answers = await asyncio.gather(*(client.post("/datasets", json={"name": "same"}) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        uploads = await asyncio.gather(
            *(client.post("/datasets", files={"file": ("f.csv", "a\n1\n")}) for _ in range(6))
        )
        assert sorted(answer.json()["dataset"]["slug"] for answer in uploads) == [
            "f",
            *(f"f-{at}" for at in range(2, 7)),
        ]
