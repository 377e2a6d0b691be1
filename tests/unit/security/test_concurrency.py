"""How many requests are worked at at the same time, where callers of every speed come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend.security.concurrency import bounded

pytestmark = pytest.mark.anyio


class Crowd:
    """Requests to an application that takes one at a time, each held up until it is let go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.more = asyncio.Event()
        self.read_on = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self._app = bounded(self._work, 1)

    async def _work(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await receive()
        if scope["method"] != "GET":
            await self.go_on.wait()
        if scope["path"] == "/broken":
            raise RuntimeError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/stream":
            await receive()
        await send({"type": "http.response.body", "body": b""})

    async def send(self, method: str, path: str = "/x") -> list[int]:
        """Begins a request and lets it come as far as it does; the status that it has been told so far."""
        told: list[int] = []

        async def receive() -> Any:
            await self.more.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            told.extend([message["status"]] if "status" in message else [])

        scope: Any = {"type": "http", "method": method, "path": path, "headers": [], "state": {"request_id": "1"}}
        self.tasks.append(asyncio.create_task(self._app(scope, receive, send)))
        for _ in range(5):
            await asyncio.sleep(0)
        return told

    async def end(self) -> None:
        self.go_on.set()
        self.more.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_one_too_many_is_refused_at_once() -> None:
    crowd = Crowd()
    first = await crowd.send("PUT")
    assert (first, await crowd.send("GET"), await crowd.send("GET", "/health/live")) == ([], [503], [200])
    await crowd.end()
    assert (first, await crowd.send("GET")) == ([200], [200])


async def test_who_sends_slowly_takes_no_place() -> None:
    crowd = Crowd()
    slow = [await crowd.send("POST") for _ in range(3)]
    assert await crowd.send("GET") == [200]
    await crowd.end()
    assert slow == [[200]] * 3
    assert await crowd.send("GET") == [200]


async def test_who_reads_slowly_takes_no_place() -> None:
    crowd = Crowd()
    assert [await crowd.send("GET", "/stream") for _ in range(3)] == [[200]] * 3
    assert await crowd.send("GET") == [200]
    await crowd.end()
    busy = Crowd()
    assert (await busy.send("PUT"), await busy.send("GET")) == ([], [503])
    await busy.end()


async def test_a_failure_gives_its_place_back() -> None:
    crowd = Crowd()
    await crowd.send("PUT", "/broken")
    await crowd.end()
    assert await crowd.send("GET") == [200]
