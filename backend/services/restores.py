"""A dataset, or some of its records, brought back to an older version: one new version, or nothing."""

from __future__ import annotations

from functools import partial

import structlog
from msgspec import Struct, structs

from backend.errors import AppError, BadRequest, Conflict, InvalidRecord
from backend.query.spec import parse_moment
from backend.query.text import shown
from backend.readers.base import ReadLimits
from backend.repositories import datasets, diffs, indexes, lookup, pruning, record_keys, records, restores, stores
from backend.repositories.database import Database, Tx
from backend.repositories.diffs import Between
from backend.repositories.restores import Counts
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Snapshot, Store
from backend.schemas.problems import ErrorItem
from backend.schemas.records import Changed
from backend.schemas.versions import Change, Restore
from backend.services.identifiers import uuid7
from backend.services.preconditions import require_match
from backend.services.quotas import check_rows, require
from backend.services.record_keys import build_anew, follow
from backend.services.restored_records import restore_records
from backend.services.writing import MANY, Writers, Writing, etag_after, publish

log = structlog.get_logger()


class Anew(Struct, frozen=True):
    """When all images are written anew, into another record table, instead of ended and added where they are: more
    than `least` would be, and at least this `share` of all that there are.
    """

    least: int = MANY
    share: float = 0.5


ANEW = Anew()


class RestoreService:
    def __init__(self, database: Database, writers: Writers, anew: Anew = ANEW, *, limits: ReadLimits) -> None:
        """`limits`: of a dataset and its values."""
        self._database = database
        self._writers = writers
        self._anew = anew
        self._limits = limits

    async def restore(
        self, caller: Caller, ref: str, workspace: str | None, wanted: Restore, *, if_match: str | None, dry_run: bool
    ) -> tuple[Changed, str]:
        """What it did, and the dataset's ETag afterwards. What is as it was already makes no version.

        Raises DatasetNotFound, VersionNotFound, VersionPruned, DatasetBusy, PreconditionFailed, Conflict,
        LimitExceeded, QuotaExceeded, and InvalidRecord for records that never were or whose old values do not fit
        today's columns.
        """
        if (wanted.version is None) == (wanted.as_of is None):
            raise BadRequest("Say either `version`, a number or a tag, or `as_of`, a moment.")
        long = wanted.ids is None and await self._is_long(caller, ref, workspace, wanted)
        write = self._writers.write_long if long else self._writers.write
        async with write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head)
            target = await _target(tx, writing.scope, writing.head, wanted)
            source, kept, reshaped = {"version": target.version}, target.rows, False
            if wanted.ids is None:
                self._check_rows(writing, target.rows)
                counts, reshaped = await _restore_all(tx, writing, target, self._anew, dry_run=dry_run)
            else:
                counts = await restore_records(tx, writing, target, wanted.ids)
                self._check_rows(writing, writing.head.dataset.rows + counts.added - counts.removed)
                source["records"] = kept = len(set(wanted.ids))
            rows = (counts.added, counts.changed, counts.removed)
            version, etag = writing.version, writing.head.etag
            if not any(rows) and not reshaped:
                version = writing.head.dataset.version
            elif not dry_run:
                change = Change("restore", *rows, note=wanted.note, source=source)
                etag = etag_after(writing, await publish(tx, writing, change, next_id=writing.head.next_id))
        if writing.moved is not None and not dry_run:
            await self._database.once_published(partial(self._build_indexes, writing.head.store, writing.moved))
        unchanged = kept - counts.added - counts.changed - (counts.removed if wanted.ids else 0)
        return Changed(version, *rows, unchanged, dry_run=dry_run), etag

    def _check_rows(self, writing: Writing, rows: int) -> None:
        """Before or after a dataset has so many. Raises LimitExceeded; one that does not grow may have too many."""
        if rows > writing.head.dataset.rows:
            check_rows(rows, self._limits.max_rows)

    async def _build_indexes(self, before: Store, after: Store) -> None:
        """Those that queries asked for, on the new table; where this fails queries ask for them again."""
        try:
            async with self._database.transaction() as tx:
                await indexes.move(tx, before, after)
        except AppError as error:
            log.warning("indexes_not_moved", error=str(error))

    async def _is_long(self, caller: Caller, ref: str, workspace: str | None, wanted: Restore) -> bool:
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            target = await _target(tx, scope, head, wanted)
            return await restores.count_touched(tx, scope, target, most=MANY + 1) > MANY


