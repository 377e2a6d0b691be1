"""The other ways to ask: by a body, as a stream, for a count."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient, Response

pytestmark = [pytest.mark.anyio, pytest.mark.reads]


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

    async def test_takes_any_limit_and_has_a_tag_either_way(self, client: AsyncClient) -> None:
        accept = {"Accept": "application/x-ndjson"}
        for path, headers in (("records/stream", {}), ("records", accept), ("diff", accept)):
            address = f"/datasets/people/{path}" + ("" if path == "diff" else "?limit=5000")
            answer = await client.get(address, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
            known = {**headers, "If-None-Match": answer.headers["etag"]}
            again = await client.get(address, headers=known)
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
            if headers:
                head = await client.head(address, headers=headers)
                told = ("content-type", "etag", "x-dataset-version")
                assert [head.headers[name] for name in told] == [answer.headers[name] for name in told]
                assert "content-length" not in head.headers, "nobody knows it"
        assert (await client.get("/datasets/people/records?limit=5000")).status_code == 400

    async def test_head_begins_none(self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("backend.services.queries.copy_out", None)
        head = await client.head("/datasets/people/records", headers={"Accept": "application/x-ndjson"})
        assert (head.status_code, head.content) == (200, b"")

    @pytest.mark.parametrize("params", [{"nmae": "x"}, {"cursor": "x"}, {"name": "regex:("}, {"limit": 0}], ids=str)
    async def test_is_refused_before_the_first_line(self, client: AsyncClient, params: dict[str, str]) -> None:
        assert (await client.get("/datasets/people/records/stream", params=params)).status_code == 400


@pytest.mark.usefixtures("people")
class TestCount:
    async def test_counts_what_matches(self, client: AsyncClient) -> None:
        assert (await client.get("/datasets/people/records/count")).json() == {"count": 5, "version": 1}
        assert (await client.get("/datasets/people/records/count?amount=lt:10")).json() == {"count": 2, "version": 1}
        assert (await client.get("/datasets/people/records/count?nmae=x")).status_code == 400

    @pytest.mark.parametrize(
        "params", ["cursor=x", "limit=5", "offset=0", "sort=name", "select=name", "count=none", "count=some"]
    )
    async def test_what_means_nothing_to_it_is_refused(self, client: AsyncClient, params: str) -> None:
        for also in ("", "&explain=true"):
            answer = await client.get(f"/datasets/people/records/count?{params}{also}")
            assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_QUERY")
            assert params.partition("=")[0] in answer.json()["detail"]

    async def test_bounded(self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("backend.services.queries.BOUNDED", 2)
        for asked, told in (("amount=lt:1000", 2), ("q=nobody", 0)):
            answer = (await client.get(f"/datasets/people/records/count?count=bounded&{asked}")).json()
            assert answer == {"count": told, "version": 1} | ({"total_is": "at_least"} if told else {})
        for asked in ("count=bounded", "count=exact"):
            assert (await client.get(f"/datasets/people/records/count?{asked}")).json() == {"count": 5, "version": 1}

    async def test_304(self, client: AsyncClient) -> None:
        etag = (await client.get("/datasets/people/records/count?q=ann")).headers["etag"]
        answer = await client.get("/datasets/people/records/count?q=ann", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")
