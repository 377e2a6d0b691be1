"""Records sent as lines of JSON, of any length: received whole, then written as one version or not at all."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from msgspec import Struct

from backend.readers.base import ReadLimits
from backend.repositories import lookup, records
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.records import Appended, Written
from backend.schemas.versions import Change
from backend.services.dataset_leases import refuse_busy
from backend.services.line_loads import LineLoad, Survey
from backend.services.preconditions import require_match
from backend.services.prefetch import prefetch
from backend.services.quotas import room
from backend.services.record_lines import items
from backend.services.record_writes import RecordWriteService
from backend.services.schema_growth import grow
from backend.services.uploads import Upload, UploadFolder
from backend.services.writing import Writers, etag_after, publish


class Short(Struct, frozen=True):
    """Up to so many records, and bytes of them, a stream is written as an array is."""

    records: int = 10_000
    bytes: int = 8 << 20


USUAL = Short()


class RecordStreams:
    """`folder` keeps what arrives."""

    def __init__(
        self,
        database: Database,
        writers: Writers,
        writes: RecordWriteService,
        folder: UploadFolder,
        limits: ReadLimits,
        *,
        short: Short = USUAL,
    ) -> None:
        self.folder = folder
        self._database = database
        self._writers = writers
        self._writes = writes
        self._limits = limits
        self._short = short

    async def check(self, caller: Caller, ref: str, workspace: str | None, *, if_match: str | None) -> None:
        """Before a body is read: raises DatasetNotFound, DatasetBusy, PreconditionFailed, QuotaExceeded."""
        async with self._database.read() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            place = await room(tx, scope, self._writers.quotas)
        refuse_busy(head)
        require_match(if_match, head)
        place.check(rows=1, size=1)

    async def append(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        upload: Upload,
        *,
        if_match: str | None,
        answer: bool = True,
        dry_run: bool,
    ) -> tuple[Written | Appended, str]:
        """What came of the lines in `upload`, and the dataset's ETag; `answer`: few records are wanted themselves.

        Raises BadRequest, LimitExceeded, QuotaExceeded, and InvalidRecord naming each bad value.
        """
        if upload.size <= self._short.bytes:
            few = await asyncio.to_thread(items, upload.file, self._limits, self._short.records)
            if few is not None:
                return await self._writes.create(
                    caller, ref, workspace, few, if_match=if_match, answer=answer, dry_run=dry_run
                )
        return await self._copy(caller, ref, workspace, upload, if_match=if_match, dry_run=dry_run)

    async def _copy(
        self, caller: Caller, ref: str, workspace: str | None, upload: Upload, *, if_match: str | None, dry_run: bool
    ) -> tuple[Appended, str]:
        file, limits = upload.file, self._limits
        async with self._writers.write_long(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head)
            place = await room(tx, writing.scope, writing.quotas)
            place.check(rows=1, size=upload.size)
            if writing.head.open_schema:
                example = await asyncio.to_thread(Survey(file, limits).example)
                await grow(tx, writing, [example], max_columns=limits.max_columns)
            first, dataset, version = writing.head.next_id, writing.head.dataset, writing.version
            load = LineLoad(
                file, limits, writing.columns, first_id=first, version=version, rows=dataset.rows, room=place
            )
            async with aclosing(prefetch(load.lines())) as lines:
                await records.append(tx, writing.scope, writing.store, lines)
            if not load.count:
                return Appended(0, 0, dataset.version, None, None, dry_run), writing.head.etag
            if load.count > dataset.rows // 10:
                await records.analyze(tx, writing.scope, writing.store)
            change = Change("create", added=load.count)
            token = await publish(tx, writing, change, next_id=first + load.count)
        etag = writing.head.etag if dry_run else etag_after(writing, token)
        return Appended(load.count, load.count, version, first, first + load.count - 1, dry_run), etag
