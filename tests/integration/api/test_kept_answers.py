"""Pages and counts that are kept: who asks again gets the same bytes, and never those of what is not there any more."""

from __future__ import annotations

import asyncio
from gzip import decompress
from typing import Any

import pytest
from backports import zstd
from httpx import AsyncClient, Response
from support.caches import Workers, counted, until_kept, workers
from support.service import MakeUser, Upload, User

from backend.services import paces

__all__ = ["workers"]
pytestmark = pytest.mark.anyio

ROWS = 6_000
"""So many that a search is worth keeping for all workers."""
SEARCH = {"amount": "gt:3", "sort": "-amount,name", "limit": "20"}
PAGE = "/datasets/large/records"


@pytest.fixture
async def large(upload: Upload) -> dict[str, Any]:
    rows = "".join(f"name {n},{n * 7919 % 1000}\n" for n in range(ROWS))
    return await upload(f"name,amount\n{rows}", name="large")


@pytest.fixture
async def pair(workers: Workers, user: User, large: dict[str, Any]) -> tuple[AsyncClient, AsyncClient]:
    """Two workers that hold nothing yet."""
    return await workers.start(user.key), await workers.start(user.key)


async def asked(client: AsyncClient, path: str = PAGE, **params: str) -> Response:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def added(client: AsyncClient, calls: Any) -> tuple[Any, dict[str, int]]:
    """What the calls answer, and what they add to the counts."""
    before = await counted(client)
    answers = await calls
    after = await counted(client)
    return answers, {name: after[name] - before[name] for name in after if after[name] > before[name]}


def said(answer: Response) -> dict[str, Any]:
    """What does not differ from call to call."""
    return {name: told for name, told in answer.json().items() if name not in {"request_id", "execution_time_ms"}}


