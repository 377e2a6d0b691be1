"""Pages that are at hand, or quickly made, leave without Litestar, which takes longer than all else to do for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from msgspec import Struct

from backend.controllers.answers import page_answer
from backend.controllers.codings import accepted
from backend.controllers.queries import EXPLAIN, query_from_string
from backend.controllers.wellformed import refuse_other_than_utf8
from backend.errors import LimitExceeded, Unavailable
from backend.observing import refuse
from backend.repositories.remembered import Remembered
from backend.schemas.access import Action
from backend.security.auth import action_of, admitted, key_in
from backend.services.queries import QueryService
from backend.services.users import UserService

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

_ASKED = "asked"
_PAGES = "/records"
_FINAL = Unavailable, LimitExceeded
"""What nobody waits for twice."""
_MOST, _EACH = 2**20, 500
"""Bytes of the paths that are remembered, and what each takes beside itself."""


class Asked(Struct, frozen=True):
    """What a path names, as its handler has read it."""

    ref: str
    template: str
    action: Action


def remember(scope: HTTPScope, ref: str) -> None:
    """Tells the way out that this path is one of pages, and of which dataset's."""
    scope["state"][_ASKED] = Asked(ref, scope["path_template"], action_of(scope["route_handler"]))


async def _answer(scope: HTTPScope, asked: Asked, users: UserService, queries: QueryService) -> ASGIApp | None:
    """The answer; None where there is more to do for it, or nothing that this caller may have. Raises _FINAL."""
    headers = dict(reversed([*scope["headers"]]))
    if b"explain" in scope["query_string"] or b"ndjson" in headers.get(b"accept", b""):
        return None
    etags = headers.get(b"if-none-match")
    try:
        refuse_other_than_utf8(scope["query_string"])
        workspace, query = query_from_string(scope["query_string"], EXPLAIN)
        found = await queries.page_at_once(
            await admitted(users, key_in(headers), asked.action),
            asked.ref,
            workspace,
            query,
            if_none_match=None if etags is None else etags.decode("latin-1"),
            coding=accepted(headers.get(b"accept-encoding", b"").decode("latin-1")),
        )
    except _FINAL:
        raise
    except Exception:  # `app` tells what is wrong
        return None
    return None if found is None else page_answer(*found)


def shortened(app: ASGIApp, users: UserService, queries: QueryService) -> ASGIApp:
    """`app`, but for pages that are at hand, or quickly made, at paths that it has answered before.

    Callers are asked for their key as ever. Whatever is not as it should be is left to `app`.
    """
    known = Remembered[str, Asked](_MOST)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "GET" or not scope["path"].endswith(_PAGES):
            await app(scope, receive, send)
            return
        if (asked := known.get(scope["path"])) is not None:
            scope["path_template"] = asked.template
            try:
                answer = await _answer(scope, asked, users, queries)
            except _FINAL as error:
                await refuse(error, scope, send)
                return
            if answer is not None:
                await answer(scope, receive, send)
                return
        await app(scope, receive, send)
        if (read := scope["state"].pop(_ASKED, None)) is not None:
            known.put(scope["path"], read, len(scope["path"]) + _EACH)

    return call
