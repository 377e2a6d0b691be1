"""Imports that are promised, followed and cancelled, through the API of one process."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from support.calls import CSV, ORDERS, raw, records

pytestmark = pytest.mark.anyio
LATER = {**CSV, "Prefer": "respond-async"}


async def test_an_import_that_is_promised_is_done_later(client: AsyncClient) -> None:
    answer = await raw(client, headers=LATER, name="later")
    assert answer.status_code == 202, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    queued = answer.json()
    assert answer.headers["location"] == f"/api/v1/imports/{queued['id']}"
    assert (queued["state"], queued["phase"], queued["bytes"]) == ("queued", "waiting", len(ORDERS))
    events = (await client.get(f"/imports/{queued['id']}/events")).text
    print(events)
    done = (await client.get(f"/imports/{queued['id']}")).json()
    print(done)
    assert (done["state"], done["percent"], done["rows"]) == ("done", 100, 2)
    assert [each["name"] for each in await records(client, done["dataset"]["id"])] == ["Ann", "Bob"]
