"""Imports that are promised, followed and cancelled, through the API of one process."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from httpx import AsyncClient, Response
from openpyxl import Workbook
from support.calls import CSV, ORDERS, make, raw, records
from support.service import Upload, User

from backend.controllers.uploads import MEDIA_TYPE_BY_FORMAT
from backend.repositories.database import Database
from backend.services.import_leases import Leases
from backend.services.import_status import ImportStatusService

pytestmark = pytest.mark.anyio
LATER = {**CSV, "Prefer": "wait=1, respond-async"}
PROMISED = """
INSERT INTO sheaf.imports
    (id, workspace_id, user_id, upload_id, request, answered, state, phase, bytes, attempts, worker, lease_until)
VALUES (%s, %s, %s, NULL, '{}', %s, 'running', 'reading', 7, %s, %s, now() - interval '1 s')
"""


async def ended(client: AsyncClient, answer: Response) -> Any:
    """The status of a promised import when it is over: its events end then."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    address = answer.headers["location"].removeprefix("/api/v1")
    events = await client.get(f"{address}/events")
    assert events.headers["cache-control"] == "private, no-cache"
    last = events.text.replace("\r", "").strip().split("\n\n")[-1]
    name, data = (line.partition(": ")[2] for line in last.split("\n")[1:3])
    status = json.loads(data)
    assert name == status["state"]
    assert (await client.get(address)).json() == status
    return status


async def test_an_import_that_is_promised_is_done_later(client: AsyncClient) -> None:
    answer = await raw(client, headers=LATER, name="later")
    queued = answer.json()
    assert answer.headers["location"] == f"/api/v1/imports/{queued['id']}"
    assert (queued["state"], queued["phase"], queued["bytes"]) == ("queued", "waiting", len(ORDERS))
    assert {"report", "plan", "problem"}.isdisjoint(queued)
    done = await ended(client, answer)
    assert (done["state"], done["phase"], done["percent"], done["rows"]) == ("done", "done", 100, 2)
    assert (done["report"]["id"], done["report"]["rows"]) == (done["id"], 2)
    assert [each["name"] for each in await records(client, done["dataset"]["id"])] == ["Ann", "Bob"]


async def test_a_form_is_promised_as_well(client: AsyncClient) -> None:
    form = {"file": ("people.csv", b"name\nAnn\n")}
    answer = await client.post("/datasets", files=form, data={"name": "people"}, headers={"Prefer": "respond-async"})
    assert (await ended(client, answer))["dataset"]["name"] == "people"


async def test_one_that_fails_tells_the_same_problem(client: AsyncClient) -> None:
    bad = {"types": "amount:date"}
    now = (await raw(client, **bad)).json()
    failed = await ended(client, await raw(client, headers=LATER, **bad))
    assert (failed["state"], failed["dataset"]) == ("failed", None)
    del now["request_id"]
    assert failed["problem"] == now
    assert now["error_code"] == "BAD_CELLS"


async def test_a_plan_is_promised_as_well(client: AsyncClient) -> None:
    done = await ended(client, await raw(client, headers=LATER, dry_run="true"))
    assert (done["state"], done["dataset"]) == ("done", None)
    assert [column["name"] for column in done["plan"]["columns"]] == ["name", "amount"]
    kept = {"upload": done["plan"]["upload"]["id"], "name": "from the plan"}
    assert (await client.post("/datasets", json=kept)).status_code == 201


async def test_what_goes_into_a_dataset_waits_for_its_turn(client: AsyncClient, upload: Upload) -> None:
    into = f"/datasets/{(await upload())['id']}/imports"
    answers = [
        await client.post(f"{into}?mode=append", content=f"name,amount\nEve,{n}\n", headers=LATER) for n in "1234"
    ]
    assert {(await ended(client, each))["state"] for each in answers} == {"done"}
    assert sorted(each["amount"] for each in await records(client, "orders")) == ["1", "1", "2", "2", "3", "4"]


async def test_a_name_that_is_taken_is_refused_at_once(client: AsyncClient, upload: Upload) -> None:
    await upload(name="orders")
    assert (await raw(client, headers=LATER, name="orders")).status_code == 409


async def test_without_the_preference_the_caller_waits(client: AsyncClient) -> None:
    answer = await raw(client, headers={**CSV, "Prefer": "return=minimal"})
    assert answer.status_code == 201
    assert "preference-applied" not in answer.headers
    status = (await client.get(f"/imports/{answer.json()['import']['id']}")).json()
    assert (status["state"], status["dataset"], status["report"]) == (
        "done",
        answer.json()["dataset"],
        answer.json()["import"],
    )