class TestHits:
    @pytest.mark.parametrize("params", [{}, SEARCH, {"q": "name 5"}, {"offset": "50"}], ids=str)
    async def test_the_same_bytes_come_again(
        self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str]
    ) -> None:
        first, made = await added(pair[0], asked(pair[0], **params))
        again, found = await added(pair[0], asked(pair[0], **params))
        assert again.content == first.content
        assert again.headers["etag"] == first.headers["etag"]
        assert (set(made), found) == ({"miss"}, {"hit": 1})

    async def test_another_worker_finds_them(self, workers: Workers, pair: tuple[AsyncClient, AsyncClient]) -> None:
        first = await asked(pair[0], **SEARCH)
        await until_kept(workers, 2)  # the page and the number of records
        again, found = await added(pair[1], asked(pair[1], **SEARCH))
        assert again.content == first.content
        assert found == {"hit": 1}

    async def test_a_query_is_known_however_it_is_written(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        first = await asked(pair[0], PAGE, amount="gt:3", name="ne:x")
        body = {"filters": {"name": {"ne": "x"}, "amount": {"gt": 3}}}
        again, found = await added(pair[0], pair[0].post("/datasets/large/query", json=body))
        assert again.content == first.content
        assert found == {"hit": 1}

    async def test_all_pages_of_a_query_count_once(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        await asked(pair[0], **SEARCH)
        _, found = await added(pair[0], asked(pair[0], **{**SEARCH, "offset": "40", "select": "name"}))
        assert found == {"miss": 1, "hit": 1}
        counts, found = await added(pair[0], asked(pair[0], f"{PAGE}/count", amount="gt:3"))
        assert counts.json() == {"count": sum(n * 7919 % 1000 > 3 for n in range(ROWS)), "version": 1}
        assert found == {"hit": 1}

    async def test_a_cursor_goes_on_as_the_query_was_written(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        """Equal pages, but the one's `next` must not be repeated with the other's parameters."""
        plain, named = await asked(pair[0], limit="5"), await asked(pair[0], limit="5", version="1")
        assert plain.json()["data"] == named.json()["data"]
        following = await asked(pair[0], limit="5", version="1", cursor=named.json()["next"])
        assert following.json()["data"] == (await asked(pair[1], cursor=plain.json()["next"])).json()["data"]

    async def test_nothing_is_kept_where_that_is_wanted(self, workers: Workers, user: User, large: Any) -> None:
        client = await workers.start(user.key, memory=0)
        await asked(client, limit="5")
        _, found = await added(client, asked(client, limit="5"))
        assert found == {"miss": 1}

    async def test_values_in_valkey_run_out(self, workers: Workers, pair: tuple[AsyncClient, AsyncClient]) -> None:
        await asked(pair[0], **SEARCH)
        await until_kept(workers, 2)
        with workers.redis() as client:
            assert all(0 < client.ttl(name) <= 3600 for name in workers.values())


class TestKnownPaths:
    """A path that has answered a page is answered from then on without Litestar, where that is quickly done."""

    async def test_answer_as_others_do(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        await asked(pair[0], limit="3")
        asking: list[dict[str, Any]] = [
            {"nothing": "1"}, {"limit": "0"}, {"cursor": "x"}, {"amount": "gt:x"}, {"name": "regex:("},
            {"version": "99"}, {"workspace": "other"}, {"limit": ["1", "2"]}, {"explain": "true"},
            {"amount": "gt:900", "count": "none"},
        ]  # fmt: skip
        for params in (*asking, "name=%C0%AF", "%ED%A0%80=1", "limit=1%30&name=%FF"):
            warm, cold = [await client.get(PAGE, params=params) for client in pair]
            assert (warm.status_code, said(warm)) == (cold.status_code, said(cold))

    async def test_look_at_the_headers(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        first = await asked(pair[0], limit="3")
        wanted = ({"Accept": "application/x-ndjson"}, 200), ({"If-None-Match": first.headers["etag"]}, 304)
        for headers, status in (*wanted, ({"X-API-Key": "sheaf_nobody"}, 401)):
            warm, cold = [await client.get(PAGE, params={"limit": "3"}, headers=headers) for client in pair]
            assert warm.status_code == cold.status_code == status
            assert warm.headers.get("content-type") == cold.headers.get("content-type")

    async def test_follow_a_cursor_to_the_end(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        found, params = [], {"limit": "1000", "select": "amount"}
        while params:
            page = (await asked(pair[0], **params)).json()
            found += [record["id"] for record in page["data"]]
            params = {"cursor": page["next"]} if page["has_more"] else {}
        assert found == list(range(1, ROWS + 1))


class TestQuick:
    """In datasets that get indexes, pages like one that was quickly made are not looked for in Valkey."""

    @pytest.mark.parametrize(("seconds", "rows", "shared"), [(60.0, 1_000, 1), (60.0, ROWS + 1, 2), (0.0, 1_000, 2)])
    async def test_what_is_quickly_made_stays_with_its_worker(
        self,
        workers: Workers,
        user: User,
        large: Any,
        monkeypatch: pytest.MonkeyPatch,
        seconds: float,
        rows: int,
        shared: int,
    ) -> None:
        monkeypatch.setattr(paces, "_QUICK", seconds)
        client = await workers.start(user.key, index_rows=rows)
        for least in (990, 980, 980):
            answer = await asked(client, PAGE, amount=f"gte:{least}", count="none", limit="200")
            assert answer.json()["count"] == sum(n * 7919 % 1000 >= least for n in range(ROWS))
        await until_kept(workers, shared)
        assert len(workers.kept()) == shared

    async def test_finding_another_version_there_tells_nothing_of_how_long_a_page_takes(
        self, workers: Workers, user: User, large: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = await workers.start(user.key, index_rows=1_000)
        monkeypatch.setattr(paces, "_QUICK", 0.0)
        await asked(client, **SEARCH, count="none")
        await until_kept(workers, 1)
        monkeypatch.setattr(paces, "_QUICK", 60.0)
        changes = {"where": {"amount": 3}, "set": {"amount": 4}}
        assert (await user.client.patch(PAGE, json=changes)).status_code == 200
        await asked(client, **{**SEARCH, "amount": "gt:4"}, count="none")
        await until_kept(workers, 2)


class TestStampede:
    async def test_equal_calls_make_an_answer_once(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        """On both workers: each making tells another time that it took."""
        params = {**SEARCH, "count": "none"}
        calls = [asked(pair[n % 2], **params) for n in range(24)]
        answers, found = await added(pair[0], asyncio.gather(*calls))
        assert len({answer.content for answer in answers}) == 1
        assert found == {"miss": 1, "hit": 23}

    @pytest.mark.parametrize(
        ("owner", "milliseconds"), [("dead", 500), ("for ever", None)], ids=["dead", "never_runs_out"]
    )
    async def test_who_does_not_come_back_is_not_waited_for(
        self, workers: Workers, pair: tuple[AsyncClient, AsyncClient], owner: str, milliseconds: int | None
    ) -> None:
        """A claim that never runs out is none."""
        first = await asked(pair[0], **SEARCH)
        await until_kept(workers, 2)
        with workers.redis() as client:
            for name in workers.values():
                client.delete(name)
                client.set(name.replace(b"sheaf:1:", b"sheaf:1:making:"), owner, px=milliseconds)
        assert (await asked(pair[1], **SEARCH)).json()["data"] == first.json()["data"]

    async def test_a_failure_is_told_to_all_and_kept_by_nobody(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        calls = [pair[n % 2].get(PAGE, params={"name": "regex:("}) for n in range(6)]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {400}
        assert (await pair[0].get(PAGE, params={"name": "regex:5$"})).status_code == 200


@pytest.mark.parametrize("params", [{}, SEARCH], ids=["light", "search"])
class TestNeverStale:
    async def warm(self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str]) -> None:
        for client in (*pair, *pair):
            assert (await asked(client, **params)).json()["version"] == 1

    async def test_a_write_is_seen_by_the_next_call(
        self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str]
    ) -> None:
        await self.warm(pair, params)
        for step in range(1, 6):
            answer = await pair[0].patch(f"{PAGE}/{step}", json={"amount": 5000 + step})
            assert answer.status_code == 200
            told = [(await asked(client, **params)).json() for client in pair]
            assert [each["version"] for each in told] == [step + 1] * 2
            if params:
                assert told[1]["data"][0]["data"]["amount"] == 5000 + step
        assert (await asked(pair[1], **params, version="1")).json()["version"] == 1

    async def test_new_columns_are_known_at_once(
        self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str]
    ) -> None:
        await self.warm(pair, params)
        asking = {"score": "gt:3", "sort": "-score"}
        assert (await pair[1].get(PAGE, params=asking)).json()["error_code"] == "UNKNOWN_PARAMETER"
        renamed = {"columns": [{"name": "amount", "rename_to": "score"}]}
        assert (await pair[0].patch("/datasets/large/schema", json=renamed)).status_code == 200
        for client in pair:
            assert (await asked(client, **asking)).json()["version"] == 2
            assert (await asked(client, f"{PAGE}/count", score="gt:3")).json()["version"] == 2
            assert (await client.post("/datasets/large/query", json={"sort_by": "score"})).status_code == 200
            assert (await client.get(PAGE, params=SEARCH)).json()["error_code"] == "UNKNOWN_PARAMETER"
        assert (await pair[0].patch("/datasets/large/schema", json={"add": [{"name": "more"}]})).status_code == 200
        assert (await pair[1].patch(f"{PAGE}/1", json={"more": "x"})).json()["version"] == 4
        await pair[0].delete("/datasets/large")
        for told in (asking, SEARCH):
            assert (await pair[1].get(PAGE, params=told)).status_code == 404

    async def test_another_name_is_another_dataset(
        self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str], large: dict[str, Any]
    ) -> None:
        await self.warm(pair, params)
        await pair[0].patch("/datasets/large", json={"name": "old"})
        assert (await pair[1].get(PAGE, params=params)).status_code == 404
        assert (await asked(pair[1], f"/datasets/{large['id']}/records", **params)).json()["count"]
        await pair[0].post("/datasets", json={"name": "large", "columns": [{"name": "amount"}, {"name": "name"}]})
        assert (await pair[1].get(PAGE)).json()["count"] == 0

    async def test_what_is_deleted_is_gone_and_comes_back(
        self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str], large: dict[str, Any]
    ) -> None:
        await self.warm(pair, params)
        etag = (await asked(pair[1], **params)).headers["etag"]
        await pair[0].delete("/datasets/large")
        for path in (PAGE, f"{PAGE}/count", f"/datasets/{large['id']}/records"):
            for headers in ({}, {"If-None-Match": etag}):
                assert (await pair[1].get(path, params={"amount": "gt:3"}, headers=headers)).status_code == 404
        await pair[0].post(f"/datasets/{large['id']}/undelete")
        assert (await asked(pair[1], **params)).json()["version"] == 1

    async def test_what_is_pruned_is_gone(self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str]) -> None:
        following = [(await asked(client, **{**params, "limit": "7"})).json()["next"] for client in pair]
        for client in pair:
            await asked(client, **params, version="1")
            await asked(client, cursor=following[0])
        await pair[0].patch(f"{PAGE}/1", json={"amount": 1})
        await pair[0].patch("/datasets/large", json={"keep_versions": 1})
        for told in ({**params, "version": "1"}, {"cursor": following[0]}, {"cursor": following[1]}):
            assert (await pair[1].get(PAGE, params=told)).status_code == 410

    async def test_strangers_see_nothing(
        self,
        pair: tuple[AsyncClient, AsyncClient],
        params: dict[str, str],
        large: dict[str, Any],
        stranger: AsyncClient,
    ) -> None:
        await self.warm(pair, params)
        key = {"X-API-Key": stranger.headers["x-api-key"]}
        for client in pair:
            for path in (PAGE, f"/datasets/{large['id']}/records", f"/datasets/{large['id']}/records/count"):
                assert (await client.get(path, params=params, headers=key)).status_code in {400, 404}
                assert (await client.get(path, headers=key)).status_code == 404

    async def test_who_loses_their_place_sees_nothing_more(
        self, pair: tuple[AsyncClient, AsyncClient], params: dict[str, str], large: dict[str, Any], make_user: MakeUser
    ) -> None:
        other = await make_user("Bob")
        workspace, key = large["workspace"], {"X-API-Key": other.key}
        member, path = f"/workspaces/{workspace}/members/{other.id}", f"/datasets/{large['id']}/records"
        assert (await pair[0].put(member, json={"role": "viewer"})).status_code == 201
        for client in pair:
            assert (await client.get(path, params=params, headers=key)).status_code == 200
        assert (await pair[0].delete(member)).status_code == 204
        for client in pair:
            assert (await client.get(path, params=params, headers=key)).status_code == 404


class TestPacked:
    @pytest.mark.parametrize("coding", ["gzip", "zstd"])
    async def test_what_is_packed_says_the_same(self, pair: tuple[AsyncClient, AsyncClient], coding: str) -> None:
        plain = await pair[0].get(PAGE, params=SEARCH, headers={"Accept-Encoding": "identity"})
        for client in (*pair, pair[1]):
            async with client.stream("GET", PAGE, params=SEARCH, headers={"Accept-Encoding": coding}) as answer:
                raw = b"".join([chunk async for chunk in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == coding
            assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
            assert answer.headers["etag"] == plain.headers["etag"]
            assert int(answer.headers["content-length"]) == len(raw) < len(plain.content)
            assert unpacked(raw, coding) == plain.content
        known = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": coding}
        same = await pair[1].get(PAGE, params=SEARCH, headers=known)
        assert (same.status_code, same.content, same.headers["vary"]) == (304, b"", "Accept-Encoding")

    async def test_a_small_answer_is_left_as_it_is(self, pair: tuple[AsyncClient, AsyncClient]) -> None:
        answer = await pair[0].get(PAGE, params={"limit": "2"}, headers={"Accept-Encoding": "zstd, gzip"})
        assert "content-encoding" not in answer.headers
        assert answer.headers["vary"] == "Accept-Encoding"


def unpacked(raw: bytes, coding: str) -> bytes:
    return decompress(raw) if coding == "gzip" else zstd.decompress(raw)
