"""Another file into a dataset: one new version of it, or nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec

from backend.errors import DatasetNotFound
from backend.readers.base import ReadLimits, Source
from backend.repositories import datasets, lookup, records, staging, versions
from backend.repositories.database import Database, Tx, translating
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, ImportAnswer
from backend.schemas.imports import Changes, ImportReport, ReadWarning
from backend.schemas.limits import Quotas
from backend.schemas.versions import Change
from backend.services.dataset_leases import Lease, refuse_busy
from backend.services.jobs import Imported, Job
from backend.services.loads import Load, report
from backend.services.preconditions import require_match
from backend.services.prefetch import prefetch
from backend.services.quotas import Room, check_rows, room
from backend.services.reimport_plans import as_before, plan
from backend.services.reimport_stage import pair, stage_rows
from backend.services.reimport_targets import (
    BY_KEY,
    Aim,
    aim,
    check_begun,
    check_read,
    check_request,
    check_required,
    columns_after,
    report_columns,
    source_of,
    touched,
    with_columns,
)
from backend.services.rejects import store_rejects
from backend.services.turns import turn
from backend.services.writing import Writing, publish

OpenSource = Callable[[Job], Source]


class Reimports:
    """`limits`: of what a file may ask, and of the dataset afterwards; `quotas`: of its workspace."""

    def __init__(self, database: Database, limits: ReadLimits, quotas: Quotas, open_source: OpenSource) -> None:
        self._quotas = quotas
        self._database = database
        self._limits = limits
        self._open = open_source

    async def check(self, caller: Caller, ref: str, workspace: str | None, *, waits: bool) -> None:
        """Before a body is read: raises DatasetNotFound and, unless this one `waits` for its turn, DatasetBusy."""
        async with self._database.read() as tx:
            _, head = await lookup.head(tx, caller, ref, workspace)
        if not waits:
            refuse_busy(head)

    async def run(self, job: Job) -> Imported:
        """The dataset with the file in it; with `dry_run` only what would come of it.

        Raises DatasetNotFound, DatasetBusy, PreconditionFailed, BadRequest, UnknownColumn, BadCells, DuplicateKeys,
        QuotaExceeded.
        """
        check_request(job.request)
        if job.request.dry_run:
            return await self._plan(job)
        ref, workspace = job.request.dataset or "", job.request.workspace
        async with turn(self._database, job.caller, ref, workspace), self._database.transaction() as tx:
            scope, head = await _find(tx, job, lock=True)
            if (known := await _made_before(tx, job, scope, head)) is not None:
                await job.settle(tx, known)
                return Imported(known)
            refuse_busy(head, job.id)
            lease = Lease(self._database, scope, head.dataset.id, job.id)
            await lease.take(tx)
        async with lease.held():
            return await self._load(job, lease, scope, head)

    async def _load(self, job: Job, lease: Lease, scope: WorkspaceScope, head: Head) -> Imported:
        started = perf_counter()
        source = await asyncio.to_thread(self._open, job)
        try:
            async with self._database.publishing() as tx:
                by_key = job.request.mode in BY_KEY
                aimed = await aim(tx, job, scope, head, staged=by_key)
                check_begun(aimed, source.names)
                place, options, target = await self._room(tx, aimed, job.upload.size), job.request.options, aimed.target
                load = Load(source, options, self._limits, job.progress, target=target, rejects=job.rejects, room=place)
                with translating(head.dataset.key):
                    changes = await (_merge if by_key else _add)(tx, job, aimed, load)
                changes = with_columns(aimed, load, changes)
                report_columns(aimed, load)
                columns = self._columns(aimed, load, changes)
                job.progress.begin("publishing")
                return await _publish(tx, job, lease, aimed, load, changes, columns, started)
        finally:
            await asyncio.to_thread(source.close)

    async def _plan(self, job: Job) -> Imported:
        source = await asyncio.to_thread(self._open, job)
        try:
            async with self._database.rolled_back() as tx:
                scope, head = await _find(tx, job, lock=False)
                aimed = await aim(tx, job, scope, head, staged=True)
                check_begun(aimed, source.names)
                found = await plan(tx, job, aimed, source, self._limits, await self._room(tx, aimed, job.upload.size))
                if await _made_before(tx, job, scope, head) is not None:
                    found = as_before(found, head.dataset.rows)
                return Imported(found)
        finally:
            await asyncio.to_thread(source.close)

    async def _room(self, tx: Tx, aimed: Aim, size: int) -> Room:
        """For a file of `size` bytes, whose rows are the dataset's but for an append. Raises QuotaExceeded."""
        mode = aimed.request.mode
        found = await room(tx, aimed.scope, self._quotas, freed=0 if mode == "append" else aimed.head.dataset.rows)
        found.check(size=size)
        return found

    def _columns(self, aimed: Aim, load: Load, changes: Changes) -> tuple[Column, ...]:
        """The columns afterwards. Raises LimitExceeded, also for too many records."""
        check_rows(aimed.head.dataset.rows + changes.added - changes.removed, self._limits.max_rows)
        return columns_after(aimed, load, self._limits.max_columns)


