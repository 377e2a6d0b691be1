"""Reading records: a page, all of them as a stream, how many, one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from time import perf_counter
from typing import Literal, cast

from msgspec import Struct

from backend.errors import InvalidCursor, InvalidQuery, RecordNotFound, VersionPruned
from backend.query import cursor as cursors
from backend.query.cursor import Cursor
from backend.query.nodes import Query
from backend.query.seal import Seal
from backend.repositories import lookup, records, selections
from backend.repositories.copying import copy_out
from backend.repositories.database import Database, Tx
from backend.repositories.selections import Page, Selection
from backend.schemas.callers import Caller
from backend.schemas.datasets import Snapshot
from backend.schemas.records import Record, RecordCount, RecordHistory, RecordPage
from backend.services import spool
from backend.services.preconditions import matches

BOUNDED = 10_000
"""Where `count=bounded` stops counting."""

TotalIs = Literal["at_least"] | None
Total = tuple[int | None, TotalIs]


class Reading(Struct, frozen=True):
    """One query over a dataset at a version, ready to run. `newest`: at the newest one, as far as is known."""

    query: Query
    chosen: Selection
    newest: bool

    @property
    def snapshot(self) -> Snapshot:
        return self.chosen.snapshot


Shown = tuple[Reading, Page, Total]


class RecordService:
    def __init__(self, database: Database, streams: spool.Streams, seal: Seal) -> None:
        self._database = database
        self._streams = streams
        self._seal = seal

    async def page(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, *, if_none_match: str | None
    ) -> tuple[RecordPage | None, str]:
        """A page and its ETag; no page when `if_none_match` names that. Raises InvalidQuery, InvalidCursor."""
        started = perf_counter()
        place = None if query.cursor is None else cursors.decode(query.cursor, self._seal)
        if place is not None:
            query = cursors.resume(place, query)
        found = None if if_none_match else await self._known(caller, ref, workspace, query, place)
        if found is None:
            async with self._database.snapshot() as tx:
                reading = await self._reading(tx, caller, ref, workspace, query, place)
                if matches(if_none_match, etag := _etag(reading, place), weak=True):
                    return None, etag
                found = cast("Shown", await _shown(tx, reading, str(reading.snapshot.dataset_id), place))
        reading, page, (total, total_is) = found
        following = (
            None if page.last is None else cursors.encode(_place(reading, page.last, total, total_is), self._seal)
        )
        took = round((perf_counter() - started) * 1000, 2)
        data, version = cast("list[Record]", page.records), reading.snapshot.version
        answer = RecordPage(data, page.count, page.last is not None, following, version, took, total, total_is)
        return answer, _etag(reading, place)

    async def _known(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None
    ) -> Shown | None:
        """A page of a version that was there a moment ago, by statements that each check that it still is."""
        if not _lasts(query, place):
            return None
        known = lookup.remembered(caller, ref, workspace, at=place.token if place else query.version)
        if known is None or (place and place.dataset != known[1].dataset_id):
            return None
        newest = place is None and query.version is None
        reading = Reading(query, selections.selection(*known, query, self._database.fold), newest=newest)
        try:
            async with self._database.read() as tx:
                return await _shown(tx, reading, ref, place)
        except VersionPruned:
            return None

    async def stream(
        self, caller: Caller, ref: str, workspace: str | None, query: Query
    ) -> tuple[int, AsyncIterator[bytes]]:
        """The version and all records that match it, a JSON object a line; everything is checked before the first."""
        if query.cursor is not None:
            raise InvalidQuery("A stream has no pages; leave `cursor` out.")
        async with self._database.snapshot() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query)

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                for lines in copy_out(tx, selections.stream_statement(tx, reading.chosen, query)):
                    out.put(b"".join(lines))

        return reading.snapshot.version, await self._streams.start(produce)

    async def count(self, caller: Caller, ref: str, workspace: str | None, query: Query) -> tuple[RecordCount, str]:
        """How many records match, and an ETag for that."""
        async with self._database.snapshot() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query)
            counted = await selections.count(tx, reading.chosen, newest=reading.newest)
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
        lasts = _means_one(version, as_of)
        if lasts and (known := lookup.remembered(caller, ref, workspace, at=version)) is not None:
            async with self._database.read() as tx:
                found = await records.find(tx, *known, record_id, ref=ref, newest=version is None)
                if found is not None:
                    return found
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
            found = await records.find(tx, scope, snapshot, record_id)
        if lasts:
            lookup.remember(caller, ref, workspace, (scope, snapshot), at=version)
        if found is None:
            raise RecordNotFound
        return found

    async def history(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, *, limit: int, offset: int
    ) -> RecordHistory:
        """All that a record ever was, a deleted one too. Raises RecordNotFound for one that never was."""
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            images, total = await records.history(tx, scope, head.dataset.id, record_id, limit=limit, offset=offset)
        if not total:
            raise RecordNotFound
        return RecordHistory(images, total, offset + len(images) < total)

    async def _reading(
        self, tx: Tx, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None = None
    ) -> Reading:
        scope, head = await lookup.head(tx, caller, ref, workspace)
        if place is not None and place.dataset != head.dataset.id:
            raise InvalidCursor
        version = query.version if place is None else str(place.version)
        as_of = query.as_of if place is None else None
        snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
        if place is not None and place.token != snapshot.token:
            raise InvalidCursor
        if _lasts(query, place):
            at = place.token if place else query.version
            lookup.remember(caller, ref, workspace, (scope, snapshot), at=at)
        chosen = selections.selection(scope, snapshot, query, self._database.fold)
        return Reading(query, chosen, newest=snapshot.token == head.token)


def _lasts(query: Query, place: Cursor | None) -> bool:
    """Whether what the request says of its version may be remembered."""
    return place is not None or _means_one(query.version, query.as_of)


def _means_one(version: str | None, as_of: datetime | None) -> bool:
    """A tag or a moment may mean another version later."""
    return as_of is None and (version is None or version.isdecimal())


async def _shown(tx: Tx, reading: Reading, ref: str, place: Cursor | None) -> Shown | None:
    """The page and the number of all records; None where the version is not there under this name."""
    after = place.last if place else None
    page = await selections.page(tx, reading.chosen, ref, after=after, newest=reading.newest)
    return None if page is None else (reading, page, await _total(tx, reading, place, page))


async def _total(tx: Tx, reading: Reading, place: Cursor | None, page: Page) -> Total:
    """How many records match all pages; counted only where the page itself does not tell."""
    query = reading.query
    if query.count == "none":
        return None, None
    if place is not None and place.total is not None:
        return place.total, place.total_is
    if page.last is None and place is None and (page.count or query.offset == 0):
        return query.offset + page.count, None
    if query.count == "exact" or reading.chosen.unfiltered:
        return await selections.count(tx, reading.chosen, newest=reading.newest), None
    counted = await selections.count(tx, reading.chosen, newest=reading.newest, at_most=BOUNDED)
    return counted, "at_least" if counted == BOUNDED else None


def _place(reading: Reading, last: int, total: int | None, total_is: TotalIs) -> Cursor:
    """Where the next page begins."""
    snapshot, query = reading.snapshot, reading.query
    return Cursor(
        snapshot.dataset_id,
        snapshot.version,
        snapshot.token,
        last,
        cursors.fingerprint(query),
        query,
        total,
        total_is,
    )


def _etag(reading: Reading, place: Cursor | None) -> str:
    at = "" if place is None else f".{place.last}"
    return f'W/"{reading.snapshot.token}.{cursors.fingerprint(reading.query).hex()}{at}"'
