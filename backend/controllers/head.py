"""HEAD: what GET answers, without the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_STREAMS = ("/export", "/stream", "/events", "/file")
"""Ends of addresses whose GET reads a whole dataset, or waits: HEAD is no GET there, but what the handler says."""


def with_head(app: ASGIApp) -> ASGIApp:
    """`app` with HEAD wherever it takes GET."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await app(scope, receive, send)
        elif scope["path"].endswith(_STREAMS):
            await app(scope, receive, send_head)
        else:
            await app({**scope, "method": "GET"}, receive, send_head)

    return call
