"""`Idempotency-Key`: a write that is sent again is answered again, not done again."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.utils.scope.state import ScopeState

from backend.errors import IdempotencyKeyReused, IncompleteBody, InvalidParameter
from backend.metrics import REPLAYS
from backend.repositories.idempotency import KeptAnswer
from backend.security.auth import action_of, is_public
from backend.services.idempotency import Attempt, Fingerprint, IdempotencyService

if TYPE_CHECKING:
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

HEADER = "Idempotency-Key"
SECRET = {"answers_a_secret": True}
"""Handler option: the answer is shown once and kept nowhere, so the key has no effect."""
_NAME = HEADER.lower().encode()
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_METHODS = {"POST", "PATCH"}
_PATIENCE = 5.0
"""Seconds for the rest of a body that the handler had no use for: a connection is held meanwhile."""


def is_repeatable(handler: BaseRouteHandler, method: str) -> bool:
    """Whether the key has an effect: on a POST or PATCH that writes and answers no secret."""
    if method not in _METHODS or is_public(handler) or not SECRET.keys().isdisjoint(handler.opt):
        return False
    return action_of(handler).writes


class Idempotency(ASGIMiddleware):
    """Runs a write that has a key once. It stands below `Authentication`, which says whose the key is."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, service: IdempotencyService, *, most: int) -> None:
        """`most`: the largest body that any call takes, in bytes."""
        self._service = service
        self._most = most
        self.should_bypass_for_scope = _has_no_effect

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request = Request[Any, Any, Any](scope)
        body = _Body(receive, request, self._most)
        path = scope["path"].rstrip("/")
        begun = await self._service.begin(scope["user"], request.method, path, _key(scope))
        if isinstance(begun, Attempt):
            await _tell(await _run(begun, body, scope, next_app), send)
            return
        await body.read_rest()
        if body.fingerprint.digest() != begun.fingerprint:
            raise IdempotencyKeyReused
        REPLAYS.inc()
        await _tell(begun, send, (b"idempotency-replayed", b"true"))


async def _run(attempt: Attempt, body: _Body, scope: Scope, app: ASGIApp) -> KeptAnswer:
    """What the handler answers; what it wrote is committed if that is no failure."""
    answer = _Answer()
    async with attempt.running():
        await app(scope, body.receive, answer.send)
        ScopeState.from_scope(scope).response_started = False
        if answer.status >= 400:
            return answer.kept(b"")
        try:
            async with asyncio.timeout(_PATIENCE):
                await body.read_rest()
        except TimeoutError as error:
            raise IncompleteBody from error
        told = answer.kept(body.fingerprint.digest())
        await attempt.answer(told)
    return told


class _Body:
    """A request's body on its way to the handler."""

    def __init__(self, receive: Receive, request: Request[Any, Any, Any], most: int) -> None:
        kind, params = request.content_type
        boundary = params.get("boundary", "") if kind == "multipart/form-data" else ""
        about = "\0".join([kind, *(f"{name}={params[name]}" for name in sorted(params) if name != "boundary")])
        self.fingerprint = Fingerprint(request.scope["query_string"], about.encode(), boundary.encode())
        self._receive = receive
        self._left = most
        self._complete = False

    async def receive(self) -> HTTPReceiveMessage:
        message = cast("HTTPReceiveMessage", await self._receive())
        if message["type"] == "http.request":
            chunk = message.get("body", b"")
            self.fingerprint.update(chunk)
            self._left -= len(chunk)
            self._complete = not message.get("more_body", False)
        return message

    async def read_rest(self) -> None:
        """Raises IncompleteBody when the caller goes away, and IdempotencyKeyReused for what no call would take."""
        while not self._complete:
            if (await self.receive())["type"] == "http.disconnect":
                raise IncompleteBody
            if self._left < 0:
                raise IdempotencyKeyReused


class _Answer:
    """A handler's answer, which waits."""

    def __init__(self) -> None:
        self.status = 500
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self._body += message["body"]

    def kept(self, fingerprint: bytes) -> KeptAnswer:
        return KeptAnswer(self.status, self._headers, bytes(self._body), fingerprint)


async def _tell(told: KeptAnswer, send: Send, *more: tuple[bytes, bytes]) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.headers]
    await send({"type": "http.response.start", "status": told.status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": told.body, "more_body": False})


def _has_no_effect(scope: Scope) -> bool:
    """No key, or a call that it is not for."""
    if not any(name == _NAME for name, _ in scope["headers"]):
        return True
    return scope["type"] != ScopeType.HTTP or not is_repeatable(scope["route_handler"], scope["method"])


def _key(scope: Scope) -> str:
    """Raises InvalidParameter."""
    keys = [value for name, value in scope["headers"] if name == _NAME]
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise InvalidParameter(f"{HEADER} is one value of 1 to 255 visible ASCII characters, such as a UUID.")
    return keys[0].decode()
