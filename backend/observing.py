"""What is around every request: an id, the time it took, one line in the log, one count in the metrics."""

from __future__ import annotations

import asyncio
import random
import re
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, cast

import msgspec
from litestar.enums import ScopeType
from msgspec import UNSET, structs
from structlog.contextvars import bind_contextvars

from backend.errors import AppError, CommitUnknown, Unavailable
from backend.logs import RequestLine, log_request
from backend.metrics import IN_PROGRESS, PROBLEMS, REQUESTS, known_method
from backend.schemas.addresses import API_PATH
from backend.schemas.problems import PROBLEM_JSON
from backend.serving import UNREADABLE
from backend.timings import Timings, timings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from backend.schemas.access import Action
    from backend.serving import Stopping

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SAFE = {"GET", "HEAD", "OPTIONS"}
_CACHING = (b"cache-control", b"private, no-cache")
_BY_KEY, _UNKNOWN = "{key}", "unknown"
_random = random.Random()  # noqa: S311 request ids are no secrets


def observed(app: ASGIApp, stopping: Stopping) -> ASGIApp:
    """Adds `X-Request-Id` (the caller's own, when well formed) and `Server-Timing` to each answer of `app`.

    To those of the API also what caches may do with them, where the handler does not say. A request whose time is up is
    answered through `stopping`, whatever `app` does after that.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await _observe(app, stopping, scope, receive, send)
        else:
            await app(scope, receive, send)

    return call


async def _observe(app: ASGIApp, stopping: Stopping, scope: HTTPScope, receive: Receive, send: Send) -> None:
    started, status, cut = perf_counter(), 0, False
    request_id = _request_id(scope)
    scope.setdefault("state", {})["request_id"] = request_id
    bind_contextvars(request_id=request_id)
    timings.set(times := Timings())
    IN_PROGRESS.inc()

    async def annotate(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            message["headers"] = [
                *_with_caching(scope, message.get("headers", ())),
                (b"x-request-id", request_id.encode()),
                (b"server-timing", _timing(perf_counter() - started, times)),
            ]
        await send(message)

    async def pass_on(message: Message) -> None:
        if not cut:
            await annotate(message)

    async def cut_off() -> None:
        nonlocal cut
        if not status:
            cut = True
            await refuse(_stopping(scope), scope, annotate)

    stopping.under_way.add(cut_off)
    try:
        await app(scope, receive, pass_on)
    except asyncio.CancelledError:
        if status:
            raise
        await cut_off()
    finally:
        stopping.under_way.discard(cut_off)
        IN_PROGRESS.dec()
        _record(scope, status, perf_counter() - started, request_id)


def _with_caching(scope: HTTPScope, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """The headers, and in answers of the API what caches may do, where a handler has not said so."""
    settled = not scope["path"].startswith(f"{API_PATH}/") or any(name == b"cache-control" for name, _ in headers)
    return headers if settled else (*headers, _CACHING)


def _stopping(scope: HTTPScope) -> Unavailable:
    """The process is told to end before the handler has, which may have been about to commit."""
    headers = {"Retry-After": "5", "Connection": "close"}
    if not _may_have_written(scope):
        return Unavailable("The server is stopping; try again in a moment.", headers=headers)
    text = "The server is stopping: look whether this was done, or repeat it with its Idempotency-Key."
    return CommitUnknown(text, headers=headers)


def _may_have_written(scope: HTTPScope) -> bool:
    """Not before a handler is found, nor where it only reads, as some do that take their question in a body."""
    handler = scope.get("route_handler")
    if scope["method"] in _SAFE or handler is None:
        return False
    action: Action | None = handler.opt.get("action")
    return action is None or action.writes


def readable(app: ASGIApp) -> ASGIApp:
    """`app` for what could be read as a request; the rest is refused."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        error = scope.get("state", {}).get(UNREADABLE) if scope["type"] == ScopeType.HTTP else None
        if error is None:
            await app(scope, receive, send)
        else:
            await refuse(error, cast("HTTPScope", scope), send)

    return call


async def refuse(error: AppError, scope: HTTPScope, send: Send) -> None:
    """Answers with a problem, where Litestar has not begun to answer or is not asked."""
    problem = structs.replace(error.problem(), request_id=scope["state"]["request_id"])
    PROBLEMS.labels(problem.error_code).inc()
    body = msgspec.json.encode(problem)
    named = {"content-type": PROBLEM_JSON, "content-length": str(len(body)), **error.headers}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _record(scope: HTTPScope, status: int, seconds: float, request_id: str) -> None:
    template, method = scope.get("path_template", _UNKNOWN), scope["method"]
    REQUESTS.labels(known_method(method), template, str(status)).observe(seconds)
    path, took = _logged_path(scope, template), round(seconds * 1000, 1)
    trace_id = scope["state"].get("trace_id", UNSET)
    log_request(RequestLine(method, path, status, took, request_id, datetime.now(UTC), trace_id=trace_id))


def _logged_path(scope: HTTPScope, template: str) -> str:
    """The path, but for what may be a cell: behind `by-key/`, and in what is no path of ours."""
    if template.endswith(_BY_KEY):
        return "/".join([*scope["path"].split("/")[: template.count("/")], _BY_KEY])
    return template if template == _UNKNOWN else scope["path"]


def _timing(total: float, times: Timings) -> bytes:
    """In milliseconds, as `Server-Timing` has them."""
    parts = f"total;dur={total * 1000:.1f}, db;dur={times.database * 1000:.1f}"
    return f"{parts}, cache;dur={times.cache * 1000:.1f}, wait;dur={times.wait * 1000:.1f}".encode()


def _request_id(scope: HTTPScope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _GIVEN_ID.fullmatch(given) else f"{_random.getrandbits(64):016x}"
