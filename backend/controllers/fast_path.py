"""Pages that are kept leave without Litestar, which takes longer than all else that there is to do for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from msgspec import Struct

from backend.controllers.answers import ready
from backend.controllers.codings import accepted, coded
from backend.errors import AppError
from backend.query.nodes import Query
from backend.repositories.remembered import Remembered
from backend.schemas.access import Action
from backend.security.auth import action_of, admitted, key_in
from backend.services.queries import QueryService
from backend.services.users import UserService

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

_ASKED = "asked"
_PAGES = "/records"
_MOST = 4 * 2**20
"""Bytes of the addresses that are remembered."""


class Asked(Struct, frozen=True):
    """What an address asks for, as its handler has read it and found nothing wrong with it."""

    ref: str
    workspace: str | None
    query: Query
    template: str
    action: Action


def remember(scope: HTTPScope, ref: str, workspace: str | None, query: Query) -> None:
    """Tells the way out that this address asks for a page, and for which."""
    scope["state"][_ASKED] = Asked(ref, workspace, query, scope["path_template"], action_of(scope["route_handler"]))


async def _kept(scope: HTTPScope, asked: Asked, users: UserService, queries: QueryService) -> ASGIApp | None:
    """The answer; None where it is not at hand, or nothing that this caller may have."""
    headers = dict(scope["headers"])
    if b"accept" in headers and b"ndjson" in headers[b"accept"]:
        return None
    coding = accepted(headers.get(b"accept-encoding", b"").decode("latin-1"))
    etags = headers.get(b"if-none-match")
    try:
        found = await queries.kept(
            await admitted(users, key_in(headers), asked.action),
            asked.ref,
            asked.workspace,
            asked.query,
            if_none_match=None if etags is None else etags.decode("latin-1"),
            coding=coding,
        )
    except AppError:
        return None
    if found is None:
        return None
    page, etag = found
    if page is None:
        return ready(None, etag, status=304, headers=coded(""))
    return ready(page.body, etag, headers=coded(page.coding))


def shortened(app: ASGIApp, users: UserService, queries: QueryService) -> ASGIApp:
    """`app`, but for pages whose address it has answered before, and that are kept.

    Callers are asked for their key as ever. Whatever is not as it should be is left to `app`.
    """
    known = Remembered[tuple[str, bytes], Asked](_MOST)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "GET" or not scope["path"].endswith(_PAGES):
            await app(scope, receive, send)
            return
        address = scope["path"], scope["query_string"]
        asked = known.get(address)
        answer = None if asked is None else await _kept(scope, asked, users, queries)
        if asked is not None and answer is not None:
            scope["path_template"] = asked.template
            await answer(scope, receive, send)
            return
        await app(scope, receive, send)
        if (told := scope["state"].pop(_ASKED, None)) is not None:
            known.put(address, told, len(address[0]) + len(address[1]) + 500 + told.query.weight)

    return call
