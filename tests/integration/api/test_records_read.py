"""Reading records: pages, cursors, counts, streams, one record, older versions."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from support.calls import names, page, refused
from support.service import Once, Upload, User, exact

pytestmark = pytest.mark.anyio


@pytest.mark.reads
@pytest.mark.usefixtures("people")
class TestPage:
    async def test_holds_what_the_contract_says(self, client: AsyncClient) -> None:
        told = await page(client, limit=2)
        assert list(told) == ["data", "count", "has_more", "next", "version", "execution_time_ms", "total"]
        assert (told["count"], told["total"], told["has_more"], told["version"]) == ("2", "5", True, "1")
        assert told["data"][0] == {
            "id": "1",
            "version": "1",
            "data": {"name": "Ann", "amount": "10", "born": "1990-01-31", "active": True},
        }
        assert list(told["data"][0]["data"]) == ["name", "amount", "born", "active"]
        assert told["next"].replace("-", "").replace("_", "").isalnum()

    async def test_the_last_page_has_no_next(self, client: AsyncClient) -> None:
        told = await page(client)
        assert (told["has_more"], told["next"], told["count"]) == (False, None, "5")

    async def test_limit_and_offset(self, client: AsyncClient) -> None:
        assert await names(client, limit=2, offset=3) == ["bob", "O'Neil, Jr."]
        assert await names(client, offset=99) == []
        assert (await page(client, offset=99))["total"] == "5"

    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ({"amount": "9"}, ["Bob", "O'Neil, Jr."]),
            ({"amount": "gt:9.00"}, ["Ann", "Émile"]),
            ({"amount": "ne:9"}, ["Ann", "Émile", "bob"]),
            ({"amount": "between:9,10"}, ["Ann", "Bob", "O'Neil, Jr."]),
            ({"amount": "is_null"}, ["bob"]),
            ({"amount": "not.in:9,10"}, ["Émile", "bob"]),
            ({"name": "ilike:*BOB*"}, ["Bob", "bob"]),
            ({"name": "icontains:éM"}, ["Émile"]),
            ({"name": 'in:Ann,"O\'Neil, Jr."'}, ["Ann", "O'Neil, Jr."]),
            ({"born": "lt:1990-01-31"}, ["O'Neil, Jr."]),
            ({"born": "1990-01-31"}, ["Ann", "bob"]),
            ({"active": "true"}, ["Ann", "Émile"]),
            ({"active": "is_null:false"}, ["Ann", "Bob", "Émile", "O'Neil, Jr."]),
            ({"q": "1990 ann"}, ["Ann"]),
            ({"__id": "gte:4"}, ["bob", "O'Neil, Jr."]),
            ({"filter[name]": "eq:Ann"}, ["Ann"]),
            ({"name": "eq:in:x"}, []),
        ],
        ids=str,
    )
    async def test_filters(self, client: AsyncClient, params: dict[str, str], found: list[str]) -> None:
        told = await page(client, **params)
        assert [record["data"]["name"] for record in told["data"]] == found
        assert told["total"] == told["count"] == str(len(found))

    async def test_a_column_given_twice_must_satisfy_both(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets/people/records?amount=gte:9&amount=lt:10")
        assert [record["data"]["name"] for record in answer.json()["data"]] == ["Bob", "O'Neil, Jr."]

    @pytest.mark.parametrize(
        ("sort", "found"),
        [
            ("amount", ["Bob", "O'Neil, Jr.", "Ann", "Émile", "bob"]),
            ("-amount", ["Émile", "Ann", "Bob", "O'Neil, Jr.", "bob"]),
            ("amount:desc", ["Émile", "Ann", "Bob", "O'Neil, Jr.", "bob"]),
            ("born,-name", ["O'Neil, Jr.", "bob", "Ann", "Émile", "Bob"]),
            ("name", ["Ann", "Bob", "O'Neil, Jr.", "bob", "Émile"]),
            ("-__id", ["O'Neil, Jr.", "bob", "Émile", "Bob", "Ann"]),
        ],
    )
    async def test_order_is_total_with_nulls_last(self, client: AsyncClient, sort: str, found: list[str]) -> None:
        assert await names(client, sort=sort) == found
        one_by_one = []
        told = await page(client, sort=sort, limit=1)
        while True:
            one_by_one += [record["data"]["name"] for record in told["data"]]
            if told["next"] is None:
                break
            told = await page(client, cursor=told["next"])
        assert one_by_one == found

    async def test_select_keeps_the_order_asked_for(self, client: AsyncClient) -> None:
        record = (await page(client, select="born,name", limit=1))["data"][0]
        assert list(record["data"].items()) == [("born", "1990-01-31"), ("name", "Ann")]
        assert record["id"] == "1"

    async def test_an_unknown_column_names_the_nearest(self, client: AsyncClient) -> None:
        for params in ({"nmae": "x"}, {"sort": "nmae"}, {"select": "nmae"}, {"filter[nmae]": "x"}):
            assert "'name'" in (await refused(client, **params)).json()["detail"], params
        assert "'limit'" in (await refused(client, limt=1)).json()["detail"]

    @pytest.mark.parametrize(
        "params",
        [
            {"limit": 0}, {"limit": 1001}, {"limit": "many"}, {"offset": -1}, {"count": "maybe"}, {"version": ""},
            {"as_of": "yesterday"}, {"version": 1, "as_of": "2026-01-01"}, {"amount": "gt:much"}, {"born": "gt:soon"},
            {"active": "perhaps"}, {"cursor": "x"}, {"cursor": ""}, {"name": "regex:("}, {"amount": "between:1"},
            {"sort": ""}, {"select": ""}, {"name": "a\0b"}, {"q": "\0"}, {"format": "csv"}, {"": "x"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_a_wrong_parameter_is_refused(self, client: AsyncClient, params: dict[str, str]) -> None:
        assert (await refused(client, **params)).json()["status_code"] == 400

    async def test_count_says_how_sure_the_total_is(self, client: AsyncClient) -> None:
        assert "total" not in await page(client, count="none")
        bounded = await page(client, count="bounded", limit=1, amount="gt:0")
        assert (bounded["total"], "total_is" in bounded) == ("4", False)

    async def test_a_bounded_count_stops_at_ten_thousand(self, client: AsyncClient, upload: Upload) -> None:
        await upload("value,even\n" + "".join(f"{at},{at % 2}\n" for at in range(20_002)), name="many")
        bounded = await page(client, "many", even="0", count="bounded", limit=1)
        assert (bounded["total"], bounded["total_is"]) == ("10000", "at_least")
        following = await page(client, "many", cursor=bounded["next"])
        assert (following["total"], following["total_is"]) == ("10000", "at_least")
        exact_one = await page(client, "many", even="0", limit=1)
        assert (exact_one["total"], "total_is" in exact_one) == ("10001", False)
        whole = await page(client, "many", count="bounded", limit=1)
        assert whole["total"] == "20002"

    @pytest.mark.writes
    async def test_304_for_the_same_page_of_the_same_version(self, client: AsyncClient) -> None:
        first = await client.get("/datasets/people/records?sort=name&limit=2")
        etag = first.headers["etag"]
        assert etag.startswith('W/"')
        again = await client.get("/datasets/people/records?limit=2&sort=name", headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        for other in ("sort=name&limit=3", "sort=-name&limit=2", "sort=name&limit=2&offset=1", "sort=name&limit=2&q=a"):
            answer = await client.get(f"/datasets/people/records?{other}", headers={"If-None-Match": etag})
            assert answer.status_code == 200, other
        await client.patch("/datasets/people/records/1", json={"name": "Anna"})
        answer = await client.get("/datasets/people/records?sort=name&limit=2", headers={"If-None-Match": etag})
        assert answer.status_code == 200


@pytest.mark.reads
@pytest.mark.usefixtures("people")
class TestRead:
    async def test_one_record(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets/people/records/3")
        assert exact(answer) == {
            "id": "3",
            "version": "1",
            "data": {"name": "Émile", "amount": "100.50", "born": "2001-12-01", "active": True},
        }
        assert answer.headers["etag"].startswith('"')

    async def test_304(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/people/records/3")).headers["etag"]
        answer = await client.get("/datasets/people/records/3", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)

    @pytest.mark.writes
    async def test_its_etag_is_its_own(self, client: AsyncClient) -> None:
        before = [(await client.get(f"/datasets/people/records/{at}")).headers["etag"] for at in (1, 2)]
        assert before[0] != before[1]
        await client.patch("/datasets/people/records/1", json={"name": "Anna"})
        after = [(await client.get(f"/datasets/people/records/{at}")).headers["etag"] for at in (1, 2)]
        assert after[0] != before[0]
        assert after[1] == before[1]

    @pytest.mark.writes
    async def test_shows_what_any_kind_of_write_left(self, client: AsyncClient) -> None:
        path = "/datasets/people/records/1"
        writes = [
            ("PATCH", path, {"amount": 1}),
            ("PATCH", "/datasets/people/records", {"changes": [{"id": 1, "set": {"amount": 2}}]}),
            ("PUT", path, {"name": "Ann", "amount": 3}),
            ("PATCH", "/datasets/people/records", {"where": {"name": "Ann"}, "set": {"amount": 4}}),
        ]
        for amount, (method, to, body) in enumerate(writes, start=1):
            assert (await client.get(path)).status_code == 200
            assert (await client.request(method, to, json=body)).status_code == 200
            assert (await client.get(path)).json()["data"]["amount"] == amount
        await client.delete("/datasets/people")
        assert (await client.get(path)).json()["error_code"] == "DATASET_NOT_FOUND"

    @pytest.mark.parametrize("record", ["0", "6", "-1", "99999999999999999999", "1e3", "one", "1.5"])
    async def test_what_is_no_record_is_404(self, client: AsyncClient, record: str) -> None:
        answer = await client.get(f"/datasets/people/records/{record}")
        assert answer.status_code in {400, 404}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("people")
class TestHistory:
    async def test_tells_every_image_and_who_made_it(self, client: AsyncClient, user: User) -> None:
        await client.patch("/datasets/people/records/2", json={"name": "Anna"})
        await client.patch("/datasets/people/records/1", json={"name": "Anna"})
        await client.patch("/datasets/people/records/1", json={"amount": 11})
        await client.delete("/datasets/people/records/1")
        told = (await client.get("/datasets/people/records/1/history")).json()
        assert (told["total"], told["has_more"]) == (3, False)
        versions = sorted(image["version"] for image in told["data"])
        assert versions == [1, 3, 4]
        newest = max(told["data"], key=lambda image: image["version"])
        assert (newest["data"]["name"], newest["data"]["amount"]) == ("Anna", 11)
        assert {image["author"] for image in told["data"]} == {user.id}

    @pytest.mark.reads
    async def test_of_a_record_that_never_was_is_404(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets/people/records/99/history")
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "RECORD_NOT_FOUND"


@pytest.mark.reads
class TestJsonColumns:
    @pytest.fixture
    async def nested(self, client: AsyncClient, once: Once) -> None:
        async def filled() -> None:
            await client.post("/datasets", json={"name": "nested"})
            items = [
                {"name": "a", "address": {"city": "Bonn", "zip": 53111}, "tags": ["x", "y"]},
                {"name": "b", "address": {"city": "Köln"}},
                {"name": "c", "address": None, "tags": []},
            ]
            assert (await client.post("/datasets/nested/records", json=items)).status_code == 201

        await once("nested", filled)

    @pytest.mark.usefixtures("nested")
    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ({"filter[address.city]": "eq:Bonn"}, ["a"]),
            ({"address.city": "icontains:KÖ"}, ["b"]),
            ({"filter[address.zip]": "gt:53000"}, ["a"]),
            ({"filter[tags.0]": "x"}, ["a"]),
            ({"address": "is_null"}, ["c"]),
            ({"sort": "-address.city"}, ["b", "a", "c"]),
        ],
        ids=str,
    )
    async def test_paths_lead_into_them(self, client: AsyncClient, params: dict[str, str], found: list[str]) -> None:
        told = await page(client, "nested", **params)
        assert [record["data"]["name"] for record in told["data"]] == found


class TestWideDatasets:
    @pytest.mark.parametrize("width", [300, 2000])
    async def test_a_page_and_a_record(self, client: AsyncClient, upload: Upload, width: int) -> None:
        header = ",".join(f"c{at}" for at in range(width))
        rows = "\n".join(",".join(str(row * at) for at in range(width)) for row in range(3))
        made = await upload(f"{header}\n{rows}\n", name="wide")
        assert made["columns"] == width
        told = (await page(client, "wide", sort=f"-c{width - 1}", limit=1))["data"][0]
        assert told["data"] == {f"c{at}": str(2 * at) for at in range(width)}
        assert list(told["data"]) == [f"c{at}" for at in range(width)]
        assert exact(await client.get("/datasets/wide/records/3")) == told
        assert (await client.get("/datasets/wide/export")).text == f"{header}\n{rows}\n".replace("\n", "\r\n")
