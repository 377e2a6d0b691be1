"""Changes of columns where there are many of them, many records, or many who write."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient
from support.calls import page, raw, records, schema
from support.service import Upload

pytestmark = pytest.mark.anyio


async def test_all_of_many_columns_at_once(client: AsyncClient) -> None:
    count = 2000
    names = [f"c{n}" for n in range(count)]
    rows = "".join(",".join(f"{row}.0" if n % 2 else f"00{row}" for n in range(count)) + "\n" for row in range(3))
    assert (await raw(client, f"{','.join(names)}\n{rows}".encode(), name="wide")).status_code == 201
    changes = [{"name": name, "type": "integer", "rename_to": f"n{at}"} for at, name in enumerate(names)]
    answer = await client.patch("/datasets/wide/schema", json={"columns": changes, "order": [f"n{count - 1}"]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["version"], answer.json()["changed"]) == (2, 3)
    found = await records(client, "wide")
    assert list(found[0])[:2] == [f"n{count - 1}", "n0"]
    assert [set(row.values()) for row in found] == [{"0"}, {"1"}, {"2"}]
    assert (await records(client, "wide", version=1, select="c0,c1"))[2] == {"c0": "002", "c1": "2.0"}


async def test_values_of_a_megabyte(client: AsyncClient, upload: Upload) -> None:
    long = "é" * 500_000
    await upload(f"a,b\n{long},1\nx{long},2\n", name="long")
    answer = await client.patch("/datasets/long/schema", json={"columns": [{"name": "b", "type": "boolean"}]})
    assert answer.json()["errors"][0]["value"] == "2"
    changes = [{"name": "a", "null_values": [long]}, {"name": "b", "type": "text"}]
    answer = await client.patch("/datasets/long/schema", json={"columns": changes})
    assert answer.json()["changed"] == 2
    assert await records(client, "long") == [{"a": None, "b": "1"}, {"a": "x" + long, "b": "2"}]


async def test_writers_at_the_same_time_lose_nothing(client: AsyncClient, upload: Upload) -> None:
    await upload("value,day\n" + "0,31.01.2025\n" * 10, name="busy")
    kinds = [{"type": "date", "date_format": "%d.%m.%Y"}, {"type": "text"}, {"nullable": False}, {"description": "d"}]
    answers = await asyncio.gather(
        *(client.patch(f"/datasets/busy/records/{at}", json={"value": at}) for at in range(1, 11)),
        *(client.patch("/datasets/busy/schema", json={"columns": [{"name": "day", **kind}]}) for kind in kinds),
        *(client.get("/datasets/busy/records") for _ in range(10)),
    )
    assert {answer.status_code for answer in answers} == {200}
    pages = [answer.json() for answer in answers[14:]]
    assert all(len({record["data"]["day"] for record in each["data"]}) == 1 for each in pages)
    listed = (await client.get("/datasets/busy/versions?limit=100")).json()["data"]
    assert [each["version"] for each in listed] == list(range(len(listed), 0, -1))
    assert sum(each["operation"] == "update" for each in listed) == 10
    assert {data["value"] for data in await records(client, "busy")} == {str(at) for at in range(1, 11)}


async def test_of_two_who_read_the_same_schema_one_wins(client: AsyncClient, people: object) -> None:
    etag = (await client.get("/datasets/people/schema")).headers["etag"]
    answers = await asyncio.gather(
        *(
            client.patch(
                "/datasets/people/schema",
                json={"columns": [{"name": "name", "rename_to": f"name {at}"}]},
                headers={"If-Match": etag},
            )
            for at in range(5)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert len(await schema(client, "people")) == 4


async def test_a_cursor_goes_on_in_its_own_version(client: AsyncClient, people: object) -> None:
    first = await page(client, limit=2)
    change = {"columns": [{"name": "name", "drop": True}, {"name": "amount", "type": "text"}]}
    assert (await client.patch("/datasets/people/schema", json=change)).status_code == 200
    second = await page(client, limit=2, cursor=first["next"])
    assert [record["data"]["name"] for record in second["data"]] == ["Émile", "bob"]
    assert second["version"] == "1"
