"""What is around every request: an id, the time it took, one line in the log, one count in the metrics."""

from __future__ import annotations

import asyncio
import random
import re
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
from litestar.enums import ScopeType
from structlog.contextvars import bind_contextvars

from backend.errors import Unavailable
from backend.logs import RequestLine, log_request
from backend.metrics import IN_PROGRESS, REQUESTS, known_method
from backend.schemas.problems import Problem
from backend.spent import Spent, spent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_API = "/api/v1/"
_CACHING = (b"cache-control", b"private, no-cache")
_BY_KEY, _UNKNOWN = "{key}", "unknown"
_random = random.Random()  # noqa: S311 request ids are no secrets


def observed(app: ASGIApp) -> ASGIApp:
    """Adds `X-Request-Id` (the caller's own, when well formed) and `Server-Timing` to each answer of `app`.

    To those of the API also what caches may do with them, where the handler does not say.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        started, status = perf_counter(), 0
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        bind_contextvars(request_id=request_id)
        times = Spent()
        spent.set(times)
        IN_PROGRESS.add(1)

        async def annotate(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = [
                    *headers,
                    *([] if _is_told(scope, headers) else [_CACHING]),
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", _timing(perf_counter() - started, times)),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await app(scope, receive, annotate)
        except asyncio.CancelledError:
            if status:
                raise
            await _answer_stopping(annotate, request_id)
        finally:
            IN_PROGRESS.add(-1)
            _record(scope, status, perf_counter() - started, request_id)

    return call


def _is_told(scope: HTTPScope, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a handler has said what caches may do, or it is none of the API's answers."""
    return not scope["path"].startswith(_API) or any(name == b"cache-control" for name, _ in headers)


async def _answer_stopping(send: Send, request_id: str) -> None:
    """The process is told to end before the handler has: the caller may try again, elsewhere or in a moment."""
    problem = Problem(
        type="about:blank",
        title="Service Unavailable",
        status=503,
        status_code=503,
        detail="The server is stopping; look whether this was done, or try again in a moment.",
        error_code=Unavailable.code(),
        request_id=request_id,
    )
    headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"5"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem), "more_body": False})


def _record(scope: HTTPScope, status: int, seconds: float, request_id: str) -> None:
    template, method = scope.get("path_template", _UNKNOWN), scope["method"]
    REQUESTS.observe(seconds, known_method(method), template, str(status))
    path, took = _told(scope, template), round(seconds * 1000, 1)
    log_request(RequestLine(method, path, status, took, request_id, datetime.now(UTC)))


def _told(scope: HTTPScope, template: str) -> str:
    """The path, but for what may be a cell: behind `by-key/`, and in what is no path of ours."""
    if template.endswith(_BY_KEY):
        return "/".join([*scope["path"].split("/")[: template.count("/")], _BY_KEY])
    return template if template == _UNKNOWN else scope["path"]


def _timing(total: float, times: Spent) -> bytes:
    """In milliseconds, as `Server-Timing` has them."""
    parts = f"total;dur={total * 1000:.1f}, db;dur={times.database * 1000:.1f}"
    return f"{parts}, cache;dur={times.cache * 1000:.1f}, wait;dur={times.wait * 1000:.1f}".encode()


def _request_id(scope: HTTPScope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _GIVEN_ID.fullmatch(given) else f"{_random.getrandbits(64):016x}"
