"""Queries over records: pages and counts, made once for each version and query, and all that match as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import perf_counter
from typing import cast

import msgspec

from backend.errors import DatasetNotFound, InvalidCursor, InvalidQuery, VersionPruned
from backend.query import cursor as cursors
from backend.query.cursor import Cursor
from backend.query.nodes import Query
from backend.query.seal import Seal
from backend.repositories import lookup, selections
from backend.repositories.copying import copy_out
from backend.repositories.database import Database, Tx
from backend.repositories.selections import Page
from backend.schemas.callers import Caller
from backend.schemas.records import Record, RecordCount, RecordPage
from backend.services import spool
from backend.services.answers import Answer, Answers
from backend.services.current import Current
from backend.services.indexing import IndexService
from backend.services.paces import Paces
from backend.services.packing import Coding
from backend.services.preconditions import matches
from backend.services.readings import (
    BOUNDED,
    FEW_ROWS,
    Reading,
    Total,
    check_countable,
    counted_to,
    following,
    key,
    known_total,
    lasts,
    record_count,
)


class QueryService:
    def __init__(
        self, database: Database, streams: spool.Streams, seal: Seal, answers: Answers, indexing: IndexService
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._streams = streams
        self._seal = seal
        self._answers = answers
        self._current = Current(database)
        self._paces = Paces(indexing.limits.rows)

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
        place, query = self._resumed(query)
        known = self._known(caller, ref, workspace, query, place)
        if known is not None:
            self._note(known)
            found = await self._of_known(known, ref, if_none_match, coding, make=True)
            if found is not None:
                return found
        async with self._database.snapshot(limited=True) as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, place)
        if known is None:
            self._note(reading)
        if matches(if_none_match, reading.etag, weak=True):
            return None, reading.etag
        if (answer := await self._answer(reading, str(reading.snapshot.dataset_id), coding)) is not None:
            return answer, reading.etag
        return await self._page_in_snapshot(caller, ref, workspace, query, place)

    async def page_at_once(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        query: Query,
        *,
        if_none_match: str | None,
        coding: Coding,
    ) -> tuple[Answer | None, str] | None:
        """What `page` answers, where that is at hand or quickly made, and holds still; None where there is more to do.

        Raises InvalidQuery, InvalidCursor, Forbidden.
        """
        place, query = self._resumed(query)
        known = self._known(caller, ref, workspace, query, place)
        if known is None:
            return None
        quick = self._paces.is_quick(known)
        found = await self._of_known(known, ref, if_none_match, coding, make=quick)
        if found is not None:
            self._note(known)
        elif quick:
            lookup.forget(caller, ref, workspace, known.snapshot, at=place.token if place else query.version)
        return found

    async def count(self, caller: Caller, ref: str, workspace: str | None, query: Query) -> tuple[RecordCount, str]:
        """How many records match, and an ETag for that. Raises InvalidQuery for what means nothing to a count."""
        check_countable(query)
        most = BOUNDED if query.count == "bounded" else None
        reading = self._known(caller, ref, workspace, query, None)
        if reading is not None:
            self._note(reading)
            counted = await self._counted(reading, most)
            if counted is not None and await self._current.holds(reading.found(ref)):
                return record_count(reading, counted, most), reading.etag
        async with self._database.snapshot(limited=True) as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, None)
        self._note(reading)
        counted = await self._counted(reading, most)
        if counted is None:
            async with self._database.snapshot(limited=True) as tx:
                reading = await self._reading(tx, caller, ref, workspace, query, None)
                counted = await selections.count(tx, reading.chosen, newest=reading.newest, at_most=most)
        return record_count(reading, counted, most), reading.etag

    async def stream(self, caller: Caller, ref: str, workspace: str | None, query: Query) -> spool.Lines:
        """All records that match, a JSON object a line, ready to begin. Raises InvalidQuery."""
        if query.cursor is not None:
            raise InvalidQuery("A stream has no pages; leave `cursor` out.")
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=query.version, as_of=query.as_of)
        chosen = selections.selection(scope, snapshot, query, self._database.fold)
        self._indexing.note(chosen, newest=snapshot.token == head.token)

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                for lines in copy_out(tx, selections.stream_statement(tx, chosen, query)):
                    out.put(b"".join(lines))

        async def begin() -> AsyncIterator[bytes]:
            async with self._streams.in_time():
                return await self._streams.start(produce, caller.user_id)

        return spool.Lines(snapshot.version, f'W/"{snapshot.token}.{chosen.fingerprint.hex()}.lines"', begin)

    async def reading(self, tx: Tx, caller: Caller, ref: str, workspace: str | None, query: Query) -> Reading:
        """What a page would read, in a snapshot. Raises InvalidQuery, InvalidCursor."""
        place, query = self._resumed(query)
        return await self._reading(tx, caller, ref, workspace, query, place)

    def _note(self, reading: Reading) -> None:
        """Pages that are kept count, too: at the next version they have to be made."""
        self._indexing.note(reading.chosen, newest=reading.newest)

    def _resumed(self, query: Query) -> tuple[Cursor | None, Query]:
        """Where the page before this one ended, and the query that goes on there. Raises InvalidCursor."""
        if query.cursor is None:
            return None, query
        place = cursors.decode(query.cursor, self._seal)
        return place, cursors.resume(place, query)

    def _known(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None
    ) -> Reading | None:
        """The query over what was found under this name a moment ago; who uses it checks that it still is there."""
        if not lasts(query, place):
            return None
        known = lookup.remembered(caller, ref, workspace, at=place.token if place else query.version)
        if known is None or (place and place.dataset != known[1].dataset_id):
            return None
        latest = lookup.remembered(caller, ref, workspace, at=None)
        newest = latest is not None and latest[1].token == known[1].token
        try:
            return Reading(query, selections.selection(*known, query, self._database.fold), place, newest)
        except InvalidQuery:  # the columns may be others by now
            return None

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
        newest = snapshot.token == head.token
        if lasts(query, place):
            at = place.token if place else query.version
            lookup.remember(caller, ref, workspace, (scope, snapshot), at=at)
            if not newest:
                lookup.remember(caller, ref, workspace, (scope, await lookup.snapshot(tx, scope, head)), at=None)
        chosen = selections.selection(scope, snapshot, query, self._database.fold)
        return Reading(query, chosen, place, newest)

    async def _of_known(
        self, known: Reading, ref: str, if_none_match: str | None, coding: Coding, *, make: bool
    ) -> tuple[Answer | None, str] | None:
        """The page and its ETag; None where what is known no longer holds, or it would have to be made."""
        answer = None
        if not matches(if_none_match, known.etag, weak=True):
            if make:
                answer = await self._answer(known, ref, coding)
            else:
                answer = self._answers.at_hand(key(b"page", known, self._database.fold), coding)
            if answer is None:
                return None
            if answer.own:
                return answer, known.etag
        return (answer, known.etag) if await self._current.holds(known.found(ref)) else None

    async def _answer(self, reading: Reading, ref: str, coding: Coding) -> Answer | None:
        """The page, kept or made; None where the version is not there under this name, for those who make it."""

        async def make() -> bytes | None:
            began, body = perf_counter(), None
            try:
                body = await self._made(reading, ref)
                return body
            finally:
                self._paces.took(reading, perf_counter() - began, made=body is not None)

        named = key(b"page", reading, self._database.fold)
        return await self._answers.get(named, make, coding=coding, light=self._paces.is_quick(reading))

    async def _made(self, reading: Reading, ref: str) -> bytes | None:
        """The page by one statement that also checks that the version still is there, and the number of records."""
        started, after = perf_counter(), reading.place.last if reading.place else None
        try:
            async with self._database.read(limited=True) as tx:
                page = await selections.page(tx, reading.chosen, ref, after=after, newest=reading.newest)
        except DatasetNotFound:  # the records lie elsewhere by now
            return None
        if page is None:
            return None
        total = known_total(reading, page)
        if total is None:
            most = None if reading.query.count == "exact" else BOUNDED
            if (counted := await self._counted(reading, most)) is None:
                return None
            total = counted_to(counted, most)
        return self._encoded(reading, page, total, started)

    async def _page_in_snapshot(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, place: Cursor | None
    ) -> tuple[Answer, str]:
        """All in one transaction, whatever is written and pruned meanwhile."""
        started = perf_counter()
        async with self._database.snapshot(limited=True) as tx:
            reading = await self._reading(tx, caller, ref, workspace, query, place)
            chosen, after = reading.chosen, place.last if place else None
            named = str(reading.snapshot.dataset_id)
            page = cast("Page", await selections.page(tx, chosen, named, after=after, newest=reading.newest))
            total = known_total(reading, page)
            if total is None:
                most = None if query.count == "exact" else BOUNDED
                total = counted_to(await selections.count(tx, chosen, newest=reading.newest, at_most=most), most)
        return Answer(self._encoded(reading, page, total, started), "", own=True), reading.etag

    async def _counted(self, reading: Reading, most: int | None) -> int | None:
        """How many records match, kept or counted, `most` of them; None where the version is not there any more."""
        if reading.chosen.unfiltered:
            return reading.snapshot.rows

        async def make() -> bytes | None:
            try:
                async with self._database.read(limited=True) as tx:
                    counted = await selections.count(tx, reading.chosen, newest=reading.newest, at_most=most)
            except (VersionPruned, DatasetNotFound):
                return None
            return b"%d" % counted

        named = key(b"count %d" % (most or 0), reading, self._database.fold)
        answer = await self._answers.get(named, make, light=reading.snapshot.rows <= FEW_ROWS)
        return None if answer is None else int(answer.body)

    def _encoded(self, reading: Reading, page: Page, total: Total, started: float) -> bytes:
        """The page as it goes over the wire."""
        behind = None if page.last is None else cursors.encode(following(reading, page.last, total), self._seal)
        took = round((perf_counter() - started) * 1000, 2)
        data, version = cast("list[Record]", page.records), reading.snapshot.version
        answer = RecordPage(data, page.count, page.last is not None, behind, version, took, *total)
        return msgspec.json.encode(answer)
