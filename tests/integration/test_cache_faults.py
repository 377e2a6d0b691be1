"""Redis dies, hangs, comes back or holds garbage while pages are read: nobody notices but the log and the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import count
from random import Random
from threading import Event
from typing import Any

import pytest
from httpx import AsyncClient
from support.caches import Workers, counted, until_kept, workers
from support.client import Client
from support.server import Server
from support.service import Upload, User

from backend.cache import MOST, Cache, CacheFailed
from backend.query.seal import Seal

__all__ = ["workers"]

ROWS = 6_000
WRITES = 150
READERS = 12
SEARCH = {"amount": "gt:3", "sort": "-amount,name", "limit": "20"}
FOREIGN = {"other:key": b"not ours", "sheafs": b"neither"}


def table() -> str:
    return "name,amount\n" + "".join(f"name {n},{n * 7919 % 1000}\n" for n in range(ROWS))


def right(params: dict[str, str]) -> list[tuple[str, int]]:
    """The page that a search must show, by a model of it."""
    least = int(params["amount"].removeprefix("gt:"))
    rows = [(f"name {n}", n * 7919 % 1000) for n in range(ROWS)]
    return sorted((row for row in rows if row[1] > least), key=lambda row: (-row[1], row[0]))[:20]


async def check(client: AsyncClient, least: int = 3) -> None:
    params = {**SEARCH, "amount": f"gt:{least}"}
    answer = await client.get("/datasets/large/records", params=params)
    assert answer.status_code == 200, answer.text
    assert [tuple(each["data"].values()) for each in answer.json()["data"]] == right(params)


@pytest.mark.anyio
class TestRedis:
    @pytest.fixture(autouse=True)
    async def large(self, upload: Upload) -> dict[str, Any]:
        return await upload(table(), name="large")

    async def test_stopped_and_started_again(self, workers: Workers, user: User) -> None:
        client = await workers.start(user.key, memory=0)
        await check(client)
        workers.valkey.stop()
        before = await counted(client)
        await asyncio.gather(*[check(client, least) for least in range(20)])
        after = await counted(client)
        assert after["error"] + after["bypassed"] >= before["error"] + before["bypassed"] + 20
        workers.valkey.start()
        async with asyncio.timeout(60):  # it is left alone for a few seconds
            while (await counted(client))["hit"] == after["hit"]:
                await check(client)
        assert workers.values()

    async def test_paused(self, workers: Workers, user: User) -> None:
        """Whoever meets it first waits for a moment, the others do not: most of them take what that one makes."""
        client = await workers.start(user.key, memory=0, cache_seconds=0.1)
        await check(client)
        with workers.paused():
            before = await counted(client)
            for least in range(5):
                await asyncio.gather(*[check(client, least) for _ in range(10)])
            after = await counted(client)
        assert after["error"] + after["bypassed"] >= before["error"] + before["bypassed"] + 5
        assert after["hit"] >= before["hit"] + 40

    async def test_never_there(self, workers: Workers, user: User) -> None:
        workers.valkey.stop()
        client = await workers.start(user.key)
        await asyncio.gather(*[check(client, least) for least in range(10)])
        assert (await client.get("http://sheaf.test/health/ready")).json()["cache"] == "unreachable"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda value, _: b"",
            lambda value, _: value[:15],
            lambda value, _: value[:-1],
            lambda value, _: value + b"x",
            lambda value, _: value[:20] + bytes([value[20] ^ 1]) + value[21:],
            lambda value, _: b"\x01" * 40,
            lambda value, _: b'{"data":[],"count":0,"has_more":false,"next":null,"version":1}',
            lambda _, others: others[0],
        ],
        ids=["empty", "cut", "shorter", "longer", "flipped", "noise", "forged", "swapped"],
    )
    async def test_filled_with_garbage(self, workers: Workers, user: User, spoil: Any) -> None:
        client = await workers.start(user.key, memory=0)
        for least in range(4):
            await check(client, least)
        await until_kept(workers, 8)
        with workers.redis() as cache:
            cache.mset(FOREIGN)
            names = workers.values()
            held = {name: cache.get(name) for name in names}
            for at, name in enumerate(names):
                cache.set(name, spoil(held[name], [held[names[at - 1]]]))
        for _ in range(2):
            await asyncio.gather(*[check(client, least) for least in range(4)])
        with workers.redis() as cache:
            assert {name: cache.get(name) for name in FOREIGN} == FOREIGN

    async def test_other_types_under_our_names(self, workers: Workers, user: User) -> None:
        client = await workers.start(user.key, memory=0)
        await check(client)
        await until_kept(workers, 2)
        with workers.redis() as cache:
            for name in workers.values():
                cache.delete(name)
                cache.rpush(name, "a", "b")
                cache.rpush(name.replace(b"sheaf:1:", b"sheaf:1:making:"), "a")
        await asyncio.gather(*[check(client) for _ in range(4)])

    async def test_no_room(self, workers: Workers, user: User) -> None:
        client = await workers.start(user.key, memory=0)
        with workers.redis() as cache:
            cache.config_set("maxmemory-policy", "noeviction")
            cache.config_set("maxmemory", 1)
        before = await counted(client)
        for least in range(4):
            await check(client, least)
        assert (await counted(client))["error"] == before["error"] + 8
        assert workers.values() == []

    async def test_what_is_kept_in_the_process_stays_within_its_bound(self, workers: Workers, user: User) -> None:
        workers.valkey.stop()
        client = await workers.start(user.key, memory=10_000)
        for least in range(30):
            await check(client, least)
        before = await counted(client)
        for least in (29, 0):
            await check(client, least)
        assert (await counted(client))["hit"] == before["hit"] + 1


@pytest.mark.anyio
class TestCalls:
    @pytest.fixture
    async def cache(self, workers: Workers) -> AsyncIterator[Cache]:
        made = Cache(workers.valkey.url, Seal(), keep=timedelta(hours=1), patience=0.1)
        yield made
        await made.close()

    async def test_counting_goes_on_after_a_late_answer(self, workers: Workers, cache: Cache) -> None:
        """However many wait for it, and whatever became of pages; a server that is never in time is left alone."""
        with workers.paused():
            assert await failure(cache.get(b"page")) is CacheFailed
            together = await asyncio.gather(*[failure(cache.count([(b"calls", 60)])) for _ in range(10)])
            assert together == [CacheFailed] * 10
            assert await failure(cache.count([(b"calls", 60)])) is CacheFailed
            async with asyncio.timeout(60):
                while await failure(cache.count([(b"calls", 60)])) is CacheFailed:
                    pass

    async def test_counting_stops_at_once_where_nothing_is(self, workers: Workers, cache: Cache) -> None:
        workers.valkey.stop()
        assert await failure(cache.count([(b"calls", 60)])) is CacheFailed
        async with asyncio.timeout(60):
            while await failure(cache.count([(b"calls", 60)])) is CacheFailed:
                pass

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b":no number\r\n", b""])
    async def test_what_is_no_redis_is_not_reachable(self, answer: bytes) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            cache = Cache(f"redis://{host}:{port}", Seal(), keep=timedelta(hours=1), patience=1)
            assert not await cache.reachable()
            assert await failure(cache.get(b"page")) is CacheFailed
            await cache.close()

    @pytest.mark.parametrize("size", [0, 999, 1_000, 256 * 2**10 + 1, MOST])
    async def test_values_of_any_size_come_back(self, cache: Cache, size: int) -> None:
        value = (Random(size).randbytes(size // 4 + 1) * 4)[:size]
        async with asyncio.timeout(60):
            while True:
                with suppress(CacheFailed):
                    await cache.put(b"page", value)
                    assert await cache.get(b"page") == value
                    return
                await asyncio.sleep(0)


async def failure(call: Awaitable[object]) -> type[CacheFailed] | None:
    try:
        await call
    except CacheFailed as error:
        return type(error)
    return None


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pair"), workers="2") as running:
        yield running


class TestProcesses:
    def test_nobody_reads_what_was_older_when_they_asked(self, pair: Server) -> None:
        """Readers on both workers, over connections of their own, beside one who writes."""
        with Client.register(pair.base) as writer:
            dataset = writer.made(writer.upload(table().encode(), "large.csv"))
            path = f"/datasets/{dataset}/records"
            told, done = [1], Event()

            def read(number: int) -> int:
                with Client(pair.base, writer.key) as client:
                    for step in count():
                        if done.is_set():
                            return step
                        least = told[0]
                        params = SEARCH if (step + number) % 3 else {"limit": "5"}
                        page = client.http.get(path, params=params).json()
                        assert page["version"] >= least
                        if params is SEARCH:
                            assert page["data"][0]["data"]["amount"] == (
                                999 if page["version"] == 1 else 10_000 + page["version"]
                            )
                        told[0] = max(told[0], page["version"])
                return 0

            with ThreadPoolExecutor(READERS) as pool:
                reading = [pool.submit(read, number) for number in range(READERS)]
                for step in range(2, WRITES):
                    answer = writer.http.patch(f"{path}/7", json={"amount": 10_000 + step})
                    assert answer.status_code == 200
                    told[0] = max(told[0], step)
                done.set()
                assert sum(each.result() for each in reading) > WRITES
