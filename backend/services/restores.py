"""A dataset, or some of its records, brought back to an older version: one new version, or nothing."""

from __future__ import annotations

from backend.errors import BadRequest, Conflict
from backend.query.text import shown
from backend.repositories import datasets, diffs, lookup, restores
from backend.repositories.database import Database, Tx
from backend.repositories.restores import Counts
from backend.schemas.callers import Caller
from backend.schemas.datasets import Snapshot
from backend.schemas.records import Changed
from backend.schemas.versions import Change, Restore
from backend.services.preconditions import require_match
from backend.services.restored_records import restore_records
from backend.services.writing import Writers, Writing, publish

_LONG = 20_000
"""When more images than this may come or go, others' writes are refused meanwhile instead of made to wait."""


class RestoreService:
    def __init__(self, database: Database, writers: Writers) -> None:
        self._database = database
        self._writers = writers

    async def restore(
        self, caller: Caller, ref: str, workspace: str | None, wanted: Restore, *, if_match: str | None, dry_run: bool
    ) -> tuple[Changed, str]:
        """What it did, and the dataset's ETag afterwards. What is as it was already makes no version.

        Raises DatasetNotFound, VersionNotFound, VersionPruned, DatasetBusy, PreconditionFailed, Conflict, and
        InvalidRecord for records that never were or whose old values do not fit the columns of today.
        """
        if (wanted.version is None) == (wanted.as_of is None):
            raise BadRequest("Say either `version`, a number or a tag, or `as_of`, a moment.")
        long = wanted.ids is None and await self._is_long(caller, ref, workspace, wanted)
        write = self._writers.write_long if long else self._writers.write
        async with write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head.etag)
            target = await _target(tx, writing, wanted)
            source, kept, reshaped = {"version": target.version}, target.rows, False
            if wanted.ids is None:
                counts = await _restore_rows(tx, writing, target, dry_run=dry_run)
                reshaped = await _restore_columns(tx, writing, target)
            else:
                counts = await restore_records(tx, writing, target, wanted.ids)
                source["records"] = kept = len(set(wanted.ids))
            rows = (counts.added, counts.changed, counts.removed)
            version, etag = writing.version, writing.head.etag
            if not any(rows) and not reshaped:
                version = writing.head.dataset.version
            elif not dry_run:
                change = Change("restore", *rows, note=wanted.note, source=source)
                etag = f'"{await publish(tx, writing, change, next_id=writing.head.next_id)}.{writing.head.revision}"'
        unchanged = kept - counts.added - counts.changed - (counts.removed if wanted.ids else 0)
        return Changed(version, *rows, unchanged, dry_run=dry_run), etag

    async def _is_long(self, caller: Caller, ref: str, workspace: str | None, wanted: Restore) -> bool:
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            target = await lookup.snapshot(tx, scope, head, version=_named(wanted), as_of=wanted.as_of)
            return await restores.count_touched(tx, scope, target, most=_LONG + 1) > _LONG


async def _target(tx: Tx, writing: Writing, wanted: Restore) -> Snapshot:
    return await lookup.snapshot(tx, writing.scope, writing.head, version=_named(wanted), as_of=wanted.as_of)


def _named(wanted: Restore) -> str | None:
    return None if wanted.version is None else str(wanted.version)


async def _restore_rows(tx: Tx, writing: Writing, target: Snapshot, *, dry_run: bool) -> Counts:
    """A dry run writes only where that could fail, for a declared key that was there twice."""
    head = writing.head
    if head.key is not None and head.key not in {column.key for column in target.columns}:
        text = (
            f"Version {target.version} does not have the dataset's key column, {shown(head.dataset.key or head.key)};"
        )
        raise Conflict(f'{text} clear the key first: PATCH …/datasets/{{ds}} {{"key": null}}.')
    told = await diffs.between(tx, writing.scope, writing.snapshot, target)
    counts = await restores.compare(tx, told)
    if head.key is not None or not dry_run:
        await restores.apply(tx, told, writing.version, counts)
    return counts


async def _restore_columns(tx: Tx, writing: Writing, target: Snapshot) -> bool:
    """The columns under their old keys, with what was known of them then; whether they were any different."""
    scope, dataset_id = writing.scope, target.dataset_id
    then = await datasets.list_evidence(tx, scope, dataset_id, target.version)
    now = await datasets.list_evidence(tx, scope, dataset_id, writing.head.dataset.version)
    before = {each.key: (place, each, now[each.key]) for place, each in enumerate(writing.columns, 1)}
    after = {each.key: (place, each, then[each.key]) for place, each in enumerate(target.columns, 1)}
    ended = [key for key, each in before.items() if after.get(key) != each]
    begun = [each for key, each in after.items() if before.get(key) != each]
    await datasets.end_columns(tx, scope, dataset_id, writing.version, ended)
    await datasets.add_columns(tx, scope, dataset_id, writing.version, begun)
    writing.columns = target.columns
    return bool(ended or begun)