async def _find(tx: Tx, job: Job, *, lock: bool) -> tuple[WorkspaceScope, Head]:
    request = job.request
    if request.dataset is None:
        raise DatasetNotFound
    scope, head = await lookup.head(tx, job.caller, request.dataset, request.workspace, lock=lock)
    require_match(request.if_match, head)
    return scope, head


async def _made_before(tx: Tx, job: Job, scope: WorkspaceScope, head: Head) -> ImportAnswer | None:
    """The answer for a file that made the newest version, in the same way."""
    version = await versions.find(tx, scope, head.dataset.id, head.dataset.version)
    told = msgspec.json.decode(version.source, type=dict[str, Any]) if version and version.source else {}
    if any(told.get(name) != value for name, value in source_of(job).items() if name != "filename"):
        return None
    text = f"Version {head.dataset.version} is what this file made of the dataset; there is nothing to do."
    nothing = ImportReport(
        id=job.id,
        format=str(told.get("format")),
        encoding=None,
        delimiter=None,
        quote=None,
        sheet=None,
        header_row=None,
        rows=0,
        columns=0,
        rejected=0,
        bytes=job.upload.size,
        sha256=job.upload.sha256,
        seconds=0.0,
        warnings=(ReadWarning(text),),
        warnings_total=1,
    )
    return ImportAnswer(head.dataset, nothing, Changes(unchanged=head.dataset.rows))


async def _add(tx: Tx, job: Job, aimed: Aim, load: Load) -> Changes:
    """Append and replace: the rows go straight to where they stay.

    What is replaced goes last, in one sweep; with a key column first, since old and new rows may have the same keys.
    """
    scope, dataset, store = aimed.scope, aimed.head.dataset, aimed.head.store
    replaces, keyed = job.request.mode == "replace", aimed.head.key is not None
    if replaces and keyed:
        await records.close_before(tx, scope, store, aimed.version)
    await tx.execute(records.MARK)
    await records.append(tx, scope, store, prefetch(load.lines()))
    if load.redo:
        await tx.execute(records.BACK_TO_MARK)
        await records.append(tx, scope, store, prefetch(load.lines_again()))
    check_read(aimed, load)
    if not replaces:
        return Changes(added=load.rows)
    if not keyed:
        job.progress.begin("comparing")
        await records.close_before(tx, scope, store, aimed.version)
    return Changes(added=load.rows, removed=dataset.rows)


async def _merge(tx: Tx, job: Job, aimed: Aim, load: Load) -> Changes:
    """Upsert and sync: the rows lie beside the records until they are compared."""
    stage = await stage_rows(tx, job, aimed, load)
    changes = await pair(tx, stage, aimed, load)
    if changes.added:
        check_required(aimed, load.names)
    if changes.added or changes.changed or changes.removed:
        lacking, keyed = job.request.mode == "sync", aimed.head.key is not None
        first = aimed.head.next_id
        await staging.apply(tx, stage, aimed.version, first, touched(aimed, load), lacking=lacking, keyed=keyed)
    return changes


async def _publish(
    tx: Tx,
    job: Job,
    lease: Lease,
    aimed: Aim,
    load: Load,
    changes: Changes,
    columns: tuple[Column, ...],
    started: float,
) -> Imported:
    rows = (changes.added, changes.changed, changes.removed)
    unchanged = not any(rows) and columns == aimed.snapshot.columns
    if sum(rows) > aimed.head.dataset.rows // 10:
        await records.analyze(tx, aimed.scope, aimed.head.store)
    head = await lease.lock(tx, aimed.head.dataset.version)
    if not unchanged:
        await _change_columns(tx, aimed, load, columns)
        writing = Writing(job.caller, aimed.scope, head, aimed.snapshot, columns, load.room.quotas)
        source = {**aimed.source, "format": load.source.format}
        next_id = head.next_id + changes.added
        await publish(tx, writing, Change(job.request.mode, *rows, source=source), next_id=next_id)
    await lease.release(tx)
    head = await datasets.find(tx, aimed.scope, head.dataset.id) or head
    answer = ImportAnswer(head.dataset, report(job.id, job.upload, load, perf_counter() - started), changes)
    await store_rejects(tx, aimed.scope, job.id, job.rejects)
    await job.settle(tx, answer)
    return Imported(answer, None if unchanged else head)


async def _change_columns(tx: Tx, aimed: Aim, load: Load, columns: tuple[Column, ...]) -> None:
    """New columns begin with this version, and those that have a type at last."""
    evidence = load.evidence
    before = {column.key: column for column in aimed.snapshot.columns}
    begun = [
        (place, column, msgspec.json.encode(evidence[column.key]))
        for place, column in enumerate(columns, 1)
        if before.get(column.key) != column
    ]
    dataset_id = aimed.head.dataset.id
    await datasets.end_columns(tx, aimed.scope, dataset_id, aimed.version, [column.key for _, column, _ in begun])
    await datasets.add_columns(tx, aimed.scope, dataset_id, aimed.version, begun)
