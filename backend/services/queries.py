"""Queries over records: pages and counts, made once for each version and query, and all that match as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import blake2b
from time import perf_counter
from typing import Literal, cast

import msgspec
from msgspec import Struct

from backend.errors import InvalidCursor, InvalidQuery, VersionPruned
from backend.query import cursor as cursors
from backend.query.cursor import Cursor
from backend.query.nodes import Query
from backend.query.seal import Seal
from backend.repositories import lookup, selections
from backend.repositories.copying import copy_out
from backend.repositories.current import Found
from backend.repositories.database import Database, Tx
from backend.repositories.selections import Page, Selection
from backend.schemas.callers import Caller
from backend.schemas.datasets import Snapshot
from backend.schemas.records import Record, RecordCount, RecordPage
from backend.services import spool
from backend.services.answers import Answer, Answers
from backend.services.current import Current
from backend.services.packing import Coding
from backend.services.preconditions import matches
from backend.services.records import means_one

BOUNDED = 10_000
"""Where `count=bounded` stops counting."""
_FEW_CELLS, _FEW_ROWS = 5_000, 5_000
"""What PostgreSQL writes, and searches, in a few milliseconds."""

TotalIs = Literal["at_least"] | None
Total = tuple[int | None, TotalIs]
_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


class Reading(Struct, frozen=True):
    """One query over a dataset at a version, ready to run; `place`: where the page before it ended.

    `newest`: at the newest version, as far as is known.
    """

    query: Query
    chosen: Selection
    place: Cursor | None
    newest: bool

    @property
    def snapshot(self) -> Snapshot:
        return self.chosen.snapshot

    @property
    def etag(self) -> str:
        at = "" if self.place is None else f".{self.place.last}"
        return f'W/"{self.snapshot.token}.{cursors.fingerprint(self.query).hex()}{at}"'

    @property
    def light(self) -> bool:
        """Whether the page is made in less time than it takes to look whether somebody else has made it."""
        query, snapshot = self.query, self.snapshot
        searched = query.where is not None or query.q is not None or query.sort or query.offset
        few = query.page_size * len(self.chosen.compiled.columns) <= _FEW_CELLS
        return few and (not searched or snapshot.rows <= _FEW_ROWS)

    def found(self, ref: str) -> Found:
        """What has to hold still for an answer that was made before."""
        return Found(self.chosen.scope, self.snapshot, ref, self.newest)


class QueryService:
    def __init__(self, database: Database, streams: spool.Streams, seal: Seal, answers: Answers) -> None:
        self._database = database
        self._streams = streams
        self._seal = seal
        self._answers = answers
        self._current = Current(database)

    async def page(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        query: Query,
        *,
        if_none_match: str | None,
        coding: Coding = "",
    ) -> tuple[Answer | None, str]:
        """A page as JSON, in this coding where that pays, and its ETag; no page when `if_none_match` names that.

        Raises InvalidQuery, InvalidCursor.
        """
        place = None if query.cursor is None else cursors.decode(query.cursor, self._seal)
        if place is not None:
            query = cursors.resume(place, query)
        known = self._known(caller, ref, workspace, query, place)
        if known is not None:
            if matches(if_none_match, known.etag, weak=True):
                if await self._current.holds(known.found(ref)):
                    return None, known.etag
            else:
                answer = await self._answer(known, ref, coding)
                if answer is not None and (answer.own or await self._current.holds(known.found(ref))):
                    return answer, known.etag
        async with self._database.snapshot() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, place)
        if matches(if_none_match, reading.etag, weak=True):
            return None, reading.etag
        if (answer := await self._answer(reading, str(reading.snapshot.dataset_id), coding)) is not None:
            return answer, reading.etag
        return await self._page_at_once(caller, ref, workspace, query, place)

    async def count(self, caller: Caller, ref: str, workspace: str | None, query: Query) -> tuple[RecordCount, str]:
        """How many records match, and an ETag for that."""
        reading = self._known(caller, ref, workspace, query, None)
        if reading is not None:
            counted = await self._counted(reading, None)
            if counted is not None and await self._current.holds(reading.found(ref)):
                return RecordCount(counted, reading.snapshot.version), reading.etag
        async with self._database.snapshot() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, None)
        counted = await self._counted(reading, None)
        if counted is None:
            async with self._database.snapshot() as tx:
                reading = await self._reading(tx, caller, ref, workspace, query, None)
                counted = await selections.count(tx, reading.chosen, newest=reading.newest)
        return RecordCount(counted, reading.snapshot.version), reading.etag

    async def stream(
        self, caller: Caller, ref: str, workspace: str | None, query: Query
    ) -> tuple[int, AsyncIterator[bytes]]:
        """The version and all records that match it, a JSON object a line; everything is checked before the first."""
        if query.cursor is not None:
            raise InvalidQuery("A stream has no pages; leave `cursor` out.")
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=query.version, as_of=query.as_of)
        chosen = selections.selection(scope, snapshot, query, self._database.fold)

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                for lines in copy_out(tx, selections.stream_statement(tx, chosen, query)):
                    out.put(b"".join(lines))

        return snapshot.version, await self._streams.start(produce)

    def _known(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None
    ) -> Reading | None:
        """The query over what was found under this name a moment ago; who uses it checks that it still is there."""
        if not _lasts(query, place):
            return None
        known = lookup.remembered(caller, ref, workspace, at=place.token if place else query.version)
        if known is None or (place and place.dataset != known[1].dataset_id):
            return None
        newest = place is None and query.version is None
        return Reading(query, selections.selection(*known, query, self._database.fold), place, newest)

    async def _reading(
        self, tx: Tx, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None
    ) -> Reading:
        """The query over what is there now."""
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
        return Reading(query, chosen, place, newest=snapshot.token == head.token)

    async def _answer(self, reading: Reading, ref: str, coding: Coding) -> Answer | None:
        """The page, kept or made; None where the version is not there under this name, for those who make it."""

        async def make() -> bytes | None:
            return await self._made(reading, ref)

        key = _key(b"page", reading, self._database.fold)
        return await self._answers.get(key, make, coding=coding, light=reading.light)

    async def _made(self, reading: Reading, ref: str) -> bytes | None:
        """The page by one statement that also checks that the version still is there, and the number of records."""
        started, after = perf_counter(), reading.place.last if reading.place else None
        async with self._database.read() as tx:
            page = await selections.page(tx, reading.chosen, ref, after=after, newest=reading.newest)
        if page is None:
            return None
        total = _told(reading, page)
        if total is None:
            most = None if reading.query.count == "exact" else BOUNDED
            if (counted := await self._counted(reading, most)) is None:
                return None
            total = _counted_to(counted, most)
        return self._encoded(reading, page, total, started)

    async def _page_at_once(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None
    ) -> tuple[Answer, str]:
        """All in one transaction, whatever is written and pruned meanwhile."""
        started = perf_counter()
        async with self._database.snapshot() as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, place)
            chosen, after = reading.chosen, place.last if place else None
            page = await selections.page(
                tx, chosen, str(reading.snapshot.dataset_id), after=after, newest=reading.newest
            )
            page = cast("Page", page)
            total = _told(reading, page)
            if total is None:
                most = None if query.count == "exact" else BOUNDED
                total = _counted_to(await selections.count(tx, chosen, newest=reading.newest, at_most=most), most)
        return Answer(self._encoded(reading, page, total, started), "", own=True), reading.etag

    async def _counted(self, reading: Reading, most: int | None) -> int | None:
        """How many records match, kept or counted, `most` of them; None where the version is not there any more."""
        if reading.chosen.unfiltered:
            return reading.snapshot.rows

        async def make() -> bytes | None:
            try:
                async with self._database.read() as tx:
                    counted = await selections.count(tx, reading.chosen, newest=reading.newest, at_most=most)
            except VersionPruned:
                return None
            return b"%d" % counted

        key = _key(b"count %d" % (most or 0), reading, self._database.fold)
        answer = await self._answers.get(key, make, light=reading.snapshot.rows <= _FEW_ROWS)
        return None if answer is None else int(answer.body)

    def _encoded(self, reading: Reading, page: Page, total: Total, started: float) -> bytes:
        """The page as it goes over the wire."""
        following = None if page.last is None else cursors.encode(_place(reading, page.last, total), self._seal)
        took = round((perf_counter() - started) * 1000, 2)
        data, version = cast("list[Record]", page.records), reading.snapshot.version
        answer = RecordPage(data, page.count, page.last is not None, following, version, took, *total)
        return msgspec.json.encode(answer)


def _lasts(query: Query, place: Cursor | None) -> bool:
    """Whether what the request says of its version may be remembered."""
    return place is not None or means_one(query.version, query.as_of)


def _key(kind: bytes, reading: Reading, fold: str) -> bytes:
    """The same for all that get the same answer. `next` repeats how a query says its version, so that counts, too."""
    query, place, snapshot = reading.query, reading.place, reading.snapshot
    said = (snapshot.dataset_id, snapshot.token, fold)
    if kind == b"page":
        at = None if place is None else (place.last, place.total, place.total_is)
        parts: object = (said, cursors.fingerprint(query), query.version, query.as_of, at)
    else:
        parts = (said, cursors.matching(query))
    return kind + b":" + blake2b(_encoder.encode(parts), digest_size=24).hexdigest().encode()


def _told(reading: Reading, page: Page) -> Total | None:
    """How many records match all pages, where that need not be counted."""
    query, place = reading.query, reading.place
    if query.count == "none":
        return None, None
    if place is not None and place.total is not None:
        return place.total, place.total_is
    if page.last is None and place is None and (page.count or query.offset == 0):
        return query.offset + page.count, None
    if reading.chosen.unfiltered:
        return reading.snapshot.rows, None
    return None


def _counted_to(counted: int, most: int | None) -> Total:
    return counted, "at_least" if counted == most else None


def _place(reading: Reading, last: int, total: Total) -> Cursor:
    """Where the next page begins."""
    snapshot, query = reading.snapshot, reading.query
    said = snapshot.dataset_id, snapshot.version, snapshot.token
    return Cursor(*said, last, cursors.fingerprint(query), query, *total)
