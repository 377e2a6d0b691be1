"""How many requests a worker works at: what is over that is told so at once, not kept waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from backend.errors import Unavailable
from backend.metrics import OVERLOADED
from backend.observing import refuse
from backend.security.rate_limit import is_watch

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

_TOO_MUCH = "The server works at as many requests as it can, SHEAF_CONCURRENCY; try again in a moment."


def bounded(app: ASGIApp, most: int) -> ASGIApp:
    """`app` for so many requests at the same time.

    One is counted from its first byte to the first of its answer, but not while it waits for the caller to send more:
    slow callers take no place.
    """
    places = _Places()

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or is_watch(scope):
            await app(scope, receive, send)
        elif places.taken >= most:
            OVERLOADED.inc()
            await refuse(Unavailable(_TOO_MUCH, headers={"Retry-After": "1"}), scope, send)
        else:
            await _in_place(app, places, scope, receive, send)

    return call


class _Places:
    """How many requests are worked at."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0


async def _in_place(app: ASGIApp, places: _Places, scope: Scope, receive: Receive, send: Send) -> None:
    answered = False

    async def receive_aside() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        if answered:
            return await receive()
        places.taken -= 1
        try:
            return await receive()
        finally:
            places.taken += 1

    async def send_aside(message: Message) -> None:
        nonlocal answered
        if not answered:
            answered = True
            places.taken -= 1
        await send(message)

    places.taken += 1
    try:
        await app(scope, receive_aside, send_aside)
    finally:
        if not answered:
            places.taken -= 1
