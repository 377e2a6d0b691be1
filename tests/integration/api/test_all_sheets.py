"""`sheet="*"`: each sheet of a workbook a dataset, all of them or none."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from httpx import AsyncClient, Response
from openpyxl import Workbook
from support.calls import raw, records
from support.service import User

pytestmark = pytest.mark.anyio

XLSX = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def workbook(**sheets: list[list[Any]]) -> bytes:
    """A workbook with these sheets; one whose name begins with `hidden` is hidden."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if name.startswith("hidden"):
            sheet.sheet_state = "hidden"
    out = BytesIO()
    book.save(out)
    return out.getvalue()


BUDGET = workbook(
    Income=[["month", "amount"], ["2026-01", 10.5], ["2026-02", 11]],
    hidden=[["secret"], ["x"]],
    Empty=[],
    Costs=[["what", "paid"], ["rent", True]],
)


async def upload(client: AsyncClient, body: bytes = BUDGET, **params: Any) -> Response:
    return await raw(client, body, XLSX, sheet="*", **params)


async def test_without_a_key_is_refused(anonymous: AsyncClient) -> None:
    assert (await upload(anonymous)).status_code == 401


async def test_each_visible_sheet_is_a_dataset(user: User) -> None:
    answer = await upload(user.client, name="budget")
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert [each["dataset"]["name"] for each in told["datasets"]] == ["budget Income", "budget Costs"]
    assert [each["import"]["sheet"] for each in told["datasets"]] == ["Income", "Costs"]
    assert {each["value"] for each in told["warnings"]} >= {"hidden", "Empty"}
    assert await records(user.client, "budget-income") == [
        {"month": "2026-01", "amount": "10.5"}, {"month": "2026-02", "amount": "11"},
    ]  # fmt: skip


async def test_a_taken_name_refuses_all_of_them(user: User) -> None:
    await raw(user.client, b"a\n1\n", name="budget Costs")
    answer = await upload(user.client, name="budget")
    assert answer.status_code == 409
    assert (await user.client.get("/datasets")).json()["total"] == 1


async def test_the_plan_shows_each_sheet_and_stores_none(user: User) -> None:
    answer = await upload(user.client, dry_run="true")
    assert answer.status_code == 200, answer.text
    plans = answer.json()["plans"]
    assert [[column["name"] for column in plan["columns"]] for plan in plans] == [["month", "amount"], ["what", "paid"]]
    assert (await user.client.get("/datasets")).json()["total"] == 0


async def test_a_bad_sheet_leaves_nothing_of_the_others(user: User) -> None:
    answer = await upload(user.client, name="budget", types="what:integer")
    assert answer.status_code == 422, answer.text
    assert (await user.client.get("/datasets")).json()["total"] == 0


async def test_a_type_counts_for_the_sheets_that_have_its_column(user: User) -> None:
    answer = await upload(user.client, name="budget", types="amount:text")
    assert answer.status_code == 201, answer.text
    assert await records(user.client, "budget-costs") == [{"what": "rent", "paid": True}]


async def test_text_has_no_sheets(user: User) -> None:
    answer = await raw(user.client, b"a\n1\n", sheet="*")
    assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID")
