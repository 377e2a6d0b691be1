"""Reading records: pages, cursors, counts, streams, one record, older versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.service import User, exact

pytestmark = pytest.mark.anyio

Upload = Callable[..., Any]
PEOPLE = """name,amount,born,active
Ann,10,1990-01-31,true
Bob,9,,false
Émile,100.50,2001-12-01,true
bob,,1990-01-31,
"O'Neil, Jr.",9.0,1985-05-05,false
"""


@pytest.fixture
async def people(upload: Upload) -> dict[str, Any]:
    dataset: dict[str, Any] = await upload(PEOPLE, name="people")
    return dataset


async def page(client: AsyncClient, ref: str = "people", **params: Any) -> Any:
    answer = await client.get(f"/datasets/{ref}/records", params=params)
    assert answer.status_code == 200, answer.text
    return exact(answer)


async def names(client: AsyncClient, **params: Any) -> list[str]:
    return [record["data"]["name"] for record in (await page(client, **params))["data"]]


async def refused(client: AsyncClient, **params: Any) -> Response:
    answer = await client.get("/datasets/people/records", params=params)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


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


class TestBodyForm:
    @pytest.mark.usefixtures("people")
    async def test_is_the_same_query(self, client: AsyncClient) -> None:
        body = {
            "columns": ["name"],
            "filters": {
                "amount": {"gte": 9, "lt": 1e3},
                "or": [{"name": "Ann"}, {"column": "active", "op": "eq", "value": False}],
            },
            "sort_by": "name",
            "sort_order": "desc",
            "limit": 2,
        }  # fmt: skip
        answer = await client.post("/datasets/people/query", json=body)
        assert answer.status_code == 200
        told = answer.json()
        assert [record["data"] for record in told["data"]] == [{"name": "O'Neil, Jr."}, {"name": "Bob"}]
        assert (told["total"], told["has_more"]) == (3, True)
        rest = await client.post("/datasets/people/query", json={**body, "cursor": told["next"]})
        assert [record["data"] for record in rest.json()["data"]] == [{"name": "Ann"}]

    @pytest.mark.usefixtures("people")
    @pytest.mark.parametrize(
        ("body", "status"),
        [(b"{", 400), (b"[]", 400), (b'{"filter": {}}', 400), (b'{"filters": 7}', 400), (b'{"limit": "x"}', 400),
         (b'{"limit": 1.5}', 400), (b'{"filters": {"name": {"eqq": 1}}}', 400), (b'{"filters": {"a\\u0000": 1}}', 400),
         (b"\xff", 400), (b"", 200), (b"{}", 200), (b'{"filters": null}', 200)],
    )  # fmt: skip
    async def test_odd_bodies(self, client: AsyncClient, body: bytes, status: int) -> None:
        answer = await client.post("/datasets/people/query", content=body)
        assert answer.status_code == status, answer.text

    @pytest.mark.usefixtures("people")
    async def test_a_deep_or_long_filter_is_refused(self, client: AsyncClient) -> None:
        deep: Any = {"name": "x"}
        for _ in range(11):
            deep = {"not": deep}
        for filters in (
            deep,
            {"or": [{"name": str(at)} for at in range(101)]},
            {"name": [str(at) for at in range(1001)]},
        ):
            answer = await client.post("/datasets/people/query", json={"filters": filters})
            assert answer.status_code == 400
        nested = b'{"filters": ' + b'{"not":' * 100_000 + b"{}" + b"}" * 100_000 + b"}"
        assert (await client.post("/datasets/people/query", content=nested)).status_code == 400

    @pytest.mark.usefixtures("people")
    async def test_the_query_string_takes_the_workspace_alone(self, client: AsyncClient) -> None:
        answer = await client.post("/datasets/people/query?limit=1", json={})
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "UNKNOWN_PARAMETER"


class TestCursor:
    @pytest.mark.parametrize("params", [{}, {"sort": "-value"}, {"sort": "half,-value"}, {"even": "true"}], ids=str)
    async def test_is_pinned_to_its_version_while_others_write(
        self, client: AsyncClient, upload: Upload, params: dict[str, str]
    ) -> None:
        """Edits in between neither repeat nor skip a row, and what was read stays as it was."""
        rows = [(at, at // 2, "true" if at % 2 == 0 else "false") for at in range(1, 41)]
        await upload("value,half,even\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows), name="numbers")
        whole = (await page(client, "numbers", limit=1000, **params))["data"]
        read = []
        told = await page(client, "numbers", limit=7, **params)
        step = 0
        while True:
            read += told["data"]
            assert (told["version"], told["total"]) == ("1", str(len(whole)))
            if told["next"] is None:
                break
            step += 1
            await client.patch(f"/datasets/numbers/records/{3 * step}", json={"value": -step, "even": True})
            await client.delete(f"/datasets/numbers/records/{3 * step + 1}")
            await client.post("/datasets/numbers/records", json={"value": 1000 + step, "half": 0, "even": True})
            told = await page(client, "numbers", cursor=told["next"])
        assert read == whole
        assert step > 1

    @pytest.mark.usefixtures("people")
    async def test_other_parameters_may_be_repeated_not_changed(self, client: AsyncClient) -> None:
        following = (await page(client, limit=2, sort="name", active="true"))["next"]
        assert following is None
        following = (await page(client, limit=2, sort="name"))["next"]
        assert await names(client, cursor=following) == ["O'Neil, Jr.", "bob"]
        assert await names(client, cursor=following, limit=2, sort="name") == ["O'Neil, Jr.", "bob"]
        for changed in ({"sort": "-name"}, {"limit": 3}, {"active": "true"}, {"q": "x"}, {"select": "name"}):
            answer = await refused(client, cursor=following, **changed)
            assert answer.json()["error_code"] == "INVALID_CURSOR", changed

    async def test_belongs_to_one_dataset(self, client: AsyncClient, upload: Upload, people: Any) -> None:
        await upload(PEOPLE, name="others")
        following = (await page(client, limit=1))["next"]
        answer = await client.get("/datasets/others/records", params={"cursor": following})
        assert answer.status_code == 400
        assert answer.json()["error_code"] == "INVALID_CURSOR"

    @pytest.mark.usefixtures("people")
    async def test_a_damaged_one_is_refused(self, client: AsyncClient) -> None:
        following = (await page(client, limit=1))["next"]
        for damaged in (following[:-5], following[5:], following[::-1], "é", "=", following + "A" * 5000):
            answer = await client.get("/datasets/people/records", params={"cursor": damaged})
            assert answer.status_code in {200, 400}
            if answer.status_code == 400:
                assert answer.json()["error_code"] == "INVALID_CURSOR"


@pytest.mark.usefixtures("people")
class TestStream:
    async def lines(self, answer: Response) -> list[Any]:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        assert answer.headers["x-dataset-version"] == "1"
        assert answer.text.endswith("\n") or not answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    async def test_is_a_record_a_line(self, client: AsyncClient) -> None:
        lines = await self.lines(await client.get("/datasets/people/records/stream"))
        listed = (await client.get("/datasets/people/records")).json()["data"]
        assert lines == listed

    async def test_takes_the_same_parameters(self, client: AsyncClient) -> None:
        params = {"sort": "-amount", "select": "name", "amount": "gt:9", "limit": 5}
        lines = await self.lines(await client.get("/datasets/people/records/stream", params=params))
        assert [line["data"] for line in lines] == [{"name": "Émile"}, {"name": "Ann"}]
        assert await self.lines(await client.get("/datasets/people/records/stream?name=nobody")) == []

    async def test_by_accept(self, client: AsyncClient) -> None:
        headers = {"Accept": "application/x-ndjson"}
        by_get = await self.lines(await client.get("/datasets/people/records?limit=2", headers=headers))
        by_post = await self.lines(await client.post("/datasets/people/query", json={"limit": 2}, headers=headers))
        assert [line["id"] for line in by_get] == [line["id"] for line in by_post] == [1, 2]

    @pytest.mark.parametrize("params", [{"nmae": "x"}, {"cursor": "x"}, {"name": "regex:("}, {"limit": 0}], ids=str)
    async def test_is_refused_before_the_first_line(self, client: AsyncClient, params: dict[str, str]) -> None:
        assert (await client.get("/datasets/people/records/stream", params=params)).status_code == 400


@pytest.mark.usefixtures("people")
class TestCount:
    async def test_counts_what_matches(self, client: AsyncClient) -> None:
        assert (await client.get("/datasets/people/records/count")).json() == {"count": 5, "version": 1}
        assert (await client.get("/datasets/people/records/count?amount=lt:10")).json() == {"count": 2, "version": 1}
        assert (await client.get("/datasets/people/records/count?nmae=x")).status_code == 400

    async def test_304(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/people/records/count?q=ann")).headers["etag"]
        answer = await client.get("/datasets/people/records/count?q=ann", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")


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

    async def test_its_etag_is_its_own(self, client: AsyncClient) -> None:
        before = [(await client.get(f"/datasets/people/records/{at}")).headers["etag"] for at in (1, 2)]
        assert before[0] != before[1]
        await client.patch("/datasets/people/records/1", json={"name": "Anna"})
        after = [(await client.get(f"/datasets/people/records/{at}")).headers["etag"] for at in (1, 2)]
        assert after[0] != before[0]
        assert after[1] == before[1]

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

    async def test_of_a_record_that_never_was_is_404(self, client: AsyncClient) -> None:
        answer = await client.get("/datasets/people/records/99/history")
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "RECORD_NOT_FOUND"


class TestOlderVersions:
    async def test_everything_reads_as_it_was(self, client: AsyncClient, people: Any) -> None:
        changed = await client.patch("/datasets/people/records/1", json={"name": "Anna"})
        assert changed.status_code == 200
        await client.delete("/datasets/people/records/2")
        await client.post("/datasets/people/records", json={"name": "New"})
        moments = [each["created_at"] for each in (await client.get("/datasets/people/versions")).json()["data"]]
        assert len(moments) == 4
        for at, found in ((1, 5), (2, 5), (3, 4), (4, 5)):
            for params in ({"version": at}, {"as_of": moments[-at]}):
                told = await page(client, **params)
                assert (told["version"], told["total"], told["count"]) == (str(at), str(found), str(found))
                count = await client.get("/datasets/people/records/count", params=params)
                assert count.json() == {"count": found, "version": at}
                export = await client.get("/datasets/people/export", params=params)
                assert (export.headers["x-dataset-version"], export.headers["x-row-count"]) == (str(at), str(found))
        assert [(await names(client, version=at))[0] for at in (1, 2)] == ["Ann", "Anna"]
        old = await client.get("/datasets/people/records/2?version=2")
        assert old.json()["data"]["name"] == "Bob"
        assert (await client.get("/datasets/people/records/2")).status_code == 404
        assert (await client.get("/datasets/people/records/6?version=3")).status_code == 404

    @pytest.mark.parametrize(
        "params",
        [
            {"version": 2},
            {"version": 0},
            {"version": "audited"},
            {"version": "9" * 30},
            {"as_of": "2000-01-01T00:00:00Z"},
        ],
    )
    async def test_a_version_that_never_was_is_404(self, client: AsyncClient, people: Any, params: Any) -> None:
        for path in ("/records", "/records/1", "/records/count", "/records/stream", "/export", "/schema"):
            answer = await client.get(f"/datasets/people{path}", params=params)
            assert answer.status_code == 404, path
            assert answer.json()["error_code"] == "VERSION_NOT_FOUND"


class TestJsonColumns:
    @pytest.fixture
    async def nested(self, client: AsyncClient) -> None:
        await client.post("/datasets", json={"name": "nested"})
        items = [
            {"name": "a", "address": {"city": "Bonn", "zip": 53111}, "tags": ["x", "y"]},
            {"name": "b", "address": {"city": "Köln"}},
            {"name": "c", "address": None, "tags": []},
        ]
        assert (await client.post("/datasets/nested/records", json=items)).status_code == 201

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
