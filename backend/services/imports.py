"""A file becomes a dataset: read, infer, COPY, publish, in one transaction."""

from __future__ import annotations

import asyncio
from time import perf_counter

import msgspec

from backend.errors import DatasetNameTaken
from backend.readers import SheetSources, open_sheets, open_source
from backend.readers.base import ReadLimits, Source
from backend.repositories import datasets, lookup, workspaces
from backend.repositories.database import Database
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.limits import Quotas
from backend.services.first_imports import store
from backend.services.identifiers import check_name, dataset_slug
from backend.services.import_plans import look
from backend.services.jobs import Imported, Job
from backend.services.loads import Load
from backend.services.quotas import NO_QUOTAS, Room, room
from backend.services.reimports import Reimports
from backend.services.sheet_imports import look_at_sheets, store_sheets


class ImportService:
    def __init__(self, database: Database, limits: ReadLimits, *, concurrency: int, quotas: Quotas = NO_QUOTAS) -> None:
        """`limits`: of a file; `quotas`: of a workspace; `concurrency`: so many imports run at a time."""
        self._quotas = quotas
        self._database = database
        self._limits = limits
        self._places = asyncio.Semaphore(concurrency)
        self.reimports = Reimports(database, limits, quotas, self._open)

    @property
    def has_room(self) -> bool:
        """Whether an import would begin at once."""
        return not self._places.locked()

    async def check_free(self, caller: Caller, name: str, workspace: str | None) -> None:
        """Before a body is read: raises WorkspaceNotFound, InvalidName, DatasetNameTaken, QuotaExceeded."""
        scope = lookup.workspace(caller, workspace)
        wanted = check_name(name)
        async with self._database.read() as tx:
            names, _ = await datasets.taken(tx, scope, name=wanted, slug=dataset_slug(wanted))
            place = await room(tx, scope, self._quotas)
        if wanted.lower() in names:
            raise DatasetNameTaken
        place.check(datasets=1, size=1)

    async def run(self, job: Job) -> Imported:
        """New datasets at version 1, a new version of one that is there, or nothing at all.

        With `dry_run` only what would come of it.
        """
        async with self._places:
            with job.rejects:
                imported = await (self._run_new(job) if job.request.dataset is None else self.reimports.run(job))
        job.progress.begin("done")
        return imported

    async def _run_new(self, job: Job) -> Imported:
        scope = lookup.workspace(job.caller, job.request.workspace)
        wanted = check_name(job.request.name) if job.request.name is not None else None
        async with self._database.read() as tx:
            place = await room(tx, scope, self._quotas if job.bounded else NO_QUOTAS)
        place.check(datasets=1, size=job.upload.size)
        run = self._run_sheets if job.request.options.sheet == "*" else self._run_one
        return await run(job, scope, wanted, place)

    async def _run_one(self, job: Job, scope: WorkspaceScope, wanted: str | None, place: Room) -> Imported:
        started, request = perf_counter(), job.request
        source = await asyncio.to_thread(self._open, job)
        try:
            if request.dry_run:
                return Imported(await asyncio.to_thread(look, job, source, self._limits, place))
            scope = await self._with_schema(scope)
            load = Load(source, request.options, self._limits, job.progress, rejects=job.rejects, room=place)
            async with self._database.publishing() as tx:
                return await store(tx, job, scope, load, wanted, started)
        finally:
            await asyncio.to_thread(source.close)

    async def _run_sheets(self, job: Job, scope: WorkspaceScope, wanted: str | None, place: Room) -> Imported:
        request = job.request
        sheets = await asyncio.to_thread(self._open_sheets, job)
        try:
            if request.dry_run:
                return Imported(await asyncio.to_thread(look_at_sheets, job, sheets, self._limits, place))
            scope = await self._with_schema(scope)
            async with self._database.publishing() as tx:
                return await store_sheets(tx, job, scope, sheets, self._limits, wanted, place)
        finally:
            await asyncio.to_thread(sheets.close)

    def _open(self, job: Job) -> Source:
        upload = job.upload
        return open_source(
            upload.file,
            filename=upload.filename,
            media_type=upload.media_type,
            options=job.request.options,
            limits=self._limits,
            told=upload.format,
            charset=upload.charset,
        )

    def _open_sheets(self, job: Job) -> SheetSources:
        upload = job.upload
        return open_sheets(
            upload.file,
            filename=upload.filename,
            media_type=upload.media_type,
            options=job.request.options,
            limits=self._limits,
            told=upload.format,
        )

    async def _with_schema(self, scope: WorkspaceScope) -> WorkspaceScope:
        """The workspace, whose schema is made if this is its first dataset."""
        if not scope.has_schema:
            async with self._database.transaction() as tx:
                await workspaces.ensure_schema(tx, scope)
        return msgspec.structs.replace(scope, has_schema=True)