async def test_an_import_that_has_ended_cannot_be_cancelled(client: AsyncClient, upload: Upload) -> None:
    done = (await upload(whole=True))["import"]["id"]
    answer = await client.delete(f"/imports/{done}")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "IMPORT_ENDED")
    assert (await client.get("/datasets/orders")).status_code == 200


async def test_an_empty_dataset_is_never_promised(client: AsyncClient) -> None:
    answer = await client.post("/datasets", json={"name": "empty"}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 201


def abandoned(url: str, user: User, *, answered: bool, attempts: int = 1) -> UUID:
    """An import whose worker is gone."""
    import_id = uuid4()
    with psycopg.connect(url) as connection:
        values = (import_id, user.workspace["id"], user.id, answered, attempts, uuid4())
        connection.execute(PROMISED, values)
    return import_id


async def test_one_that_killed_three_workers_is_given_up(postgres_url: str, user: User) -> None:
    import_id = abandoned(postgres_url, user, answered=True, attempts=3)
    await user.client.get(f"/imports/{import_id}/events")
    status = (await user.client.get(f"/imports/{import_id}")).json()
    assert (status["state"], status["problem"]["error_code"]) == ("failed", "IMPORT_GIVEN_UP")


async def test_one_whose_owner_has_left_the_workspace_fails(postgres_url: str, user: User) -> None:
    await make(user.client)
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT gen_random_uuid()").fetchone()
        assert row is not None
        connection.execute("INSERT INTO sheaf.users (id, name) VALUES (%s, 'gone')", row)
    gone = User(str(row[0]), "gone", "", user.workspace, user.client)
    import_id = abandoned(postgres_url, gone, answered=True)
    await user.client.get(f"/imports/{import_id}/events")
    status = (await user.client.get(f"/imports/{import_id}")).json()
    assert (status["state"], status["problem"]["error_code"]) == ("failed", "FORBIDDEN")


async def test_all_sheets_of_a_workbook_are_promised_as_well(client: AsyncClient) -> None:
    book = Workbook()
    for name, people in (("North", ["Ann"]), ("South", ["Bob", "Cid"])):
        sheet = book.create_sheet(name)
        for each in ("name", *people):
            sheet.append([each])
    file = BytesIO()
    book.save(file)
    headers = {"Content-Type": MEDIA_TYPE_BY_FORMAT["xlsx"], "Prefer": "respond-async"}
    answer = await client.post("/datasets?sheet=*&name=regions", content=file.getvalue(), headers=headers)
    done = await ended(client, answer)
    assert [(each["dataset"]["name"], each["import"]["rows"]) for each in done["datasets"]] == [
        ("regions North", 1),
        ("regions South", 2),
    ]
    assert (done["state"], done["rows"], done["dataset"]) == ("done", 3, None)


async def test_imports_are_listed_the_newest_first(client: AsyncClient, upload: Upload) -> None:
    await upload(name="one")
    await raw(client, types="amount:date")
    await upload(name="two")
    listed = (await client.get("/imports")).json()
    assert (listed["total"], listed["has_more"]) == (3, False)
    assert [(each["state"], (each["dataset"] or {}).get("name")) for each in listed["data"]] == [
        ("done", "two"),
        ("failed", None),
        ("done", "one"),
    ]
    last = (await client.get("/imports", params={"limit": 1, "offset": 2})).json()
    assert [each["dataset"]["name"] for each in last["data"]] == ["one"]
    first = (await client.get("/imports", params={"limit": 1})).json()
    assert (first["data"][0], first["has_more"]) == (listed["data"][0], True)


async def test_imports_are_forgotten_after_their_time(postgres_url: str, user: User, upload: Upload) -> None:
    done = (await upload(whole=True))["import"]["id"]
    database = await Database(postgres_url, size=1, bulk_size=1, prepare=True).open()
    try:
        await ImportStatusService(database, Leases(database), keep=timedelta(days=1)).sweep()
        assert (await user.client.get(f"/imports/{done}")).status_code == 200
        await ImportStatusService(database, Leases(database), keep=timedelta(0)).sweep()
    finally:
        await database.close()
    answer = await user.client.get(f"/imports/{done}")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "IMPORT_NOT_FOUND")
    assert (await user.client.get("/datasets/orders")).status_code == 200
