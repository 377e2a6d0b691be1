"""Writing records: each write is one new version of the dataset, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET, Raw

from backend.errors import DatasetNotFound, LimitExceeded, PreconditionFailed, RecordNotFound
from backend.readers.base import ReadLimits
from backend.repositories import lookup, record_images, records, small_writes
from backend.repositories.database import Tx
from backend.repositories.record_images import Edit
from backend.repositories.small_writes import Publication
from backend.schemas.batches import Batch, Item, Places
from backend.schemas.callers import Caller
from backend.schemas.problems import ErrorItem
from backend.schemas.records import Changed, Record, Written
from backend.schemas.versions import Change
from backend.services import record_values
from backend.services.batches import MOST_OPERATIONS, apply
from backend.services.conflicts import conflicts
from backend.services.identifiers import new_token
from backend.services.preconditions import matches, require_match
from backend.services.quotas import check_rows, require
from backend.services.record_keys import ByKey, located
from backend.services.record_values import holds_object, merged_item, refuse_values
from backend.services.schema_growth import grow, unnameable
from backend.services.small_writes import SmallWrites
from backend.services.writing import Writers, Writing, publish

_ONE = Places(creates=lambda _: "")
_LISTED = Places(creates="/{}".format)


class RecordWriteService:
    def __init__(self, writers: Writers, small: SmallWrites, *, limits: ReadLimits) -> None:
        """`limits`: of a dataset and its values."""
        self._writers = writers
        self._small = small
        self._limits = limits

    async def batch(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        batch: Batch,
        *,
        partial: bool,
        answer: bool,
        dry_run: bool,
        if_match: str | None,
    ) -> tuple[Changed, str]:
        """Many operations as one write, and the dataset's ETag afterwards; `if_match` is the dataset's, too.

        Raises what `batches.apply` raises.
        """
        count = len(batch.creates) + len(batch.changes) + len(batch.deletes)
        if count > MOST_OPERATIONS:
            raise LimitExceeded(f"{count:,} operations in one request; at most {MOST_OPERATIONS:,} are taken.")
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head)
            done = await apply(tx, writing, batch, limits=self._limits, partial=partial, answer=answer)
        return done.as_changed(answer=answer, dry_run=dry_run), writing.head.etag if dry_run else done.etag

    async def create(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        items: Sequence[Item],
        *,
        if_match: str | None,
        single: bool = False,
        answer: bool = True,
        dry_run: bool = False,
    ) -> tuple[Written, str]:
        """New records, in the `answer` or only counted, and the dataset's ETag; `single`: errors point into the item.

        Raises LimitExceeded, and InvalidRecord naming each bad value.
        """
        batch = Batch(items, places=_ONE if single else _LISTED)
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head)
            done = await apply(tx, writing, batch, limits=self._limits, answer=answer, operation="create")
        count, data = len(done.records), done.records if answer else UNSET
        written = Written(data=data, count=count, added=count, version=done.version, dry_run=dry_run)
        return written, writing.head.etag if dry_run else done.etag

    async def create_one(
        self, caller: Caller, ref: str, workspace: str | None, item: Item, *, if_match: str | None
    ) -> tuple[UUID, Record, str]:
        """The dataset's id, the new record and the record's ETag; `if_match` is the dataset's."""
        if if_match is None and (done := await self._small.add(caller, ref, workspace, item)) is not None:
            return done
        async with self._writers.write(caller, ref, workspace) as (tx, writing):
            require_match(if_match, writing.head)
            return writing.head.dataset.id, *await self.add(tx, writing, item)

    async def add(self, tx: Tx, writing: Writing, item: Item) -> tuple[Record, str]:
        """A new record and its ETag, within a write. Raises InvalidRecord, LimitExceeded, QuotaExceeded."""
        await require(tx, writing.scope, writing.quotas, [item], rows=1)
        check_rows(writing.head.dataset.rows + 1, self._limits.max_rows)
        await self._grow(tx, writing, item)
        values, errors = record_values.check(item, writing.by_name, writing.columns, "", longest=self._limits.max_cell)
        refuse_values(errors)
        made = await small_writes.add(tx, writing.target, _publication(writing, "create"), values)
        if made is None:
            raise DatasetNotFound
        return made

    async def patch(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        record: int | ByKey,
        item: Item,
        *,
        if_match: str | None,
        dry_run: bool = False,
    ) -> tuple[Record, str, Changed]:
        """JSON merge patch (RFC 7396): the named fields change, null empties one, the others stay.

        The new image, or the old one where nothing changes, its ETag, and what a dry run tells.
        """
        if isinstance(record, int) and not dry_run:
            done = await self._small.patch(caller, ref, workspace, record, item, if_match=if_match)
            if done is not None:
                return done
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            record_id = await located(tx, writing, record)
            await _require_current(tx, writing, record_id, item, if_match)
            await require(tx, writing.scope, writing.quotas, [item])
            await self._grow(tx, writing, item)
            if holds_object(item):
                stored = await record_images.values(tx, writing.target, [record_id])
                item = merged_item(stored.get(record_id, {}), item, writing.by_name)
            values, gone, errors = record_values.check_change(item, writing.by_name, "", longest=self._limits.max_cell)
            await _refuse(tx, writing, record_id, errors)
            return await _written(tx, writing, Edit(record_id, gone, values), dry_run=dry_run)

    async def replace(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        record_id: int,
        item: Item,
        *,
        if_match: str | None,
        dry_run: bool = False,
    ) -> tuple[Record, str, Changed]:
        """The record holds just these fields from now on; answers as `patch` does."""
        if not dry_run:
            done = await self._small.replace(caller, ref, workspace, record_id, item, if_match=if_match)
            if done is not None:
                return done
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            return await self.put(tx, writing, record_id, item, if_match=if_match, dry_run=dry_run)

    async def put(
        self, tx: Tx, writing: Writing, record_id: int, item: Item, *, if_match: str | None, dry_run: bool
    ) -> tuple[Record, str, Changed]:
        """`replace`, within a write."""
        whole = {column.name: Raw(record_values.NULL) for column in writing.columns} | dict(item)
        await _require_current(tx, writing, record_id, whole, if_match, merge=False)
        await require(tx, writing.scope, writing.quotas, [item])
        await self._grow(tx, writing, item)
        values, errors = record_values.check(item, writing.by_name, writing.columns, "", longest=self._limits.max_cell)
        await _refuse(tx, writing, record_id, errors)
        return await _written(tx, writing, Edit.whole(record_id, values, writing.columns), dry_run=dry_run)

    async def delete(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        record: int | ByKey,
        *,
        if_match: str | None,
        dry_run: bool = False,
    ) -> Changed:
        """The record is gone from this version on; older versions keep it."""
        if isinstance(record, int) and if_match is None and not dry_run:
            done = await self._small.remove(caller, ref, workspace, record)
            if done is not None:
                return done
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            record_id = await located(tx, writing, record)
            await _require_current(tx, writing, record_id, None, if_match)
            if not await small_writes.remove(tx, writing.target, _publication(writing, "delete"), record_id):
                raise RecordNotFound
        return Changed(writing.version, 0, 0, 1, 0, dry_run=dry_run)

    async def _grow(self, tx: Tx, writing: Writing, item: Item) -> None:
        """Lets a schemaless dataset take the item. Raises InvalidRecord for names that no column can have."""
        if not writing.head.open_schema:
            return
        refuse_values(unnameable(item, ""))
        await grow(tx, writing, [item], max_columns=self._limits.max_columns)


