"""Many records written by their keys: changed where they are found, created where not."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import make, pointers, raw, records, schema, send, version
from support.service import exact

pytestmark = pytest.mark.anyio

STOCK = b"sku,place,pieces\nA,Bonn,1\nB,Bonn,2\nA,Ulm,3\n"


@pytest.fixture
async def stock(client: AsyncClient) -> AsyncClient:
    """Calls as the owner of `stock`, in which `sku` and `place` together tell the records apart."""
    assert (await raw(client, STOCK, name="stock")).status_code == 201
    return client


async def upsert(client: AsyncClient, items: Any, key: str | None = "sku,place", **more: Any) -> Response:
    params = {**more.pop("params", {}), **({} if key is None else {"key": key})}
    return await client.put(f"/datasets/{more.pop('ref', 'stock')}/records", json=items, params=params, **more)


async def table(client: AsyncClient) -> list[tuple[Any, ...]]:
    return [tuple(data.values()) for data in await records(client, "stock")]


async def test_changes_what_is_found_and_makes_the_rest(stock: AsyncClient) -> None:
    items = [
        {"sku": "C", "place": "Ulm", "pieces": 4},
        {"sku": "A", "place": "Ulm", "pieces": 30},
        {"sku": "B", "place": "Bonn"},
        {"sku": "A", "place": "Bonn", "pieces": None},
    ]
    answer = await upsert(stock, items)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {name: told[name] for name in ("version", "added", "changed", "removed", "unchanged")} == {
        "version": 2, "added": 1, "changed": 2, "removed": 0, "unchanged": 1
    }  # fmt: skip
    assert [(record["id"], record["data"]["pieces"]) for record in told["data"]] == [(4, 4), (3, 30), (1, None)]
    assert answer.headers["etag"] == (await stock.get("/datasets/stock")).headers["etag"]
    assert await table(stock) == [
        ("A", "Bonn", None), ("B", "Bonn", "2"), ("A", "Ulm", "30"), ("C", "Ulm", "4")
    ]  # fmt: skip
    made = (await stock.get("/datasets/stock/versions/2")).json()
    assert (made["operation"], made["added"], made["changed"]) == ("upsert", 1, 2)
    again = (await upsert(stock, items)).json()
    assert (again["version"], again["unchanged"], again["data"]) == (2, 4, [])


async def test_by_the_declared_key(client: AsyncClient) -> None:
    await make(client, "stock", columns=[{"name": "id", "type": "integer"}, {"name": "n", "type": "number"}])
    assert (await upsert(client, [{"id": 1}], None)).status_code == 400
    await client.patch("/datasets/stock", json={"key": "id"})
    lines = b'{"id": 7, "n": 0.10}\n\n{"id": 12345678901234567890, "n": 1}\n'
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await client.put("/datasets/stock/records", content=lines, headers=headers)
    assert (answer.json()["added"], answer.json()["unchanged"]) == (2, 0)
    answer = await upsert(client, [{"id": 7, "n": 0.2}, {"id": 12345678901234567890}], None)
    assert (answer.json()["changed"], answer.json()["unchanged"]) == (1, 1)
    assert [data["n"] for data in await records(client, "stock")] == ["0.2", "1"]
    answer = await upsert(client, {"id": 8}, None, headers={"Prefer": "return=minimal"})
    assert (answer.json()["added"], "data" in answer.json()) == (1, False)


async def test_another_spelling_is_the_same_key(client: AsyncClient) -> None:
    await make(client, "stock", columns=[{"name": "n", "type": "number"}, {"name": "at", "type": "datetime"}])
    await client.post("/datasets/stock/records", json={"n": 1, "at": "2025-01-31T10:00:00Z"})
    text = '[{"n": 1.00, "at": "2025-01-31T11:00:00+01:00"}]'
    assert (await send(client, "PUT", "stock/records?key=n,at", text)).json()["changed"] == 1
    assert [data["n"] for data in await records(client, "stock")] == ["1.00"]
    answer = await send(client, "PUT", "stock/records?key=n", '[{"n": 2}, {"n": 2.0}]')
    assert pointers(answer) == [("/1/n", "DUPLICATE_KEY")]


async def test_keys_that_say_nothing_or_too_much(stock: AsyncClient) -> None:
    answer = await upsert(stock, [{"sku": "A", "place": None}, {"place": "Ulm"}, {"sku": 7, "place": "Ulm"}])
    assert pointers(answer) == [("/0/place", "NULL"), ("/1/sku", "NULL"), ("/2/sku", "INVALID_VALUE")]
    twice = [{"sku": "X"}, {"sku": "B"}, {"sku": "X"}, {"sku": "X", "pieces": 1}]
    answer = await upsert(stock, twice, "sku")
    assert answer.json()["error_code"] == "DUPLICATE_KEYS"
    assert pointers(answer) == [("/2/sku", "DUPLICATE_KEY"), ("/3/sku", "DUPLICATE_KEY")]
    answer = await upsert(stock, [{"sku": "B"}, {"sku": "A"}], "sku")
    assert pointers(answer) == [("/1/sku", "DUPLICATE_KEY")] * 2
    assert [error["record"] for error in answer.json()["errors"]] == [1, 3]
    assert await version(stock, "stock") == 1


async def test_bad_values_are_named_by_their_place_in_the_body(stock: AsyncClient) -> None:
    items = [
        {"sku": "N", "place": "Ulm", "pieces": "x"},
        {"sku": "A", "place": "Ulm", "colour": "red"},
        {"sku": "A", "place": "Bonn", "pieces": 1.5},
    ]
    assert sorted(pointers(await upsert(stock, items))) == [
        ("/0/pieces", "INVALID_VALUE"), ("/1/colour", "UNKNOWN_COLUMN"), ("/2/pieces", "INVALID_VALUE")
    ]  # fmt: skip
    assert await version(stock, "stock") == 1


@pytest.mark.parametrize(
    ("key", "items", "status"),
    [
        ("skew", [{"sku": "A"}], 400),
        ("sku,sku", [{"sku": "A"}], 400),
        ("", [{"sku": "A"}], 400),
        ("sku,", [{"sku": "A"}], 400),
        (None, [{"sku": "A"}], 400),
        ("sku", [7], 422),
        ("sku", 7, 422),
        ("sku", [{"sku": str(number)} for number in range(10_001)], 422),
    ],
    ids=["unknown", "twice", "empty", "a comma", "none", "no object", "a number", "too many"],
)
async def test_what_cannot_be_understood(stock: AsyncClient, key: str | None, items: Any, status: int) -> None:
    answer = await upsert(stock, items, key)
    assert answer.status_code == status, answer.text
    assert await version(stock, "stock") == 1


async def test_a_dry_run_and_a_stale_version(stock: AsyncClient) -> None:
    items = [{"sku": "B", "pieces": 9}, {"sku": "Z", "place": "Ulm"}]
    told = (await upsert(stock, items, "sku", params={"dry_run": True})).json()
    assert (told["version"], told["added"], told["changed"], told["dry_run"]) == (2, 1, 1, True)
    stale = await upsert(stock, items, "sku", headers={"If-Match": '"old"'})
    assert (stale.status_code, stale.json()["version"]) == (412, 1)
    assert await version(stock, "stock") == 1
    assert (await upsert(stock, [])).json()["version"] == 1


async def test_a_schemaless_dataset_grows(client: AsyncClient) -> None:
    await make(client, "open")
    first = [{"id": "a", "n": 1}, {"id": "b", "n": {"x": 1, "y": 2}}]
    assert (await upsert(client, first, "id", ref="open")).json()["added"] == 2
    answer = await upsert(client, [{"id": "b", "n": {"y": None}, "new": True}], "id", ref="open")
    assert answer.json()["data"] == [{"id": 2, "version": 3, "data": {"id": "b", "n": {"x": 1}, "new": True}}]
    assert await schema(client, "open") == {"id": "text", "n": "json", "new": "boolean"}
    assert pointers(await upsert(client, [{"id": "c", " ": 1}], "id", ref="open")) == [("/0/ ", "INVALID_NAME")]
    doubled = await upsert(client, [{"id": 1}, {"id": "1"}], "id", ref="open")
    assert pointers(doubled) == [("/1/id", "DUPLICATE_KEY")]
    assert await schema(client, "open") == {"id": "text", "n": "json", "new": "boolean"}


async def test_ten_thousand(client: AsyncClient) -> None:
    rows = b"sku,n\n" + b"".join(b"k%d,%d\n" % (number, number) for number in range(20_000))
    assert (await raw(client, rows, name="stock")).status_code == 201
    await client.patch("/datasets/stock", json={"key": "sku"})
    items = [{"sku": f"k{number}", "n": -number} for number in range(15_000, 25_000)]
    answer = await upsert(client, items, None, headers={"Prefer": "return=minimal"})
    assert (answer.json()["added"], answer.json()["changed"]) == (5_000, 5_000)
    counted = exact(await client.get("/datasets/stock/records/count", params={"n": "lt:0"}))
    assert counted == {"count": "10000", "version": "3"}


async def test_what_is_wrong_is_told_in_the_order_of_the_body(stock: AsyncClient) -> None:
    items = [{"sku": sku, "place": "Bonn", "pieces": "x"} for sku in ("N", "A", "O", "B")]
    assert [place for place, _ in pointers(await upsert(stock, items))] == [f"/{at}/pieces" for at in range(4)]


async def test_by_another_column_the_declared_key_is_kept(client: AsyncClient) -> None:
    await make(client, "stock", columns=[{"name": "id", "type": "integer"}, {"name": "n", "type": "number"}])
    await client.patch("/datasets/stock", json={"key": "id"})
    await upsert(client, [{"id": 1, "n": 1}, {"id": 2, "n": 2}], "id")
    doubled = await upsert(client, [{"id": 2, "n": 3}, {"id": 2, "n": 1}, {"id": 4, "n": 2}, {"id": 4, "n": 5}], "n")
    assert pointers(doubled) == [("/0/id", "DUPLICATE_KEY"), ("/3/id", "DUPLICATE_KEY")]
