"""Changing and deleting all records that fit a filter, as one version, however many they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Raw, Struct

from backend.errors import BadRequest, TooManyMatch
from backend.query.merge_patch import MergePatch
from backend.query.nodes import And, Query
from backend.readers.base import ReadLimits
from backend.repositories import filtered_writes, lookup
from backend.repositories.database import Database, Tx
from backend.repositories.filtered_writes import Matching
from backend.schemas.batches import Batch, Item, Places, RecordRemoval
from backend.schemas.callers import Caller
from backend.schemas.records import Changed
from backend.schemas.versions import Change
from backend.services import record_values
from backend.services.batches import apply
from backend.services.preconditions import require_match
from backend.services.quotas import require
from backend.services.record_values import NULL, refuse_values
from backend.services.schema_growth import grow, unnameable
from backend.services.writing import MANY, Writers, Writing, begin, etag_after, publish

_IDS = Places(deletes="/ids/{}".format)


class Terms(Struct, frozen=True):
    """Under what conditions a write is made: at most so many records, at that version only; or not really."""

    max_affected: int | None = None
    if_match: str | None = None
    dry_run: bool = False


class _Counted(Struct, frozen=True):
    """How many records matched when a dataset was so, `MANY` and one more at most; few are not counted beforehand."""

    etag: str = ""
    found: int = 0

    @property
    def many(self) -> bool:
        """Whether others are not to wait for a write to them."""
        return self.found > MANY


class FilteredWriteService:
    def __init__(self, database: Database, writers: Writers, *, limits: ReadLimits) -> None:
        """`limits`: of a dataset and its values."""
        self._database = database
        self._writers = writers
        self._limits = limits

    async def patch(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, changes: Item, terms: Terms
    ) -> tuple[Changed, str]:
        """A merge patch (RFC 7396) of the records that match, and the dataset's ETag. An empty query is all of them.

        Raises InvalidQuery, TooManyMatch, QuotaExceeded, and InvalidRecord naming each bad value.
        """
        counted = await self._counted(caller, ref, workspace, query)
        if terms.dry_run and (done := await self._dry_run(caller, ref, workspace, query, changes, terms, counted)):
            return done
        async with self._begun(caller, ref, workspace, terms, counted) as (tx, writing):
            matching = self._matching(writing, query)
            found = await _count(tx, writing, matching, counted)
            _check_most(found, terms)
            if found:
                await require(tx, writing.scope, writing.quotas, [changes])
            if writing.head.open_schema:
                refuse_values(unnameable(changes, "/set"))
                if not found:
                    return _nothing(writing, 0, terms), writing.head.etag
                await grow(tx, writing, [changes], max_columns=self._limits.max_columns)
            patch = _patch(changes, writing, self._limits.max_cell)
            changed = await filtered_writes.patch(tx, matching, writing.version, patch) if found else 0
            if not changed and writing.columns == writing.snapshot.columns:
                return _nothing(writing, found, terms), writing.head.etag
            answer = Changed(writing.version, 0, changed, 0, found - changed, dry_run=terms.dry_run)
            return answer, await _published(tx, writing, Change("update", changed=changed), terms)

    async def delete(
        self, caller: Caller, ref: str, workspace: str | None, query: Query, terms: Terms
    ) -> tuple[Changed, str]:
        """The records that match are gone. Raises BadRequest for a query that lets all through, TooManyMatch."""
        if query.where in {None, And(())} and not (query.q or "").strip():
            raise BadRequest('Say which records to delete: by filters, {"where": {…}} or {"ids": […]}.')
        counted = await self._counted(caller, ref, workspace, query)
        if terms.dry_run:
            async with self._looked_at(caller, ref, workspace, terms) as (tx, writing):
                found = await _count(tx, writing, self._matching(writing, query), counted)
                _check_most(found, terms)
                done = Changed(writing.version, 0, 0, found, 0, dry_run=True) if found else _nothing(writing, 0, terms)
                return done, writing.head.etag
        async with self._begun(caller, ref, workspace, terms, counted) as (tx, writing):
            matching = self._matching(writing, query)
            if terms.max_affected is not None:
                _check_most(await _count(tx, writing, matching, counted), terms)
            return await _removed(tx, writing, matching, terms)

    async def delete_ids(
        self, caller: Caller, ref: str, workspace: str | None, ids: Sequence[int], terms: Terms
    ) -> tuple[Changed, str]:
        """These records are gone, or none of them: raises InvalidRecord naming those that there are not."""
        async with self._writers.write(caller, ref, workspace, dry_run=terms.dry_run) as (tx, writing):
            require_match(terms.if_match, writing.head)
            batch = Batch(deletes=[RecordRemoval(each) for each in ids], places=_IDS)
            done = await apply(tx, writing, batch, limits=self._limits, answer=False, operation="delete")
            _check_most(len(ids), terms)
        return done.as_changed(answer=False, dry_run=terms.dry_run), writing.head.etag if terms.dry_run else done.etag

    async def _counted(self, caller: Caller, ref: str, workspace: str | None, query: Query) -> _Counted:
        """Looks whether many match, before anybody waits.

        Raises LimitExceeded where that takes too long.
        """
        async with self._database.read(limited=True) as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            if head.dataset.rows <= MANY:
                return _Counted()
            snapshot = await lookup.snapshot(tx, scope, head)
            matching = filtered_writes.by_query(scope, snapshot, query, self._database.fold)
            return _Counted(head.etag, await filtered_writes.count(tx, matching, at_most=MANY + 1))

    async def _dry_run(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        query: Query,
        changes: Item,
        terms: Terms,
        counted: _Counted,
    ) -> tuple[Changed, str] | None:
        """What a dry run of `patch` answers by counting.

        None where columns or keys may change: whether all goes well only the write itself finds out.
        """
        async with self._looked_at(caller, ref, workspace, terms) as (tx, writing):
            if writing.head.open_schema or writing.head.dataset.key in changes:
                return None
            matching = self._matching(writing, query)
            found = await _count(tx, writing, matching, counted)
            _check_most(found, terms)
            if found:
                await require(tx, writing.scope, writing.quotas, [changes])
            patch = _patch(changes, writing, self._limits.max_cell)
            changed = await filtered_writes.count_patched(tx, matching, patch) if found else 0
            done = Changed(writing.version, 0, changed, 0, found - changed, dry_run=True)
            return done if changed else _nothing(writing, found, terms), writing.head.etag

    @asynccontextmanager
    async def _looked_at(
        self, caller: Caller, ref: str, workspace: str | None, terms: Terms
    ) -> AsyncIterator[tuple[Tx, Writing]]:
        """What a write would begin with, for which nobody waits."""
        async with self._database.snapshot() as tx:
            writing = await begin(tx, caller, ref, workspace, self._writers.quotas, lock=False)
            require_match(terms.if_match, writing.head)
            yield tx, writing

    @asynccontextmanager
    async def _begun(
        self, caller: Caller, ref: str, workspace: str | None, terms: Terms, counted: _Counted
    ) -> AsyncIterator[tuple[Tx, Writing]]:
        """A write that others wait for, or are refused during where it takes its time."""
        write = self._writers.write_long if counted.many else self._writers.write
        async with write(caller, ref, workspace, dry_run=terms.dry_run) as (tx, writing):
            require_match(terms.if_match, writing.head)
            yield tx, writing

    def _matching(self, writing: Writing, query: Query) -> Matching:
        return filtered_writes.by_query(writing.scope, writing.snapshot, query, self._database.fold)


async def _count(tx: Tx, writing: Writing, matching: Matching, counted: _Counted) -> int:
    """How many match, counted anew unless that is known of this version."""
    known = counted.etag == writing.head.etag and not counted.many
    return counted.found if known else await filtered_writes.count(tx, matching)


async def _removed(tx: Tx, writing: Writing, matching: Matching, terms: Terms) -> tuple[Changed, str]:
    removed = await filtered_writes.remove(tx, matching, writing.version)
    if not removed:
        return _nothing(writing, 0, terms), writing.head.etag
    answer = Changed(writing.version, 0, 0, removed, 0)
    return answer, await _published(tx, writing, Change("delete", removed=removed), terms)


async def _published(tx: Tx, writing: Writing, change: Change, terms: Terms) -> str:
    """The dataset's ETag afterwards: after a dry run the one that it has."""
    token = await publish(tx, writing, change, next_id=writing.head.next_id)
    return writing.head.etag if terms.dry_run else etag_after(writing, token)


def _nothing(writing: Writing, unchanged: int, terms: Terms) -> Changed:
    return Changed(writing.head.dataset.version, 0, 0, 0, unchanged, dry_run=terms.dry_run)


def _check_most(found: int, terms: Terms) -> None:
    if terms.max_affected is not None and found > terms.max_affected:
        raise TooManyMatch(f"{found:,} records match, more than max_affected, {terms.max_affected:,}; nothing changed.")


def _patch(changes: Item, writing: Writing, longest: int) -> MergePatch:
    """Raises InvalidRecord with a pointer to each bad value."""
    values, gone, errors = record_values.check_change(changes, writing.by_name, "/set", longest=longest)
    refuse_values(errors)
    return MergePatch({**values, **dict.fromkeys(gone, Raw(NULL))})
