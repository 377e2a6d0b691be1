"""Reading records: a page, all of them as a stream, how many, one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from time import perf_counter
from typing import Literal

import msgspec
from msgspec import Struct, structs

from backend.errors import InvalidCursor, InvalidQuery, RecordNotFound
from backend.query import cursor as cursors
from backend.query.compile import Compiled, compile_query
from backend.query.cursor import Cursor
from backend.query.nodes import DEFAULT_LIMIT, Query
from backend.repositories import lookup, records
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import Snapshot
from backend.schemas.records import Record, RecordCount, RecordPage
from backend.services.preconditions import matches

BOUNDED = 10_000
"""Where `count=bounded` stops counting."""
_STREAMED = 1_000
"""Records that a stream reads at a time."""

TotalIs = Literal["at_least"] | None


class Reading(Struct, frozen=True):
    """One query over a dataset at a version, ready to run."""

    scope: WorkspaceScope
    snapshot: Snapshot
    query: Query
    compiled: Compiled


class RecordService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, *, if_none_match: str | None
    ) -> tuple[RecordPage | None, str]:
        """A page and its ETag; no page when `if_none_match` names that. Raises InvalidQuery, InvalidCursor."""
        started = perf_counter()
        place = None if query.cursor is None else cursors.decode(query.cursor)
        if place is not None:
            query = cursors.resume(place, query)
        async with self._database.read() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, place)
            etag = _etag(reading, place)
            if matches(if_none_match, etag, weak=True):
                return None, etag
            limit = query.limit or DEFAULT_LIMIT
            found = await _rows(tx, reading, limit + 1, place)
            more = len(found) > limit
            del found[limit:]
            total, total_is = await _total(tx, reading, place, found, more=more)
        following = _cursor(reading, found[-1].id, total, total_is) if more else None
        took = round((perf_counter() - started) * 1000, 2)
        version = reading.snapshot.version
        return RecordPage(found, len(found), more, following, version, took, total, total_is), etag

    async def stream(
        self, caller: Caller, ref: str, workspace: str | None, query: Query
    ) -> tuple[int, AsyncIterator[bytes]]:
        """The version and all records that match it, a JSON object a line.

        Everything is checked before the first line. Between two reads no connection is held, however slow the
        reader is: a version does not change.
        """
        if query.cursor is not None:
            raise InvalidQuery("A stream has no pages; leave `cursor` out.")
        async with self._database.read() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query)
        return reading.snapshot.version, self._lines(reading)

    async def _lines(self, reading: Reading) -> AsyncIterator[bytes]:
        left, after = reading.query.limit, None
        encoder = msgspec.json.Encoder()
        while left is None or left > 0:
            limit = _STREAMED if left is None else min(left, _STREAMED)
            offset = reading.query.offset if after is None else 0
            async with self._database.read() as tx:
                found = await records.page(
                    tx, reading.scope, reading.snapshot, reading.compiled, limit=limit, offset=offset, after=after
                )
            if found:
                yield encoder.encode_lines(found)
            if len(found) < limit:
                return
            after, left = found[-1].id, None if left is None else left - len(found)

    async def count(self, caller: Caller, ref: str, workspace: str | None, query: Query) -> tuple[RecordCount, str]:
        """How many records match, and an ETag for that."""
        async with self._database.read() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query)
            counted = await _count(tx, reading)
        return RecordCount(counted, reading.snapshot.version), _etag(reading, None)

    async def get(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        record_id: int,
        *,
        version: str | None,
        as_of: datetime | None,
    ) -> tuple[Record, str]:
        """One record and its ETag. Raises RecordNotFound."""
        async with self._database.read() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
            found = await records.find(tx, scope, snapshot, record_id)
        if found is None:
            raise RecordNotFound
        return found

    async def _reading(
        self, tx: Tx, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None = None
    ) -> Reading:
        scope, head = await lookup.head(tx, caller, ref, workspace)
        version = query.version if place is None else str(place.version)
        as_of = query.as_of if place is None else None
        snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
        if place is not None and (place.dataset, place.token) != (snapshot.dataset_id, snapshot.token):
            raise InvalidCursor
        return Reading(scope, snapshot, query, compile_query(query, snapshot.columns, fold=self._database.fold))


async def _rows(tx: Tx, reading: Reading, limit: int, place: Cursor | None) -> list[Record]:
    after, offset = (None, reading.query.offset) if place is None else (place.last, 0)
    return await records.page(
        tx, reading.scope, reading.snapshot, reading.compiled, limit=limit, offset=offset, after=after
    )


async def _total(
    tx: Tx, reading: Reading, place: Cursor | None, found: list[Record], *, more: bool
) -> tuple[int | None, TotalIs]:
    """How many records match all pages; counted only where the page itself does not tell."""
    query = reading.query
    if query.count == "none":
        return None, None
    if place is not None and place.total is not None:
        return place.total, place.total_is
    if _unfiltered(query):
        return reading.snapshot.rows, None
    if not more and place is None and (found or query.offset == 0):
        return query.offset + len(found), None
    if query.count == "exact":
        return await _count(tx, reading), None
    counted = await records.count(tx, reading.scope, reading.snapshot, reading.compiled, at_most=BOUNDED)
    return counted, "at_least" if counted == BOUNDED else None


async def _count(tx: Tx, reading: Reading) -> int:
    if _unfiltered(reading.query):
        return reading.snapshot.rows
    return await records.count(tx, reading.scope, reading.snapshot, reading.compiled)


def _unfiltered(query: Query) -> bool:
    return query.where is None and query.q is None


def _cursor(reading: Reading, last: int, total: int | None, total_is: TotalIs) -> str:
    snapshot, query = reading.snapshot, structs.replace(reading.query, cursor=None)
    place = Cursor(
        snapshot.dataset_id,
        snapshot.version,
        snapshot.token,
        last,
        cursors.fingerprint(query),
        query,
        total,
        total_is,
    )
    return cursors.encode(place)


def _etag(reading: Reading, place: Cursor | None) -> str:
    at = "" if place is None else f".{place.last}"
    return f'W/"{reading.snapshot.token}.{cursors.fingerprint(reading.query).hex()}{at}"'
