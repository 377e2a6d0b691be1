"""Files that are sent once, looked at, and imported later."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient, Response
from support.calls import CSV, ORDERS, raw, records

pytestmark = pytest.mark.anyio
MOST_BYTES = 20 * 2**30
DAYS = b"name;day\nAnn;03/04/2025\nBob;05/04/2025\n"


async def keep(client: AsyncClient, body: bytes = ORDERS, **params: Any) -> Any:
    """Send a file to be kept; answers what is told of it."""
    answer = await client.post("/uploads", content=body, params=params, headers=CSV)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert answer.headers["location"] == f"/api/v1/uploads/{told['id']}"
    return told


def chunks(url: str, upload_id: str) -> int:
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM sheaf.upload_chunks WHERE upload_id = %s"
        row = connection.execute(query, (upload_id,)).fetchone()
        return int(row[0]) if row else 0


def error(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


async def test_the_plan_comes_with_it(client: AsyncClient) -> None:
    told = await keep(client)
    assert (told["bytes"], told["sha256"]) == (len(ORDERS), hashlib.sha256(ORDERS).hexdigest())
    assert [(column["name"], column["type"]) for column in told["plan"]["columns"]] == [
        ("name", "text"),
        ("amount", "integer"),
    ]
    assert (await client.get("/datasets")).json()["total"] == 0


async def test_a_form_keeps_the_name_of_the_file(client: AsyncClient) -> None:
    answer = await client.post("/uploads", files={"file": ("people.csv", b"name\nAnn\n")})
    told = answer.json()
    assert (answer.status_code, told["filename"]) == (201, "people.csv")
    made = await client.post("/datasets", json={"upload": told["id"]})
    assert (made.status_code, made.json()["dataset"]["name"]) == (201, "people")


async def test_options_change_the_plan_and_the_import_takes_them(client: AsyncClient) -> None:
    told = await keep(client, DAYS)
    assert told["plan"]["columns"][1]["type"] == "text"
    again = await client.get(f"/uploads/{told['id']}", params={"types": "day:date", "date_format": "%d/%m/%Y"})
    assert again.status_code == 200, again.text
    assert again.json()["plan"]["columns"][1]["type"] == "date"
    options = {"types": {"day": "date"}, "date_format": "%d/%m/%Y"}
    made = await client.post("/datasets", json={"upload": told["id"], "name": "days", "options": options})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/api/v1/datasets/{made.json()['dataset']['id']}"
    assert [each["day"] for each in await records(client, "days")] == ["2025-04-03", "2025-04-05"]


async def test_it_can_be_imported_again_and_later(client: AsyncClient) -> None:
    told = await keep(client)
    later = {"Prefer": "respond-async"}
    assert (await client.post("/datasets", json={"upload": told["id"], "name": "one"})).status_code == 201
    promised = await client.post("/datasets", json={"upload": told["id"], "name": "two"}, headers=later)
    assert promised.status_code == 202
    await client.get(f"/imports/{promised.json()['id']}/events")
    assert [each["name"] for each in await records(client, "two")] == ["Ann", "Bob"]
    assert (await client.get(f"/uploads/{told['id']}")).status_code == 200


async def test_a_workspace_keeps_no_more_bytes_than_it_may(client: AsyncClient, postgres_url: str) -> None:
    told = await keep(client)

    def fill(size: int) -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute("UPDATE sheaf.uploads SET size = %s WHERE id = %s", (size, told["id"]))

    fill(MOST_BYTES)
    ways = ("/uploads", {}), ("/datasets?name=later", {"Prefer": "respond-async"})
    for path, more in ways:
        refused = await client.post(path, content=ORDERS, headers={**CSV, **more})
        assert error(refused) == (422, "LIMIT_EXCEEDED")
        assert f"SHEAF_WORKSPACE_UPLOAD_BYTES, {MOST_BYTES:,}" in refused.json()["detail"]
    assert (await raw(client, ORDERS, name="at once")).status_code == 201
    fill(MOST_BYTES - len(ORDERS))
    both = await asyncio.gather(*(client.post("/uploads", content=ORDERS, headers=CSV) for _ in range(2)))
    assert sorted(each.status_code for each in both) == [201, 422]
    assert (await client.delete(f"/uploads/{told['id']}")).status_code == 204
    await keep(client)


async def test_it_goes_into_a_dataset_that_is_there(client: AsyncClient) -> None:
    told = await keep(client)
    await client.post("/datasets", json={"upload": told["id"], "name": "orders"})
    more = await keep(client, b"name,amount\nEve,3\n")
    plan = await client.post("/datasets/orders/imports", json={"upload": more["id"], "mode": "append", "dry_run": True})
    assert (plan.status_code, plan.json()["against"]["added"]) == (200, 1)
    assert plan.json()["upload"]["id"] == more["id"]
    made = await client.post("/datasets/orders/imports", json={"upload": more["id"], "mode": "append"})
    assert made.status_code == 201, made.text
    assert [each["name"] for each in await records(client, "orders")] == ["Ann", "Bob", "Eve"]


async def test_a_dry_run_keeps_the_file(client: AsyncClient) -> None:
    plan = await raw(client, dry_run="true")
    assert plan.status_code == 200
    made = await client.post("/datasets", json={"upload": plan.json()["upload"]["id"], "name": "kept"})
    assert (made.status_code, made.json()["dataset"]["rows"]) == (201, 2)
    again = await client.post("/datasets?dry_run=true", json={"upload": plan.json()["upload"]["id"]})
    assert (again.status_code, again.json()["upload"]) == (200, plan.json()["upload"])


async def test_many_chunks_come_back_as_they_were(client: AsyncClient, postgres_url: str) -> None:
    body = b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"x" * 100) for n in range(40_000))
    told = await keep(client, body)
    assert chunks(postgres_url, told["id"]) == -(-len(body) // 2**20)
    made = await client.post("/datasets", json={"upload": told["id"], "name": "wide"})
    assert made.json()["import"]["sha256"] == hashlib.sha256(body).hexdigest()
    exported = await client.get("/datasets/wide/export", params={"newline": "lf"})
    assert exported.content == body


async def test_a_forgotten_file_is_gone(client: AsyncClient, postgres_url: str) -> None:
    told = await keep(client)
    assert (await client.delete(f"/uploads/{told['id']}")).status_code == 204
    assert error(await client.get(f"/uploads/{told['id']}")) == (404, "UPLOAD_NOT_FOUND")
    assert error(await client.delete(f"/uploads/{told['id']}")) == (404, "UPLOAD_NOT_FOUND")
    assert error(await client.post("/datasets", json={"upload": told["id"]})) == (404, "UPLOAD_NOT_FOUND")
    assert chunks(postgres_url, told["id"]) == 0


async def test_an_expired_file_is_found_no_more_and_swept(client: AsyncClient, postgres_url: str) -> None:
    told, other = await keep(client), await keep(client)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE sheaf.uploads SET expires_at = now() WHERE id = %s", (told["id"],))
    assert error(await client.get(f"/uploads/{told['id']}")) == (404, "UPLOAD_NOT_FOUND")
    assert (await client.delete(f"/uploads/{other['id']}")).status_code == 204
    assert chunks(postgres_url, told["id"]) == 0


async def test_strangers_cannot_import_it(client: AsyncClient, stranger: AsyncClient) -> None:
    told = await keep(client)
    missing = "01890000-0000-7000-8000-000000000000"
    for headers in ({}, {"Prefer": "respond-async"}):
        theirs = await stranger.post("/datasets", json={"upload": told["id"]}, headers=headers)
        assert error(theirs) == (404, "UPLOAD_NOT_FOUND")
        assert error(await stranger.post("/datasets", json={"upload": missing}, headers=headers)) == error(theirs)


async def test_what_is_wrong_is_refused(client: AsyncClient) -> None:
    told = await keep(client)
    refused = await client.post("/uploads", content=ORDERS, params={"name": "orders"}, headers=CSV)
    assert error(refused) == (400, "UNKNOWN_PARAMETER")
    form = {"file": ("a.csv", b"a\n1\n")}
    assert error(await client.post("/uploads", files=form, data={"name": "x"})) == (400, "BAD_REQUEST")
    assert (await client.get(f"/uploads/{told['id']}", params={"nothing": 1})).status_code == 400
    assert (await client.post("/datasets", json={"upload": told["id"], "nothing": 1})).status_code == 422
    assert (await client.post("/datasets", json={"upload": "no id"})).status_code == 422
    assert (await client.post("/uploads", content=b"PK\x03\x04 no workbook", headers=CSV)).status_code in {415, 422}
