"""Key → caller, before a handler runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from backend.errors import Forbidden, Unauthorized
from backend.schemas.callers import Caller

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from backend.services.users import UserService

PUBLIC = {"public": True}
"""Handler option: no key is needed."""

Connection = ASGIConnection[Any, Caller, Any, Any]


class Authentication(AbstractAuthenticationMiddleware):
    """Finds the caller by `X-API-Key` or `Authorization: Bearer`; refuses whoever it does not know."""

    def __init__(self, app: ASGIApp, users: UserService) -> None:
        super().__init__(app, exclude=["^/schema", "^/metrics"], exclude_from_auth_key="public")
        self._users = users

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        headers = dict(connection.scope["headers"])
        key = headers.get(b"x-api-key", b"").decode("latin-1") or _bearer(headers.get(b"authorization", b""))
        if not key or (caller := await self._users.identify(key)) is None:
            raise Unauthorized(headers={"WWW-Authenticate": "Bearer"})
        return AuthenticationResult(caller, caller.key_id)


def _bearer(header: bytes) -> str:
    scheme, _, key = header.decode("latin-1").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


async def may_write(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: refuses keys that may only read."""
    if connection.user.key_scope != "write":
        raise Forbidden("This key may only read.")
