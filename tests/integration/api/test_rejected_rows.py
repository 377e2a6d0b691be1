"""Bad cells: refused, made null or left out, where they are, and the rows that were left out as a file."""

from __future__ import annotations

from io import BytesIO

import pytest
from httpx import AsyncClient
from openpyxl import Workbook
from support.calls import raw, records
from support.service import User, without_request_id

pytestmark = pytest.mark.anyio

AMOUNTS = b'sku,amount,on\r\n007,1,2026-01-01\r\n008,"one, or two",tomorrow\r\n009,,2026-01-02\r\n"","3x",\r\n'
TYPES = "amount:integer,on:date"
XLSX = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


async def rejected(client: AsyncClient, import_id: str) -> str:
    answer = await client.get(f"/imports/{import_id}/rejected")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="rejected-')
    return answer.text


def sales() -> bytes:
    book = Workbook()
    book.active.title = "Sales"
    for row in ([], [None, "what", "amount"], [None, "a", 1], [None, "b", "many"]):
        book.active.append(row)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


async def test_strangers_find_nothing(user: User, stranger: AsyncClient, anonymous: AsyncClient) -> None:
    made = (await raw(user.client, AMOUNTS, types=TYPES, on_error="skip")).json()["import"]["id"]
    missing = f"/imports/{made[:-12]}000000000000/rejected"
    assert (await anonymous.get(f"/imports/{made}/rejected")).status_code == 401
    there, nowhere = await stranger.get(f"/imports/{made}/rejected"), await stranger.get(missing)
    assert there.status_code == 404
    assert without_request_id(there) == without_request_id(nowhere)


async def test_rows_left_out_come_back_with_their_place_and_reasons(user: User) -> None:
    report = (await raw(user.client, AMOUNTS, name="sales", types=TYPES, on_error="skip")).json()["import"]
    assert (report["rows"], report["rejected"]) == (2, 2)
    assert [each["sku"] for each in await records(user.client, "sales")] == ["007", "009"]
    assert await rejected(user.client, report["id"]) == (
        "__row,__error,sku,amount,on\r\n"
        "3,\"amount: 'one, or two' is not of type integer; on: 'tomorrow' is not of type date\","
        '008,"one, or two",tomorrow\r\n'
        "5,amount: '3x' is not of type integer,\"\",3x,\r\n"
    )


async def test_without_any_the_file_has_a_header_alone(user: User) -> None:
    report = (await raw(user.client, b"a\n1\n")).json()["import"]
    assert await rejected(user.client, report["id"]) == "__row,__error\r\n"


async def test_a_re_upload_keeps_them_too(user: User) -> None:
    await raw(user.client, b"sku,amount\na,1\n", name="sales")
    body = b"sku,amount\nb,2\nc,x\n"
    answer = await user.client.post(
        "/datasets/sales/imports", params={"mode": "append", "on_error": "skip"}, content=body,
        headers={"Content-Type": "text/csv"},
    )  # fmt: skip
    assert answer.status_code in {200, 201}, answer.text
    assert (await rejected(user.client, answer.json()["import"]["id"])).splitlines()[1].startswith("3,")


async def test_cells_of_a_workbook_are_named_as_people_see_them(user: User) -> None:
    refused = await raw(user.client, sales(), XLSX, types="amount:integer")
    assert refused.status_code == 422
    assert (refused.json()["errors"][0]["cell"], refused.json()["errors"][0]["code"]) == ("Sales!C4", "BAD_CELL")
    assert "Sales!C4" in refused.json()["detail"]
    nulled = (await raw(user.client, sales(), XLSX, types="amount:integer", on_error="null")).json()["import"]
    assert (nulled["rows"], nulled["warnings"][-1]["cell"]) == (2, "Sales!C4")


async def test_hundreds_of_thousands_go_through_the_disk(user: User) -> None:
    body = b"n\n" + b"x\n" * 200_000
    report = (await raw(user.client, body, types="n:integer", on_error="skip")).json()["import"]
    assert report["rejected"] == 200_000
    assert (await rejected(user.client, report["id"])).count("\r\n") == 200_001
