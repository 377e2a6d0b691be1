"""What is around every request, where no server is needed to see it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backend.observing import observed

pytestmark = pytest.mark.anyio
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def cancelled(app: Any, method: str = "GET") -> list[dict[str, Any]]:
    """What a request has sent that is cancelled while it waits."""
    sent: list[dict[str, Any]] = []
    waiting = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(observed(app)({**SCOPE, "method": method}, receive, send))
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        sent.append({"type": "cancelled"})
    return sent


@pytest.mark.parametrize(("method", "code"), [("GET", "UNAVAILABLE"), ("PATCH", "COMMIT_UNKNOWN")])
async def test_a_request_that_the_end_of_the_process_cuts_off_is_told_to_come_again(method: str, code: str) -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    start, body = await cancelled(app, method)
    headers = dict(start["headers"])
    problem = json.loads(body["body"])
    assert (start["status"], headers[b"retry-after"], problem["error_code"]) == (503, b"5", code)
    assert problem["request_id"] == headers[b"x-request-id"].decode()


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    assert [message["type"] for message in await cancelled(app)] == ["http.response.start", "cancelled"]
