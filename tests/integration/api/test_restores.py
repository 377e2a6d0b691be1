"""Back to an older version: all of it, or chosen records."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.service import Upload, User, exact, without_request_id

pytestmark = pytest.mark.anyio

STOCK = "sku,name,price\nA,Axe,10.50\nB,Bow,7\nC,Club,0.10\n"


@pytest.fixture
async def stock(user: User, upload: Upload) -> AsyncClient:
    """A dataset of four versions: a file, a changed price, a deleted record, a new one."""
    await upload(STOCK, name="stock")
    await user.client.patch("/datasets/stock/records/1", json={"price": 11})
    await user.client.delete("/datasets/stock/records/2")
    await user.client.post("/datasets/stock/records", json={"sku": "D", "name": "Dart", "price": 1})
    return user.client


async def restore(client: AsyncClient, body: dict[str, Any], status: int = 200, **params: Any) -> Any:
    answer = await client.post("/datasets/stock/restore", json=body, params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


async def rows(client: AsyncClient, **params: Any) -> list[tuple[str, dict[str, Any]]]:
    found = exact(await client.get("/datasets/stock/records", params=params))
    return [(record["id"], record["data"]) for record in found["data"]]


async def schema(client: AsyncClient, **params: Any) -> Any:
    return (await client.get("/datasets/stock/schema", params=params)).json()["columns"]


async def test_strangers_find_nothing(stock: AsyncClient, stranger: AsyncClient, reader: AsyncClient) -> None:
    theirs = (await stock.get("/datasets/stock")).json()["id"]
    missing = f"{theirs[:-12]}000000000000"
    answers = [await stranger.post(f"/datasets/{ref}/restore", json={"version": 1}) for ref in (theirs, missing)]
    assert without_request_id(answers[0]) == without_request_id(answers[1])
    assert answers[0].status_code == 404
    assert (await reader.post("/datasets/stock/restore", json={"version": 1})).status_code == 403


class TestAll:
    async def test_values_to_the_digit_and_deleted_records_under_their_ids(self, stock: AsyncClient) -> None:
        assert await restore(stock, {"version": 1, "note": "oops"}) == {
            "version": 5, "added": 1, "changed": 1, "removed": 1, "unchanged": 1,
        }  # fmt: skip
        assert await rows(stock) == await rows(stock, version=1)
        assert (await rows(stock))[0] == ("1", {"sku": "A", "name": "Axe", "price": "10.50"})
        made = (await stock.get("/datasets/stock/versions/5")).json()
        told = ("operation", "note", "source", "rows", "added", "changed", "removed")
        assert [made[name] for name in told] == ["restore", "oops", {"version": 1}, 3, 1, 1, 1]
        found = (await stock.get("/datasets/stock/diff", params={"summary": True})).json()
        assert found == {"added": 1, "changed": 1, "removed": 1, "columns": []}

    async def test_a_record_that_is_as_it_was_keeps_its_image(self, stock: AsyncClient) -> None:
        await restore(stock, {"version": 1})
        assert (await stock.get("/datasets/stock/records/3")).json()["version"] == 1
        await stock.patch("/datasets/stock/records/1", json={"name": "x"})
        await stock.patch("/datasets/stock/records/1", json={"name": "Axe"})
        assert (await restore(stock, {"version": 5}))["version"] == 7
        assert (await stock.get("/datasets/stock/records/1")).json()["version"] == 7

    async def test_when_not_one_record_is_what_it_was(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "price", "type": "text"}]})
        assert (await restore(stock, {"version": 1})) == {
            "version": 6, "added": 1, "changed": 2, "removed": 1, "unchanged": 0,
        }  # fmt: skip
        assert (await rows(stock), await schema(stock)) == (
            await rows(stock, version=1),
            await schema(stock, version=1),
        )
        await stock.post("/datasets/stock/imports?mode=replace", content=STOCK, headers={"Content-Type": "text/csv"})
        assert (await restore(stock, {"version": 6}))["added"] == 3
        assert await rows(stock) == await rows(stock, version=1)

    async def test_many_records_by_a_lease(self, client: AsyncClient, upload: Upload) -> None:
        count = 20_001
        await upload("sku,price\n" + "".join(f"{n},0.10\n" for n in range(count)), name="stock")
        await client.post(
            "/datasets/stock/imports?mode=replace", content="sku,price\n7,1\n", headers={"Content-Type": "text/csv"}
        )
        wanted = {"version": 3, "added": count, "changed": 0, "removed": 1, "unchanged": 0}
        assert await restore(client, {"version": 1}, dry_run=True) == {**wanted, "dry_run": True}
        assert await restore(client, {"version": 1}) == wanted
        for version in (1, 3):
            answer = (await client.get("/datasets/stock/export", params={"version": version, "format": "csv"})).text
            assert answer.startswith("sku,price\r\n0,0.10\r\n")
            assert answer.count("\r\n") == count + 1
        assert (await client.post("/datasets/stock/records", json={"sku": 1})).status_code == 201

    async def test_new_ids_go_on_behind_all_that_ever_were(self, stock: AsyncClient) -> None:
        await restore(stock, {"version": 1})
        assert (await stock.post("/datasets/stock/records", json={"sku": "E"})).json()["id"] == 5

    async def test_what_is_so_already_makes_no_version(self, stock: AsyncClient) -> None:
        nothing = {"version": 4, "added": 0, "changed": 0, "removed": 0, "unchanged": 3}
        assert await restore(stock, {"version": 4}) == nothing
        await stock.delete("/datasets/stock/records/4")
        assert (await restore(stock, {"version": 3})) == {**nothing, "version": 5, "unchanged": 2}

    async def test_a_dry_run_tells_and_does_nothing(self, stock: AsyncClient) -> None:
        told = await restore(stock, {"version": 1}, dry_run=True)
        assert told.pop("dry_run") is True
        assert (await stock.get("/datasets/stock")).json()["version"] == 4
        assert await restore(stock, {"version": 1}) == told

    async def test_there_and_back(self, stock: AsyncClient) -> None:
        await restore(stock, {"version": 1})
        assert (await restore(stock, {"version": 4}))["version"] == 6
        assert await rows(stock) == await rows(stock, version=4)

    async def test_by_tag_and_moment(self, stock: AsyncClient) -> None:
        at = (await stock.get("/datasets/stock/versions/1")).json()["created_at"]
        assert (await restore(stock, {"as_of": at}))["version"] == 5
        assert await rows(stock) == await rows(stock, version=1)

    async def test_if_match(self, stock: AsyncClient) -> None:
        etag = (await stock.get("/datasets/stock")).headers["etag"]
        await stock.delete("/datasets/stock/records/4")
        body = {"version": 1}
        stale = await stock.post("/datasets/stock/restore", json=body, headers={"If-Match": etag})
        assert (stale.status_code, stale.json()["version"]) == (412, 5)
        done = await stock.post("/datasets/stock/restore", json=body, headers={"If-Match": stale.headers["etag"]})
        assert done.status_code == 200
        assert done.headers["etag"] == (await stock.get("/datasets/stock")).headers["etag"]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 400),
            ({"version": 1, "as_of": "2026-01-01T00:00:00Z"}, 400),
            ({"version": 9}, 404),
            ({"version": "gone"}, 404),
            ({"as_of": "2000-01-01T00:00:00Z"}, 404),
            ({"version": 0}, 422),
            ({"as_of": "2000-01-01"}, 404),
            ({"as_of": "yesterday"}, 400),
            ({"as_of": 5}, 422),
            ({"version": 1.0}, 422),
            ({"version": "01"}, 404),
            ({"version": 1, "ids": ["1"]}, 422),
            ({"version": 1, "ids": []}, 422),
            ({"version": 1, "id": 4}, 422),
        ],
    )
    async def test_what_cannot_be_is_refused(self, stock: AsyncClient, body: Any, status: int) -> None:
        await restore(stock, body, status)
        assert (await stock.get("/datasets/stock")).json()["version"] == 4

    async def test_a_dataset_without_a_schema(self, user: User) -> None:
        await user.client.post("/datasets", json={"name": "stock"})
        await user.client.post("/datasets/stock/records", json={"a": 1, "b": {"c": [1.25]}})
        await user.client.put("/datasets/stock/records/1", json={"a": 2.5, "z": "new"})
        await restore(user.client, {"version": 2})
        assert await rows(user.client) == [("1", {"a": "1", "b": {"c": ["1.25"]}})]
        assert await schema(user.client) == await schema(user.client, version=2)
        await restore(user.client, {"version": 1})
        assert (await rows(user.client), await schema(user.client)) == ([], [])
        await user.client.post("/datasets/stock/records", json={"a": "text now"})
        await restore(user.client, {"version": 3})
        assert await rows(user.client) == [("1", {"a": "2.5", "b": None, "z": "new"})]

    async def test_what_a_dropped_column_hid_does_not_come_back_with_it(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/4", json={"name": None})
        await stock.patch("/datasets/stock/records/4", json={"name": "Dart"})
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "name", "drop": True}]})
        await restore(stock, {"version": 5})
        assert await rows(stock) == await rows(stock, version=5)


class TestChosen:
    async def test_only_these_get_what_they_had(self, stock: AsyncClient) -> None:
        assert await restore(stock, {"version": 1, "ids": [2, 4, 3, 2]}) == {
            "version": 5, "added": 1, "changed": 0, "removed": 1, "unchanged": 1,
        }  # fmt: skip
        assert [(number, data["price"]) for number, data in await rows(stock)] == [
            ("1", "11"),
            ("2", "7"),
            ("3", "0.10"),
        ]
        made = (await stock.get("/datasets/stock/versions/5")).json()
        assert (made["source"], made["rows"]) == ({"version": 1, "records": 3}, 3)
        assert (await restore(stock, {"version": 1, "ids": [2, 4]}))["version"] == 5

    async def test_one_that_never_was_is_named(self, stock: AsyncClient) -> None:
        refused = await restore(stock, {"version": 1, "ids": [2, 99]}, 422)
        (error,) = refused["errors"]
        assert (error["pointer"], error["code"], error["record"]) == ("/ids/1", "RECORD_NOT_FOUND", 99)
        assert (await stock.get("/datasets/stock")).json()["version"] == 4

    async def test_columns_stay_as_they_are_today(self, stock: AsyncClient) -> None:
        change = {
            "columns": [{"name": "price", "rename_to": "cost", "type": "text"}, {"name": "name", "drop": True}],
            "add": [{"name": "note"}],
        }
        assert (await stock.patch("/datasets/stock/schema", json=change)).status_code == 200
        await stock.patch("/datasets/stock/records/1", json={"note": "kept"})
        await restore(stock, {"version": 1, "ids": [1, 2]})
        assert (await rows(stock))[:2] == [
            ("1", {"sku": "A", "cost": "10.50", "note": "kept"}),
            ("2", {"sku": "B", "cost": "7", "note": None}),
        ]

    async def test_a_value_that_does_not_fit_its_column_of_today_is_refused(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/3", json={"sku": "3"})
        await stock.patch("/datasets/stock/records/4", json={"sku": "4"})
        await stock.patch("/datasets/stock/records/1", json={"sku": "1"})
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "sku", "type": "integer"}]})
        refused = await restore(stock, {"version": 1, "ids": [1]}, 422)
        (error,) = refused["errors"]
        assert (error["pointer"], error["column"], error["record"]) == ("/ids/0", "sku", 1)
        assert "The column was of type text" in error["message"]
        assert (await restore(stock, {"version": 6, "ids": [4]}))["unchanged"] == 1

    async def test_a_required_value_that_was_not_there_is_refused(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/3", json={"name": None})
        await stock.patch("/datasets/stock/records/3", json={"name": "Club"})
        await stock.patch("/datasets/stock/schema", json={"columns": [{"name": "name", "nullable": False}]})
        refused = await restore(stock, {"version": 5, "ids": [3]}, 422)
        assert [(each["code"], each["column"]) for each in refused["errors"]] == [("NULL", "name")]


class TestWithAKey:
    @pytest.fixture
    async def keyed(self, stock: AsyncClient) -> AsyncClient:
        """`sku`, which was text in version 4, is integer and the key from version 6 on."""
        for record, sku in ((1, "1"), (3, "3"), (4, "4")):
            await stock.patch(f"/datasets/stock/records/{record}", json={"sku": sku})
        change = {"columns": [{"name": "sku", "type": "integer"}]}
        assert (await stock.patch("/datasets/stock/schema", json=change)).status_code == 200
        answer = await stock.patch("/datasets/stock", json={"key": "sku"})
        assert answer.status_code == 200, answer.text
        return stock

    async def test_its_index_goes_with_the_types(self, keyed: AsyncClient) -> None:
        await restore(keyed, {"version": 1})
        assert (await keyed.get("/datasets/stock/records/by-key/B")).json()["id"] == 2
        before = (await keyed.get("/datasets/stock")).json()["version"] - 1
        await restore(keyed, {"version": before})
        assert (await keyed.get("/datasets/stock/records/by-key/4")).json()["id"] == 4
        assert (await restore(keyed, {"version": before}))["version"] == before + 2

    async def test_swapped_keys_come_back(self, keyed: AsyncClient) -> None:
        at = (await keyed.get("/datasets/stock")).json()["version"]
        for record, sku in ((1, 9), (3, 1), (1, 3)):
            await keyed.patch(f"/datasets/stock/records/{record}", json={"sku": sku})
        await restore(keyed, {"version": at, "ids": [1, 3]})
        await restore(keyed, {"version": at + 3})
        await restore(keyed, {"version": at})
        assert [data["sku"] for _, data in await rows(keyed)] == ["1", "3", "4"]

    async def test_a_version_where_a_key_was_missing_or_there_twice_is_refused(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/records/3", json={"sku": "A"})
        await stock.patch("/datasets/stock/records/3", json={"sku": None})
        await stock.patch("/datasets/stock/records/3", json={"sku": "C"})
        await stock.patch("/datasets/stock", json={"key": "sku"})
        for body in ({"version": 5}, {"version": 5, "ids": [3]}):
            for dry_run in (True, False):
                assert (await restore(stock, body, 422, dry_run=dry_run))["error_code"] == "DUPLICATE_KEYS"
        for dry_run in (True, False):
            refused = await restore(stock, {"version": 6}, 422, dry_run=dry_run)
            assert [(each["code"], each["record"]) for each in refused["errors"]] == [("NULL", 3)]

    async def test_a_version_without_the_key_column_is_refused(self, stock: AsyncClient) -> None:
        await stock.patch("/datasets/stock/schema", json={"add": [{"name": "code"}]})
        for record in (1, 3, 4):
            await stock.patch(f"/datasets/stock/records/{record}", json={"code": f"c{record}"})
        await stock.patch("/datasets/stock", json={"key": "code"})
        assert "clear that first" in (await restore(stock, {"version": 1}, 409))["detail"]
        await stock.patch("/datasets/stock", json={"key": None})
        await restore(stock, {"version": 1})


async def exported(client: AsyncClient, version: int) -> Response:
    return await client.get("/datasets/stock/export", params={"version": version, "format": "csv"})


async def test_columns_through_time(stock: AsyncClient) -> None:
    """Rename, retype, add, drop, reorder, records written in between: each version stays as it was and comes back."""
    changes: list[tuple[str, str, Any]] = [
        ("PATCH", "schema", {"columns": [{"name": "price", "rename_to": "cost", "description": "in euro"}]}),
        ("PATCH", "records/1", {"cost": 12.5}),
        (
            "PATCH",
            "schema",
            {"columns": [{"name": "cost", "type": "text"}], "add": [{"name": "stocked", "type": "date"}]},
        ),
        ("PATCH", "records/3", {"cost": "dear", "stocked": "2026-01-31"}),
        ("PATCH", "schema", {"columns": [{"name": "name", "drop": True}], "order": ["stocked", "cost"]}),
        ("POST", "records", {"sku": "E", "cost": "free", "stocked": "2026-02-01"}),
        ("PATCH", "schema", {"columns": [{"name": "sku", "rename_to": "name"}], "add": [{"name": "sku"}]}),
        ("PATCH", "records/1", {"name": "A", "sku": "another"}),
        ("DELETE", "records/3", None),
    ]
    known = dict[int, tuple[Any, Any, str]]()

    async def keep(version: int) -> None:
        known[version] = (await rows(stock), await schema(stock), (await exported(stock, version)).text)

    for version in range(1, 5):
        known[version] = (
            await rows(stock, version=version),
            await schema(stock, version=version),
            (await exported(stock, version)).text,
        )
    for method, path, body in changes:
        answer = await stock.request(method, f"/datasets/stock/{path}", json=body)
        assert answer.status_code < 300, answer.text
        await keep((await stock.get("/datasets/stock")).json()["version"])
    newest = max(known)
    for version, (records, columns, text) in known.items():
        assert (await rows(stock, version=version), await schema(stock, version=version)) == (records, columns)
        assert (await exported(stock, version)).text == text
        for column in columns:
            name, key = column["name"], f"filter[{column['name']}]"
            down = await rows(stock, version=version, sort=f"-{name}")
            assert sorted(down, key=lambda row: int(row[0])) == records
            found = await rows(stock, version=version, **{key: "is_not_null"})
            assert found == [row for row in records if row[1][name] is not None]
        gone = {each["name"] for _, others, _ in known.values() for each in others} - {each["name"] for each in columns}
        for name in gone:
            answer = await stock.get("/datasets/stock/records", params={"version": version, "sort": name})
            assert (answer.status_code, answer.json()["error_code"]) == (400, "UNKNOWN_COLUMN")
    for version, (records, columns, text) in reversed(known.items()):
        made = await restore(stock, {"version": version})
        now = (await stock.get("/datasets/stock")).json()
        assert (now["version"], now["rows"], now["columns"]) == (made["version"], len(records), len(columns))
        assert (await rows(stock), await schema(stock)) == (records, columns)
        assert (await exported(stock, now["version"])).text == text
        found = (await stock.get("/datasets/stock/diff", params={"summary": True})).json()
        if version != newest:
            assert [found[name] for name in ("added", "changed", "removed")] == [
                made[name] for name in ("added", "changed", "removed")
            ]
