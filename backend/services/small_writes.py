"""Writes of one record at once: a single statement, which takes effect only on the version that was last seen here.

Nothing is found out ahead, and nothing is refused but by a quota: whatever is not plain is left to the usual way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from msgspec import structs

from backend.errors import DatasetNotFound, DuplicateKeys, InvalidRecord
from backend.readers.base import ReadLimits
from backend.repositories import lookup, small_writes
from backend.repositories.committing import lasting
from backend.repositories.database import Database, Tx, translating
from backend.repositories.holding import held
from backend.repositories.record_images import Edit, Target
from backend.repositories.small_writes import Publication
from backend.schemas.batches import Item
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot
from backend.schemas.limits import Quotas
from backend.schemas.records import Changed, Record
from backend.services import record_values
from backend.services.identifiers import new_token
from backend.services.quotas import NO_QUOTAS, require
from backend.services.turns import turn

T = TypeVar("T")
Work = Callable[[Tx, Target, Publication], Awaitable[tuple[T, bool] | None]]
"""What came of a write, and whether it made a version; None: not by this way."""


class SmallWrites:
    def __init__(self, database: Database, quotas: Quotas = NO_QUOTAS, *, limits: ReadLimits) -> None:
        """`quotas`: what one workspace may hold; `limits`: of a dataset and its values."""
        self._database = database
        self._quotas = quotas
        self._limits = limits

    async def add(self, caller: Caller, ref: str, workspace: str | None, item: Item) -> tuple[UUID, Record, str] | None:
        """The dataset's id, the new record and its ETag; None: not by this way."""

        async def work(tx: Tx, target: Target, made: Publication) -> tuple[tuple[UUID, Record, str], bool] | None:
            by_name = {column.name: column for column in target.columns}
            values, errors = record_values.check(item, by_name, target.columns, "", longest=self._limits.max_cell)
            if errors:
                return None
            await require(tx, target.scope, self._quotas, [item], rows=1)
            if (found := await small_writes.add(tx, target, made, values)) is None:
                return None
            return (target.dataset_id, *found), True

        return await self._tried(caller, ref, workspace, "create", work, more=1)

    async def patch(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, item: Item, *, if_match: str | None
    ) -> tuple[Record, str, Changed] | None:
        """A merge patch of fields that hold no objects: the record's image afterwards, its ETag, and what was done."""
        if record_values.holds_object(item):
            return None

        def edit(target: Target, by_name: Mapping[str, Column]) -> Edit | None:
            values, gone, errors = record_values.check_change(item, by_name, "", longest=self._limits.max_cell)
            return None if errors else Edit(record_id, gone, values)

        return await self._changed(caller, ref, workspace, item, edit, if_match)

    async def replace(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, item: Item, *, if_match: str | None
    ) -> tuple[Record, str, Changed] | None:
        """Answers as `patch` does."""

        def edit(target: Target, by_name: Mapping[str, Column]) -> Edit | None:
            values, errors = record_values.check(item, by_name, target.columns, "", longest=self._limits.max_cell)
            return None if errors else Edit.whole(record_id, values, target.columns)

        return await self._changed(caller, ref, workspace, item, edit, if_match)

    async def _changed(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        item: Item,
        edit: Callable[[Target, Mapping[str, Column]], Edit | None],
        if_match: str | None,
    ) -> tuple[Record, str, Changed] | None:
        async def work(tx: Tx, target: Target, made: Publication) -> tuple[tuple[Record, str, Changed], bool] | None:
            if (wanted := edit(target, {column.name: column for column in target.columns})) is None:
                return None
            await require(tx, target.scope, self._quotas, [item])
            if (found := await small_writes.change(tx, target, made, wanted, if_match=if_match)) is None:
                return None
            record, etag = found
            changed = record.version == target.version
            version = target.version if changed else target.version - 1
            return (record, etag, Changed(version, 0, int(changed), 0, int(not changed), data=[record])), changed

        return await self._tried(caller, ref, workspace, "update", work)

    async def remove(self, caller: Caller, ref: str, workspace: str | None, record_id: int) -> Changed | None:
        """None: not by this way."""

        async def work(tx: Tx, target: Target, made: Publication) -> tuple[Changed, bool] | None:
            gone = await small_writes.remove(tx, target, made, record_id)
            return (Changed(target.version, 0, 0, 1, 0), True) if gone else None

        return await self._tried(caller, ref, workspace, "delete", work, more=-1)

    async def _tried(
        self, caller: Caller, ref: str, workspace: str | None, operation: str, work: Work[T], *, more: int = 0
    ) -> T | None:
        """On the version that is remembered, then on the one that is found; `more`: records."""
        if held.get() is not None:
            return None
        async with turn(self._database, caller, ref, workspace), self._database.read() as tx:
            known = lookup.remembered(caller, ref, workspace, at=None)
            if known is not None and self._is_full(known[1], more):
                return None
            if known is not None and (done := await _done(tx, caller, ref, workspace, operation, work, known, more)):
                return done[0]
            scope, head = await lookup.head(tx, caller, ref, workspace)
            found = scope, await lookup.snapshot(tx, scope, head)
            if found == known or self._is_full(found[1], more):
                return None
            done = await _done(tx, caller, ref, workspace, operation, work, found, more)
            return done and done[0]

    def _is_full(self, snapshot: Snapshot, more: int) -> bool:
        return more > 0 and snapshot.rows + more > self._limits.max_rows


async def _done(
    tx: Tx,
    caller: Caller,
    ref: str,
    workspace: str | None,
    operation: str,
    work: Work[T],
    known: tuple[WorkspaceScope, Snapshot],
    more: int,
) -> tuple[T, bool] | None:
    scope, snapshot = known
    target = Target(scope, snapshot.dataset_id, snapshot.store, snapshot.version + 1, snapshot.columns)
    made = Publication(ref, snapshot.token, new_token(), caller.user_id, datetime.now(UTC), operation)
    try:
        with translating(key=""), lasting(tx):  # what the usual way says better is only recognised here
            done = await work(tx, target, made)
    except (DuplicateKeys, InvalidRecord, DatasetNotFound):
        return None
    if done is not None and done[1]:
        rows = snapshot.rows + more
        newest = structs.replace(snapshot, version=snapshot.version + 1, token=made.token, rows=rows)
        lookup.remember_columns(made.token, snapshot.columns)
        lookup.remember(caller, ref, workspace, (scope, newest), at=None)
    return done
