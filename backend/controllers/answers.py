"""Answers with an ETag, and 304 for those who have it already."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream
from litestar.types import ASGIApp, Receive, Scope, Send

from backend.controllers.bodies import NDJSON
from backend.controllers.codings import coded
from backend.controllers.head import asked_for_head
from backend.controllers.problems import failures
from backend.schemas.addresses import API_PATH
from backend.schemas.datasets import Head
from backend.schemas.records import Changed, Record
from backend.services.answers import Answer
from backend.services.preconditions import matches
from backend.services.spool import Lines

T = TypeVar("T")


def tagged(request: Request[Any, Any, Any], content: T, etag: str) -> Response[T | None]:
    """200 with the ETag, or 304 without a body when `If-None-Match` names it."""
    if matches(request.headers.get("if-none-match"), etag, weak=True):
        return Response(None, status_code=304, headers={"ETag": etag})
    return Response(content, headers={"ETag": etag})


def tagged_by_content(request: Request[Any, Any, Any], content: T) -> Response[T | None]:
    """200 with a weak ETag made of the answer itself, or 304; for what is small and has no version of its own."""
    digest = blake2b(msgspec.json.encode(content), digest_size=12).hexdigest()
    return tagged(request, content, f'W/"{digest}"')


def ready(content: Any, etag: str, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> ASGIApp:
    """JSON that is sent as it is, for the busiest calls: a `Response` costs as much as all else of theirs in Python.

    `content`: what it says, or bytes that say it.
    """
    fields = [(b"etag", etag.encode()), *headers]
    body = b""
    if status == 200:
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        fields += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return answer


def page_answer(page: Answer | None, etag: str) -> ASGIApp:
    """The page as it is packed, or 304 for those who have it already."""
    if page is None:
        return ready(None, etag, status=304, headers=coded(""))
    return ready(page.body, etag, headers=coded(page.coding))


async def streamed(request: Request[Any, Any, Any], lines: Lines) -> Stream | Response[None]:
    """JSON lines with their ETag, or 304; they are not begun for HEAD, nor for those who have them already."""
    headers = {"X-Dataset-Version": str(lines.version), "ETag": lines.etag}
    if lines.before is not None:
        headers["X-From-Version"] = str(lines.before)
    if matches(request.headers.get("if-none-match"), lines.etag, weak=True):
        return Response(None, status_code=304, headers=headers)
    if asked_for_head(request.scope):
        return Response(None, headers={"Content-Type": NDJSON, **headers})
    return Stream(await lines.begin(), media_type=NDJSON, headers=headers)


def attachment(filename: str) -> str:
    """`Content-Disposition` by RFC 6266, with the plain form for those who know no other."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def preference(*, minimal: bool) -> dict[str, str]:
    """The header that says so where records are left out as they were asked to be (RFC 7240)."""
    return {"Preference-Applied": "return=minimal"} if minimal else {}


def success(kind: Any, description: str) -> ResponseSpec:
    """A documented answer, where the handler's return type does not tell it."""
    return ResponseSpec(kind, generate_examples=False, description=description)


def created(content: T, head: Head) -> Response[T]:
    """201 with the address and ETag of a new dataset."""
    location = f"{API_PATH}/datasets/{head.dataset.id}"
    return Response(content, status_code=201, headers={"ETag": head.etag, "Location": location})


REFUSED_WRITE = failures(403, 404, 409, 412, 413, 422)
WRITTEN_RECORD = {200: success(Record | Changed, "The record; of a dry run what it would do"), **REFUSED_WRITE}
REMOVED_RECORD = {
    200: success(Changed, "A dry run: what it would do"),
    204: success(None, "The record is gone"),
    **failures(403, 404, 409, 412),
}
"""The documented answers of writes of records."""
