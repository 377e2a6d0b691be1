"""Cursors: where a page ended, in which query, over which version, as one URL-safe token."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from backend.errors import InvalidCursor
from backend.query.nodes import And, Node, Not, Or, Query
from backend.query.seal import Seal

_TAG = "page"
_LONGEST_QUERY = 2_000
_encoder = msgspec.msgpack.Encoder(order="sorted", uuid_format="bytes")


class Cursor(Struct, frozen=True, array_like=True, tag=_TAG):
    """`last` is the id of the page's last record; `query` is None where it is too long to travel in a token.

    `total` is what the first page counted, so that no later page has to.
    """

    dataset: UUID
    version: int
    token: str
    last: int
    fingerprint: bytes
    query: Query | None = None
    total: int | None = None
    total_is: Literal["at_least"] | None = None


_decoder = msgspec.msgpack.Decoder(Cursor)


def fingerprint(query: Query) -> bytes:
    """16 bytes that are equal for queries that mean the same, whatever page or version they ask for."""
    plain = structs.replace(query, cursor=None, version=None, as_of=None, given=frozenset(), where=_sorted(query.where))
    return blake2b(_encoder.encode(plain), digest_size=16).digest()


def matching(query: Query) -> bytes:
    """16 bytes that are equal for queries that the same records match, whichever of them they show and how."""
    return fingerprint(Query(query.where, q=query.q))


def _sorted(node: Node | None) -> Node | None:
    """The same condition, its parts in an order that does not depend on how they were written."""
    match node:
        case And() | Or():
            items = [item for item in map(_sorted, node.items) if item is not None]
            return structs.replace(node, items=tuple(sorted(items, key=_encoder.encode)))
        case Not():
            return structs.replace(node, item=_sorted(node.item))
        case None:
            return None
        case _:
            return structs.replace(node, bare=False)


def encode(cursor: Cursor, seal: Seal) -> str:
    """The token. A long query is left out of it and has to be repeated by the caller."""
    *before, query, total, total_is = structs.astuple(cursor)
    carried = None if query is None else _carried(query)
    return seal.sealed(_encoder.encode((_TAG, *before, carried, total, total_is)))


def _carried(query: Query) -> msgspec.Raw | None:
    """A query as it travels in tokens; None for a long one."""
    carried = _encoder.encode(structs.replace(query, cursor=None, given=frozenset()))
    return msgspec.Raw(carried) if len(carried) <= _LONGEST_QUERY else None


def decode(token: str, seal: Seal) -> Cursor:
    """Raises InvalidCursor if the text is no token of ours."""
    try:
        return _decoder.decode(seal.opened(token))
    except msgspec.MsgspecError as error:
        raise InvalidCursor from error


def resume(cursor: Cursor, query: Query) -> Query:
    """The query that the cursor goes on with. What `query` gives must be as it was; the rest is the cursor's.

    Raises InvalidCursor naming the first parameter that was changed.
    """
    before = cursor.query
    if before is None:
        if fingerprint(query) != cursor.fingerprint:
            raise InvalidCursor("This query is too long for its cursor to hold: repeat every parameter unchanged.")
        return query
    for name in sorted(query.given):
        if _comparable(name, query) != _comparable(name, before):
            raise InvalidCursor(f"With a cursor {_WRITTEN.get(name, name)} may be repeated, not changed.")
    return structs.replace(before, cursor=query.cursor)


_WRITTEN = {"where": "the filters", "select": "the selected columns"}


def _comparable(name: str, query: Query) -> object:
    return _sorted(query.where) if name == "where" else getattr(query, name)
