"""Key → caller, before a handler runs."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from msgspec import structs

from backend.errors import Forbidden, Unauthorized
from backend.schemas.access import Action

if TYPE_CHECKING:
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

    from backend.schemas.callers import Caller
    from backend.services.users import UserService

_LISTING = Action.READ_ACCOUNT
"""What OPTIONS does, whose handlers are not ours: it tells methods, and nothing of anybody."""
_QUICK = 0.1
"""Seconds; whose body takes longer may have lost the key, a role or a workspace meanwhile, and is asked for again."""
PUBLIC = {"public": True}
"""Handler option: no key is needed."""


def may(action: Action) -> dict[str, Action]:
    """Handler option: what the call does. No guard: for those Litestar copies the handler each time."""
    return {"action": action}


class Authentication(ASGIMiddleware):
    """Finds the caller by `X-API-Key` or `Authorization: Bearer`; refuses who is unknown or may not."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "public"

    def __init__(self, users: UserService) -> None:
        self._users = users

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        key = key_in(dict(scope["headers"]))
        listing = scope["type"] == ScopeType.HTTP and scope["method"] == "OPTIONS"
        action = _LISTING if listing else action_of(scope["route_handler"])
        caller = await admitted(self._users, key, action)
        scope["user"], scope["auth"] = caller, caller.key_id
        asked = monotonic()

        async def receive_knowing_the_caller() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            whole = message["type"] == "http.request" and not message.get("more_body", False)
            if whole and monotonic() - asked > _QUICK:
                scope["user"] = await admitted(self._users, key, action)
            return message

        await next_app(scope, receive_knowing_the_caller, send)


async def admitted(users: UserService, key: str, action: Action) -> Caller:
    """Whose key this is, who is about to do this. Raises Unauthorized, Forbidden."""
    if not key or (caller := await users.identify(key)) is None:
        raise Unauthorized
    if caller.key_scope not in action.key_scopes:
        raise Forbidden("This key may only read.")
    return structs.replace(caller, action=action)


def key_in(headers: Mapping[bytes, bytes]) -> str:
    """The key that came with a request; empty where there is none."""
    return headers.get(b"x-api-key", b"").decode("latin-1") or _bearer(headers.get(b"authorization", b""))


def _bearer(header: bytes) -> str:
    scheme, _, key = header.decode("latin-1").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def is_public(handler: BaseRouteHandler) -> bool:
    """Whether no key is needed."""
    return not PUBLIC.keys().isdisjoint(handler.opt)


def action_of(handler: BaseRouteHandler) -> Action:
    """What a handler that needs a key does."""
    action: Action = handler.opt["action"]
    return action