async def _target(tx: Tx, scope: WorkspaceScope, head: Head, wanted: Restore) -> Snapshot:
    version = None if wanted.version is None else str(wanted.version)
    as_of = None if wanted.as_of is None else parse_moment(wanted.as_of)
    return await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)


async def _restore_all(tx: Tx, writing: Writing, target: Snapshot, anew: Anew, *, dry_run: bool) -> tuple[Counts, bool]:
    """Rows and columns; whether the columns were any different.

    A dry run writes rows only where that could fail, for a declared key that was there twice.
    """
    key = _key_then(writing, target)
    now = structs.replace(writing.snapshot, columns=target.columns)  # what an image hides under them would show again
    pair = await diffs.between(tx, writing.scope, now, target)
    counts = await restores.compare(tx, pair)
    if counts.added or counts.changed:
        await require(tx, writing.scope, writing.quotas, rows=counts.added - counts.removed)
    reshaped = await _restore_columns(tx, writing, target)
    if key is None and dry_run:
        return counts, reshaped
    await _restore_images(tx, writing, pair, counts, anew)
    if key is not None and (ids := await record_keys.without(tx, writing.scope, writing.store, key)):
        text = f"Record {ids[0]} had no value in {shown(key.name)}, the dataset's key; clear the key first."
        raise InvalidRecord(text, errors=[ErrorItem(text, column=key.name, code="NULL", record=ids[0])])
    if writing.moved or counts.added + counts.changed + counts.removed > target.rows // 10:
        await records.analyze(tx, writing.scope, writing.store)
    return counts, reshaped


async def _restore_images(tx: Tx, writing: Writing, pair: Between, counts: Counts, anew: Anew) -> None:
    """The images that were found to differ, and the key's index.

    A second table is not left behind before the first one was dropped: no quota counts them.
    """
    every = counts.changed + counts.removed == writing.head.dataset.rows
    enough = int(counts.written / anew.share)
    if (
        counts.written <= anew.least
        or await restores.has_more(tx, writing.scope, writing.store, enough)
        or await stores.has_retired(tx, writing.scope, writing.head.dataset.id)
    ):
        await restores.close(tx, pair, writing.version, every=every)
        await follow(tx, writing)
        await restores.bring_back(tx, pair, writing.version, writing.store, every=every)
    else:
        await pruning.lock(tx, writing.head.dataset.id)
        writing.moved = Store(uuid7())
        await restores.write_anew(tx, pair, writing.version, writing.moved, every=every)
        await build_anew(tx, writing)


def _key_then(writing: Writing, target: Snapshot) -> Column | None:
    """The dataset's key column as it was. Raises Conflict where it was not there."""
    head = writing.head
    found = next((column for column in target.columns if column.key == head.key), None)
    if head.key is not None and found is None:
        lacking = f"Version {target.version} has no column {shown(head.dataset.key or head.key)}, the dataset's key;"
        raise Conflict(f'{lacking} clear that first: PATCH the dataset with {{"key": null}}.')
    return found


async def _restore_columns(tx: Tx, writing: Writing, target: Snapshot) -> bool:
    """The columns under their old keys, with what was known of them then; whether they were any different.

    The key column takes no nulls, whenever it was declared.
    """
    columns = tuple(
        structs.replace(each, nullable=False) if each.key == writing.head.key else each for each in target.columns
    )
    scope, dataset_id = writing.scope, target.dataset_id
    then = await datasets.list_evidence(tx, scope, dataset_id, target.version)
    now = await datasets.list_evidence(tx, scope, dataset_id, writing.head.dataset.version)
    before = {each.key: (place, each, now[each.key]) for place, each in enumerate(writing.columns, 1)}
    after = {each.key: (place, each, then[each.key]) for place, each in enumerate(columns, 1)}
    ended = [key for key, each in before.items() if after.get(key) != each]
    begun = [each for key, each in after.items() if before.get(key) != each]
    await datasets.end_columns(tx, scope, dataset_id, writing.version, ended)
    await datasets.add_columns(tx, scope, dataset_id, writing.version, begun)
    writing.columns = columns
    return bool(ended or begun)
