"""Key → caller, before a handler runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware

from backend.errors import Forbidden, Unauthorized
from backend.schemas.callers import Caller

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

    from backend.services.users import UserService

PUBLIC = {"public": True}
"""Handler option: no key is needed."""

Connection = ASGIConnection[Any, Caller, Any, Any]


class Authentication(ASGIMiddleware):
    """Finds the caller by `X-API-Key` or `Authorization: Bearer`; refuses whoever it does not know."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "public"

    def __init__(self, users: UserService) -> None:
        self._users = users
        self.should_bypass_for_scope = _unguarded

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        headers = dict(scope["headers"])
        key = headers.get(b"x-api-key", b"").decode("latin-1") or _bearer(headers.get(b"authorization", b""))
        if not key or (caller := await self._users.identify(key)) is None:
            raise Unauthorized(headers={"WWW-Authenticate": "Bearer"})
        scope["user"], scope["auth"] = caller, caller.key_id
        await next_app(scope, receive, send)


def _unguarded(scope: Scope) -> bool:
    return scope["path"].startswith(("/schema", "/metrics"))


def _bearer(header: bytes) -> str:
    scheme, _, key = header.decode("latin-1").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


async def may_write(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: refuses keys that may only read."""
    if connection.user.key_scope != "write":
        raise Forbidden("This key may only read.")
