"""What keeps browsers from misusing answers, and which other pages' scripts may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    Headers = tuple[tuple[bytes, bytes], ...]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_API: Headers = (*_ALWAYS, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
_OF_PAGE = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page that shows the OpenAPI document has its own script and style within it, none of which a caller wrote."""
_PAGE: Headers = (*_ALWAYS, (b"content-security-policy", _OF_PAGE))
_HTTPS = (b"strict-transport-security", b"max-age=31536000")
_TAKEN = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range", "Prefer"]
_TAKEN += ["Range", "X-API-Key", "X-Request-Id", "Content-Disposition"]
_READ = ["Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Idempotency-Replayed", "Link", "Location"]
_READ += ["Preference-Applied", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "X-Dataset-Version"]
_READ += ["X-From-Version", "X-Request-Id", "X-Row-Count"]


def protected(app: ASGIApp, page: str) -> ASGIApp:
    """`app` with the headers that an answer should have wherever a browser may show it; `page`: where HTML is."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        own = _PAGE if scope["path"].startswith(page) else _API
        await app(scope, receive, adding((*own, _HTTPS) if scope["scheme"] == "https" else own, send))

    return call


def adding(headers: Headers, send: Send) -> Send:
    """`send`, with these among the headers of the answer."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return add


def readable_from(origins: Sequence[str], app: ASGIApp) -> ASGIApp:
    """`app` for scripts of these origins too (CORS). Nothing of the browser's own, such as cookies, goes with them."""
    config = CORSConfig(list(origins), allow_headers=_TAKEN, expose_headers=_READ)
    simple = _encoded(config.simple_headers)
    vary: Headers = () if config.is_allow_all_origins else ((b"vary", b"Origin"),)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        if not config.is_origin_allowed(origin.decode("latin-1")):
            await app(scope, receive, adding(vary, send))
            return
        allowed: Headers = (*vary, (b"access-control-allow-origin", origin)) if vary else ()
        if _asks_first(scope, headers):
            fields = (*_encoded(config.preflight_headers), *allowed[1:])
            await send({"type": "http.response.start", "status": 204, "headers": fields})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await app(scope, receive, adding((*simple, *allowed), send))

    return call


def _asks_first(scope: HTTPScope, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser asks what a script may send."""
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers


def _encoded(headers: dict[str, str]) -> Headers:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
