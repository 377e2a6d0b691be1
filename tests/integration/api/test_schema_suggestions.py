"""What the evidence suggests is taken by one PATCH, and every value converts."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from support.calls import raw, records, schema

pytestmark = pytest.mark.anyio

COLUMNS = {
    "day": ["31/01/2025", "1/2/2025", "NA", "28/02/2025"],
    "month": ["01/31/2025", "02/01/2025", "2025-03-01", "1/2/2025"],
    "named": ["31 Jan 2025", "1 FEB 2025", "28 feb 2025", "3 Mar 2025"],
    "paid": ["Yes", "no", "-", "yes"],
    "any": ["TRUE", "true", "False", "FALSE"],
    "price": ["1,50", "12,25", "7", "n/a"],
    "count": [" 1", "2 ", "3", "?"],
    "amount": ["1", "NA", "0.10", "N/A"],
    "at": ["2025-01-31 10:00", "null", "2025-02-01 11:30", "2025-02-01 11:31"],
    "zip": ["01234", "53113", "00501", "10115"],
    "unsure": ["01/02/2025", "03/04/2025", "05/06/2025", "07/08/2025"],
}
AFTERWARDS = {
    "day": ["2025-01-31", "2025-02-01", None, "2025-02-28"],
    "month": ["2025-01-31", "2025-02-01", "2025-03-01", "2025-01-02"],
    "named": ["2025-01-31", "2025-02-01", "2025-02-28", "2025-03-03"],
    "paid": [True, False, None, True],
    "any": [True, True, False, False],
    "price": ["1.50", "12.25", "7", None],
    "count": ["1", "2", "3", None],
    "amount": ["1", None, "0.10", None],
    "at": ["2025-01-31 10:00", None, "2025-02-01 11:30", "2025-02-01 11:31"],
    "zip": COLUMNS["zip"],
    "unsure": COLUMNS["unsure"],
}


async def test_suggestions_are_taken_by_one_patch(client: AsyncClient) -> None:
    rows = zip(*COLUMNS.values(), strict=True)
    body = "\n".join([";".join(COLUMNS), *(";".join(row) for row in rows)])
    assert (await raw(client, body.encode(), name="sales", delimiter=";")).status_code == 201
    columns = (await client.get("/datasets/sales/schema")).json()["columns"]
    assert {each["type"] for each in columns} == {"text"}
    offered = {each["name"]: each["evidence"].get("patch") for each in columns}
    assert [name for name, patch in offered.items() if patch is None] == ["zip", "unsure"]
    changes = [{"name": name, **patch} for name, patch in offered.items() if patch]
    answer = await client.patch("/datasets/sales/schema", json={"columns": changes})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["version"], answer.json()["changed"]) == (2, 4)
    found = await records(client, "sales")
    assert {name: [row[name] for row in found] for name in COLUMNS} == AFTERWARDS
    assert await schema(client, "sales") == {
        "day": "date", "month": "date", "named": "date", "paid": "boolean", "any": "boolean", "price": "number",
        "count": "integer", "amount": "number", "at": "datetime", "zip": "text", "unsure": "text",
    }  # fmt: skip


async def test_what_is_not_plain_is_said(client: AsyncClient) -> None:
    assert (await raw(client, b"day,zip\n01/02/2025,01234\n03/04/2025,53113\n", name="days")).status_code == 201
    day, code = (await client.get("/datasets/days/schema")).json()["columns"]
    refused = day["evidence"]["refused"]["date"]
    assert refused["reason"] == "not written as YYYY-MM-DD; day and month cannot be told apart"
    assert refused["cells"][0] == {"message": "not written as YYYY-MM-DD", "row": 2, "value": "01/02/2025"}
    assert "suggestion" not in day["evidence"]
    assert code["evidence"]["refused"]["integer"]["cells"][0]["value"] == "01234"
