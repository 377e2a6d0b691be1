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
from backend.serving import Stopping

pytestmark = pytest.mark.anyio
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def cancelled(
    app: Any, method: str = "GET", stopping: Stopping | None = None, **found: Any
) -> list[dict[str, Any]]:
    """What a request has sent that is cancelled while it waits; with `stopping` its time is up first."""
    sent: list[dict[str, Any]] = []
    waiting, ours = asyncio.Event(), stopping or Stopping()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(observed(app, ours)({**SCOPE, "method": method, **found}, receive, send))
    await waiting.wait()
    if stopping is not None:
        await stopping.answer_after(0)
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
    assert [message["type"] for message in await cancelled(_begun)] == ["http.response.start", "cancelled"]


async def test_one_that_takes_long_to_undo_is_answered_before_that() -> None:
    seen: list[int] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
        finally:
            seen.append(len(stopping.under_way))
            await send({"type": "http.response.start", "status": 201, "headers": []})

    stopping = Stopping()
    start, body, end = await cancelled(app, "PATCH", stopping, route_handler=WRITES)
    assert (start["status"], json.loads(body["body"])["error_code"], end["type"]) == (
        503,
        "COMMIT_UNKNOWN",
        "cancelled",
    )
    assert (seen, len(stopping.under_way)) == ([1], 0)
    assert [each["type"] for each in await cancelled(_begun, "GET", stopping)] == ["http.response.start", "cancelled"]


async def _begun(_scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await receive()
