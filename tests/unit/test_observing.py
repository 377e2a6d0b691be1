"""What is around every request, where no server is needed to see it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from litestar import get, patch, post

from backend.observing import observed
from backend.schemas.access import Action
from backend.security.auth import PUBLIC, may

pytestmark = pytest.mark.anyio
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def cancelled(app: Any, method: str = "GET", **found: Any) -> list[dict[str, Any]]:
    """What a request has sent that is cancelled while it waits."""
    sent: list[dict[str, Any]] = []
    waiting = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(observed(app)({**SCOPE, "method": method, **found}, receive, send))
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        sent.append({"type": "cancelled"})
    return sent


async def nothing() -> None: ...


WRITES = patch("/", opt=may(Action.WRITE_RECORDS))(nothing)
ASKS = post("/", opt=may(Action.READ_DATASETS))(nothing)
REGISTERS = post("/", opt=PUBLIC)(nothing)
SEES = get("/", opt=may(Action.READ_DATASETS))(nothing)


@pytest.mark.parametrize(
    ("method", "found", "code"),
    [
        ("GET", {"route_handler": SEES}, "UNAVAILABLE"),
        ("POST", {"route_handler": ASKS}, "UNAVAILABLE"),
        ("PATCH", {}, "UNAVAILABLE"),
        ("PATCH", {"route_handler": WRITES}, "COMMIT_UNKNOWN"),
        ("POST", {"route_handler": REGISTERS}, "COMMIT_UNKNOWN"),
    ],
    ids=["read", "query", "not begun", "write", "register"],
)
async def test_a_request_that_the_end_of_the_process_cuts_off_is_told_to_come_again(
    method: str, found: dict[str, Any], code: str
) -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    start, body = await cancelled(app, method, **found)
    headers = dict(start["headers"])
    problem = json.loads(body["body"])
    assert (start["status"], headers[b"retry-after"], problem["error_code"]) == (503, b"5", code)
    assert problem["request_id"] == headers[b"x-request-id"].decode()


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    assert [message["type"] for message in await cancelled(app)] == ["http.response.start", "cancelled"]
