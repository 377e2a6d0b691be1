"""JSON bodies: decoded, or refused with a pointer to what is wrong."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Sequence, Set
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from backend.errors import BadRequest, InvalidBody, InvalidRecord, LimitExceeded, TooLarge
from backend.query.text import why
from backend.readers.json_names import repeated
from backend.readers.json_scan import most_members
from backend.schemas.batches import Batch, Item, RecordChange, RecordId, RecordRemoval
from backend.schemas.problems import ErrorItem
from backend.services.batches import MOST_OPERATIONS
from backend.services.record_lines import why_no_json

NDJSON = "application/x-ndjson"
_PATH = re.compile(r" - at `\$(.*)`$")

T = TypeVar("T")


def decoded(body: bytes | Raw, kind: type[T]) -> T:
    """The body as a `kind`. Raises BadRequest, InvalidBody with a pointer for what does not fit.

    A BadRequest is what is no JSON, and an object with a name twice, of which decoding would keep the last value.
    """
    value = _decoded(body, kind)
    refuse_repeated_names(bytes(body))
    return value


def refuse_repeated_names(body: bytes) -> None:
    """Raises BadRequest where an object in a JSON body has a name twice."""
    if found := repeated(body):
        raise BadRequest(f"{found.message}.", errors=[found])


def _decoded(body: bytes | Raw, kind: type[T]) -> T:
    if not bytes(body).strip():
        raise BadRequest("This call takes a JSON body, and there is none.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        text = why(error)
        raise InvalidBody(f"{text}.", errors=[ErrorItem(_PATH.sub("", text), _pointer(text))]) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {why_no_json(error)}.") from error


async def limited(chunks: AsyncIterable[bytes], most: int, announced: int | None) -> bytes:
    """A whole body, where Litestar does not watch its size. Raises TooLarge, for what is `announced` at once."""
    error = TooLarge(f"The request body is larger than SHEAF_MAX_BODY, {most:,} bytes.")
    if announced is not None and announced > most:
        raise error
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise error
    return bytes(body)


def raw_members(body: bytes, kind: type[T]) -> T:
    """As `decoded`, for a `kind` that keeps parts of the body as JSON text."""
    _check_text(body)
    return decoded(body, kind)


def named_in(body: bytes) -> Set[str]:
    """The names of a body's members, before what they are is known. Raises BadRequest, InvalidBody."""
    return _decoded(body, dict[str, Raw]).keys()


def record(body: bytes) -> Item:
    """One record: column name → JSON text. Raises BadRequest, InvalidBody."""
    return raw_members(body, dict[str, Raw])


def records(body: bytes) -> tuple[Sequence[Item], bool]:
    """The records of a body (an object or an array of them), and whether it was a single object.

    Raises BadRequest, LimitExceeded, and InvalidRecord naming each item that is no object.
    """
    _check_text(body)
    if body.lstrip()[:1] == b"[":
        items = _objects(_decoded(body, list[Raw]))
        if _may_repeat(body, items):
            refuse_repeated_names(body)
        return items, False
    return [decoded(body, dict[str, Raw])], True


def lines(body: bytes) -> Sequence[Item]:
    """The records of a body of lines; raises as `records` does."""
    _check_text(body)
    found = [line for line in body.split(b"\n") if line.strip()]
    items = _objects(found)
    if _may_repeat(body, items):
        wrong = [fault for at, line in enumerate(found) if (fault := repeated(line, f"/{at}"))]
        _refuse_items(wrong, "have a name twice")
    return items


def _may_repeat(body: bytes, items: Sequence[Item]) -> bool:
    return most_members(body) != sum(map(len, items))


class _Batch(Struct, forbid_unknown_fields=True):
    changes: list[RecordChange] = []
    deletes: list[RecordId | RecordRemoval] = []
    creates: list[dict[str, Raw]] = []


def batch(body: bytes) -> Batch:
    """Many operations. Raises BadRequest, InvalidBody."""
    _check_text(body)
    sent = decoded(body, _Batch)
    deletes = [RecordRemoval(each) if isinstance(each, int) else each for each in sent.deletes]
    return Batch(sent.creates, sent.changes, deletes)


def _objects(items: Sequence[bytes | Raw]) -> list[Item]:
    if len(items) > MOST_OPERATIONS:
        raise LimitExceeded(f"{len(items):,} records in one request; at most {MOST_OPERATIONS:,} are taken.")
    objects: list[Item] = []
    wrong: list[ErrorItem] = []
    for at, item in enumerate(items):
        try:
            objects.append(msgspec.json.decode(item, type=dict[str, Raw]))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            wrong.append(ErrorItem(why_no_json(error), f"/{at}", code="INVALID_RECORD"))
    _refuse_items(wrong, "are no objects")
    return objects


def _refuse_items(wrong: Sequence[ErrorItem], what: str) -> None:
    if wrong:
        raise InvalidRecord(f"{len(wrong)} item(s) {what}; nothing was stored.", errors=wrong[:100])


def _check_text(body: bytes) -> None:
    """What stays raw is not decoded, so nobody else would notice."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from error


def _pointer(message: str) -> str | None:
    """`… - at `$.columns[0].type`` by RFC 6901; only down to a map, whose keys msgspec does not tell."""
    path = _PATH.search(message)
    return re.sub(r"\[(\d+)\]", r"/\1", path[1].partition("[...]")[0]).replace(".", "/") if path else None