async def _require_current(
    tx: Tx, writing: Writing, record_id: int, wanted: Item | None, if_match: str | None, *, merge: bool = True
) -> None:
    """Raises RecordNotFound, and PreconditionFailed with what stands where `wanted` was to be written."""
    if if_match is None:
        return
    found = await records.find(tx, writing.scope, writing.snapshot, record_id)
    if found is None:
        raise RecordNotFound
    if not matches(if_match, found[1], weak=False):
        current = await conflicts(tx, writing, [(record_id, wanted)], merge=merge)
        raise PreconditionFailed(headers={"ETag": found[1]}, current=current)


async def _refuse(tx: Tx, writing: Writing, record_id: int, errors: Sequence[ErrorItem]) -> None:
    """Raises InvalidRecord if there are errors; a record that is not there is not found, whatever they are."""
    if errors and not await record_images.live(tx, writing.target, [record_id]):
        raise RecordNotFound
    refuse_values(errors)


async def _written(tx: Tx, writing: Writing, edit: Edit, *, dry_run: bool) -> tuple[Record, str, Changed]:
    """A record's new image, its ETag, and what a dry run tells."""
    found = await small_writes.change(tx, writing.target, _publication(writing, "update"), edit)
    if found is None:
        raise RecordNotFound
    record, etag = found
    changed, grown = record.version == writing.version, writing.columns != writing.snapshot.columns
    if grown and not changed:
        await publish(tx, writing, Change("update"), next_id=writing.head.next_id)
    version = writing.version if grown or changed else writing.head.dataset.version
    return record, etag, Changed(version, 0, int(changed), 0, int(not changed), data=[record], dry_run=dry_run)


def _publication(writing: Writing, operation: str) -> Publication:
    token = new_token()
    if writing.columns == writing.snapshot.columns:
        lookup.remember_columns(token, writing.columns)
    dataset, author = writing.head.dataset, writing.caller.user_id
    return Publication(str(dataset.id), writing.head.token, token, author, datetime.now(UTC), operation, dataset)
