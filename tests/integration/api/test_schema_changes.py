"""Columns renamed, retyped, dropped, added, ordered, described: one new version, and older ones as they were."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import make, page, raw, records, schema, send
from support.service import Upload, exact

pytestmark = pytest.mark.anyio

SALES = """day,amount,paid,note,zip
31/01/2025,"1,50",yes,n/a,01234
01/02/2025,"2,75",no,sold,53113
28/02/2025,,yes,,00501
"""


@pytest.fixture
async def sales(upload: Upload) -> str:
    ref: str = (await upload(SALES, name="sales"))["id"]
    return ref


async def change(client: AsyncClient, ref: str, *columns: dict[str, Any], **more: Any) -> Any:
    """PATCH the schema; answers what it says."""
    answer = await attempt(client, ref, *columns, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def attempt(
    client: AsyncClient, ref: str, *columns: dict[str, Any], headers: dict[str, str] | None = None, **more: Any
) -> Response:
    params = {"dry_run": "true"} if more.pop("dry_run", False) else {}
    body = {"columns": columns, **more}
    return await client.patch(f"/datasets/{ref}/schema", json=body, params=params, headers=headers or {})


async def names(client: AsyncClient, ref: str, **params: Any) -> list[str]:
    return list(await schema(client, ref, **params))


async def export(client: AsyncClient, ref: str, **params: Any) -> str:
    answer = await client.get(f"/datasets/{ref}/export", params={"newline": "lf", **params})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_all_at_once_is_one_version(client: AsyncClient, sales: str) -> None:
    told = await change(
        client,
        sales,
        {"name": "day", "type": "date", "date_format": "%d/%m/%Y", "rename_to": "sold_on", "nullable": False},
        {"name": "amount", "type": "number", "decimal_comma": True},
        {"name": "paid", "type": "boolean"},
        {"name": "note", "null_values": ["n/a"], "description": "what came of it"},
        {"name": "zip", "drop": True},
        add=[{"name": "buyer", "type": "integer", "description": "who"}],
        order=["buyer", "amount"],
    )
    assert (told["version"], told["changed"]) == (2, 3)
    assert [(each["name"], each["type"]) for each in told["columns"]] == [
        ("buyer", "integer"), ("amount", "number"), ("sold_on", "date"), ("paid", "boolean"), ("note", "text")
    ]  # fmt: skip
    assert [each["nullable"] for each in told["columns"]] == [True, True, False, True, True]
    assert told["columns"][4]["description"] == "what came of it"
    assert (await client.get(f"/datasets/{sales}/schema")).json()["columns"] == told["columns"]
    assert await records(client, sales) == [
        {"buyer": None, "amount": "1.50", "sold_on": "2025-01-31", "paid": True, "note": None},
        {"buyer": None, "amount": "2.75", "sold_on": "2025-02-01", "paid": False, "note": "sold"},
        {"buyer": None, "amount": None, "sold_on": "2025-02-28", "paid": True, "note": None},
    ]
    versions = (await client.get(f"/datasets/{sales}/versions")).json()["data"]
    assert (versions[0]["operation"], versions[0]["changed"], versions[0]["rows"]) == ("schema", 3, 3)
    dataset = (await client.get(f"/datasets/{sales}")).json()
    assert (dataset["version"], dataset["rows"], dataset["columns"]) == (2, 3, 5)


async def test_the_version_before_is_as_it_was(client: AsyncClient, sales: str) -> None:
    reads: list[dict[str, Any]] = [{}, {"sort": "-amount"}, {"day": "31/01/2025"}, {"q": "sold"}, {"select": "zip"}]
    before = [await page(client, sales, **params) for params in reads]
    exported, columns = await export(client, sales), (await client.get(f"/datasets/{sales}/schema")).json()
    await change(
        client,
        sales,
        {"name": "day", "type": "date", "date_format": "DD/MM/YYYY", "rename_to": "amount"},
        {"name": "amount", "type": "number", "decimal_comma": True, "rename_to": "day"},
        {"name": "zip", "drop": True},
        order=["paid"],
    )
    await change(client, sales, add=[{"name": "zip", "type": "integer"}])
    for params, was in zip(reads, before, strict=True):
        now = await page(client, sales, version=1, **params)
        assert (now["data"], now["total"]) == (was["data"], was["total"])
    assert await export(client, sales, version=1) == exported == SALES
    assert (await client.get(f"/datasets/{sales}/schema", params={"version": 1})).json() == columns
    assert await names(client, sales, version=2) == ["paid", "amount", "day", "note"]
    assert [data["zip"] for data in await records(client, sales)] == [None, None, None]
    assert (await records(client, sales, day="gt:2", select="amount,day")) == [{"amount": "2025-02-01", "day": "2.75"}]
    history = exact(await client.get(f"/datasets/{sales}/records/1/history"))["data"]
    assert [(each["version"], each["until"]) for each in history] == [("1", "2"), ("2", None)]
    assert history[0]["data"]["zip"] == "01234"


async def test_two_names_swapped(client: AsyncClient, upload: Upload) -> None:
    await upload("a,b,c\n1,x,2\n", name="pair")
    told = await change(
        client,
        "pair",
        {"name": "a", "rename_to": "b"},
        {"name": "b", "rename_to": "c"},
        {"name": "c", "rename_to": "a"},
    )
    assert (told["version"], told["changed"]) == (2, 0)
    assert await records(client, "pair") == [{"b": "1", "c": "x", "a": "2"}]
    assert (await send(client, "PATCH", "pair/records/1", '{"b": 5}')).status_code == 200
    assert await records(client, "pair") == [{"b": "5", "c": "x", "a": "2"}]
    assert await records(client, "pair", version=1) == [{"a": "1", "b": "x", "c": "2"}]


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [("integer", "number", "1\n2"), ("date", "text", "2025-01-31\n2024-02-29"), ("time", "text", "10:20\n11:30"),
     ("integer", "json", "1\n2"), ("boolean", "json", "true\nfalse"), ("date", "json", "2025-01-31\n2024-02-29"),
     ("text", "text", "a\nb")],
)  # fmt: skip
async def test_what_stands_alike_in_json_rewrites_no_row(
    client: AsyncClient, upload: Upload, before: str, after: str, values: str
) -> None:
    await upload(f"c\n{values}\n", name="one")
    assert (await schema(client, "one"))["c"] == before
    stood = await records(client, "one")
    told = await change(client, "one", {"name": "c", "type": after})
    assert (told["version"], told["changed"]) == (2 if before != after else 1, 0)
    assert told["columns"][0]["type"] == told["columns"][0]["evidence"]["type"] == after
    assert await records(client, "one") == stood


@pytest.mark.parametrize(
    ("values", "steps"),
    [("0.10\n-2", ["text", "number"]), ("TRUE\nFALSE", ["text", "boolean"]), ("1\n0", ["boolean"]),
     ("007\n8", ["integer"]), ("2025-01-31T10:00:00Z\n2024-01-31T10:00:00Z", ["text", "json"])],
)  # fmt: skip
async def test_there_and_back(client: AsyncClient, upload: Upload, values: str, steps: list[str]) -> None:
    """Back in text a value is what the export said of it."""
    await upload(f"c\n{values}\n", name="one")
    shown = await export(client, "one")
    for at, kind in enumerate(steps[:-1]):
        await change(client, "one", {"name": "c", "type": kind})
        assert await export(client, "one") == shown, at
    if steps[-1] != "json":
        await change(client, "one", {"name": "c", "type": steps[-1]})
        assert await schema(client, "one") == {"c": steps[-1]}
    assert await export(client, "one", version=1) == shown


async def test_json_becomes_text_and_numbers(client: AsyncClient) -> None:
    await make(client, "open")
    rows = '[{"v": 1, "n": 1}, {"v": "x", "n": "2.0"}, {"v": {"a": [1, "é"]}, "n": " 7 "}, {"v": true}, {}]'
    assert (await send(client, "POST", "open/records", rows)).status_code == 201
    assert await schema(client, "open") == {"v": "json", "n": "json"}
    told = await change(client, "open", {"name": "v", "type": "text"}, {"name": "n", "type": "integer"})
    assert told["changed"] == 4
    assert [data["v"] for data in await records(client, "open")] == ["1", "x", '{"a": [1, "é"]}', "true", None]
    assert [data["n"] for data in await records(client, "open")] == ["1", "2", "7", None, None]
    told = await change(client, "open", {"name": "n", "type": "json"})
    assert told["changed"] == 0
    told = await change(client, "open", {"name": "n", "type": "integer"})
    assert told["changed"] == 0
    assert (await send(client, "POST", "open/records", '{"v": "y", "n": 3}')).status_code == 201


async def test_text_as_json(client: AsyncClient, upload: Upload) -> None:
    await upload('c\n"{""a"": 0.10}"\n"[1,\n2]"\nnull\n"""x"""\n', name="one")
    told = await change(client, "one", {"name": "c", "type": "json"})
    assert told["changed"] == 4
    assert [data["c"] for data in await records(client, "one")] == [{"a": "0.10"}, ["1", "2"], None, "x"]
    assert (await page(client, "one", **{"filter[c.a]": "eq:0.1"}))["total"] == "1"


async def test_null_values_alone_empty_cells(client: AsyncClient, upload: Upload) -> None:
    await upload("a,b\n0,NA\n,\n1,x\n", name="one")
    told = await change(client, "one", {"name": "a", "null_values": ["0"]}, {"name": "b", "null_values": ["NA", "-"]})
    assert (told["version"], told["changed"]) == (2, 1)
    assert told["columns"][0]["evidence"]["nulls"] == 2
    assert await records(client, "one") == [{"a": None, "b": None}, {"a": None, "b": None}, {"a": "1", "b": "x"}]
    told = await change(client, "one", {"name": "a", "null_values": ["0"]})
    assert (told["version"], told["changed"]) == (2, 0)


async def test_evidence_after_a_change(client: AsyncClient, sales: str) -> None:
    was = (await client.get(f"/datasets/{sales}/schema")).json()["columns"]
    told = await change(
        client, sales, {"name": "day", "type": "date", "date_format": "D/M/YYYY"}, {"name": "zip", "rename_to": "code"}
    )
    now = {each["name"]: each["evidence"] for each in told["columns"]}
    assert now["day"] == {
        "type": "date", "counts": {"date": 3}, "nulls": 0, "distinct": 3,
        "min": "2025-01-31", "max": "2025-02-28", "longest": 10,
    }  # fmt: skip
    assert now["code"] == was[4]["evidence"]


async def test_a_dropped_key_never_comes_back(client: AsyncClient, upload: Upload) -> None:
    await upload("a,b\n1,x\n2,y\n", name="one")
    for version in (2, 4, 6):
        assert (await change(client, "one", {"name": "b", "drop": True}))["version"] == version
        assert await records(client, "one") == [{"a": "1"}, {"a": "2"}]
        await change(client, "one", add=[{"name": "b"}])
        assert await records(client, "one") == [{"a": "1", "b": None}, {"a": "2", "b": None}]
    assert (await send(client, "PATCH", "one/records/1", '{"b": "new"}')).status_code == 200
    assert [data["b"] for data in await records(client, "one")] == ["new", None]
    assert [data["b"] for data in await records(client, "one", version=1)] == ["x", "y"]


async def test_a_change_of_nothing_is_no_version(client: AsyncClient, sales: str) -> None:
    columns = (await client.get(f"/datasets/{sales}/schema")).json()
    same = {"name": "day", "type": "text", "rename_to": "day", "nullable": True, "description": None}
    told = await change(client, sales, same, order=["day", "amount"])
    assert (told["version"], told["changed"], told["columns"]) == (1, 0, columns["columns"])
    assert (await client.patch(f"/datasets/{sales}/schema", json={})).json()["version"] == 1


async def test_if_match(client: AsyncClient, sales: str) -> None:
    of_schema = (await client.get(f"/datasets/{sales}/schema")).headers["etag"]
    of_dataset = (await client.get(f"/datasets/{sales}")).headers["etag"]
    renamed = await attempt(client, sales, {"name": "zip", "rename_to": "plz"}, headers={"If-Match": of_schema})
    assert renamed.status_code == 200
    for stale in (of_schema, of_dataset):
        answer = await attempt(client, sales, {"name": "plz", "drop": True}, headers={"If-Match": stale})
        assert answer.status_code == 412
        assert answer.headers["etag"] == renamed.headers["etag"]
    read = await client.get(f"/datasets/{sales}/schema", headers={"If-None-Match": renamed.headers["etag"]})
    assert read.status_code == 304
    current = (await client.get(f"/datasets/{sales}")).headers["etag"]
    answer = await attempt(client, sales, {"name": "plz", "drop": True}, headers={"If-Match": current})
    assert answer.status_code == 200


async def test_a_dry_run_tells_and_does_nothing(client: AsyncClient, sales: str) -> None:
    before = (await client.get(f"/datasets/{sales}/schema")).json()
    changes = [{"name": "paid", "type": "boolean"}, {"name": "amount", "type": "number"}]
    told = await change(client, sales, *changes, add=[{"name": "buyer"}], dry_run=True)
    assert (told["version"], told["changed"], told["errors_total"]) == (2, 3, 2)
    assert [(each["record"], each["column"], each["value"]) for each in told["errors"]] == [
        (1, "amount", "1,50"), (2, "amount", "2,75")
    ]  # fmt: skip
    assert [each["name"] for each in told["columns"]] == ["day", "amount", "paid", "note", "zip", "buyer"]
    assert (await client.get(f"/datasets/{sales}/schema")).json() == before
    assert (await attempt(client, sales, {"name": "none"}, dry_run=True)).status_code == 422


async def test_records_keep_to_the_new_columns(client: AsyncClient, upload: Upload) -> None:
    await upload("sku,left\nA,1\nB,2\n", name="stock")
    await change(
        client, "stock", {"name": "left", "rename_to": "pieces", "nullable": False}, {"name": "sku", "drop": True}
    )
    answer = await send(client, "POST", "stock/records", '[{"pieces": null}, {"left": 1, "pieces": 2}]')
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [
        ("/0/pieces", "NULL"), ("/1/left", "UNKNOWN_COLUMN")
    ]  # fmt: skip
    assert (await send(client, "PATCH", "stock/records/1", '{"pieces": 1}')).json()["version"] == 1
    assert (await client.get("/datasets/stock")).json()["version"] == 2


async def test_many_rows_in_many_chunks(client: AsyncClient) -> None:
    body = "n,c\n" + "".join(f"{n},{n % 28 + 1}.01.2025\n" for n in range(45_000))
    assert (await raw(client, body.encode(), name="many")).status_code == 201
    assert (await client.delete("/datasets/many/records/2")).status_code == 204
    told = await change(client, "many", {"name": "c", "type": "date", "date_format": "%d.%m.%Y"})
    assert (told["version"], told["changed"], told["columns"][1]["evidence"]["distinct"]) == (3, 44_999, 28)
    assert (await page(client, "many", c="2025-01-02", limit=1))["total"] == "1607"
    assert (await page(client, "many", version=2, c="2.01.2025", limit=1))["total"] == "1607"
    lines = (await export(client, "many")).splitlines()
    assert (len(lines), lines[1], lines[2], lines[-1]) == (45_000, "0,2025-01-01", "2,2025-01-03", "44999,2025-01-04")
