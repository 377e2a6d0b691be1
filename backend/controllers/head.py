"""HEAD: what GET answers, without the body; OPTIONS: which methods there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from litestar.enums import ScopeType
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from backend.controllers.bodies import NDJSON
from backend.schemas.addresses import API_PATH

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_STREAMS = re.compile(
    API_PATH + "/((datasets|workspaces)/[^/]+/export|datasets/[^/]+/records/stream|imports/[^/]+/events"
    "|exports/[^/]+/(?P<file>file))/*"
)
"""Where GET reads a whole dataset, or waits: HEAD is no GET there, but what the handler says.

How long the answer to GET would be nobody knows, but of a file that is there; nor of lines that `Accept` asked for.
"""
_LINES = NDJSON.encode()
_ASKED = "sheaf.asked"


def with_head(app: ASGIApp) -> ASGIApp:
    """`app` with HEAD wherever it takes GET."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        stream = _STREAMS.fullmatch(scope["path"])

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            elif message["type"] == "http.response.start" and (
                not stream["file"] if stream else (b"content-type", _LINES) in message["headers"]
            ):
                message["headers"] = [each for each in message["headers"] if each[0] != b"content-length"]
            await send(message)

        if stream:
            await app(scope, receive, send_head)
        else:
            await app(cast("Scope", {**scope, "method": "GET", _ASKED: "HEAD"}), receive, send_head)

    return call


def asked_for_head(scope: Scope) -> bool:
    """Whether what looks like GET was HEAD, for answers that are too long to be made for nothing."""
    return _ASKED in scope


class Options(ReceiveRoutePlugin):
    """Lets OPTIONS tell every method of an address: Litestar keeps an answer from when there were fewer."""

    def receive_route(self, route: BaseRoute) -> None:
        if not isinstance(route, HTTPRoute):
            return
        for place, handler in enumerate(route.route_handlers):
            if "OPTIONS" in handler.http_methods:
                made = route.create_options_handler(route.path)
                made.owner = handler.owner
                made.on_registration(cast("Litestar", handler.ownership_layers[0]))
                route.route_handlers[place] = made
        route.route_handler_map.clear()
        route.create_handler_map()
