"""A file becomes a dataset: read, infer, COPY, publish, in one transaction."""

from __future__ import annotations

import asyncio
from time import perf_counter
from uuid import UUID

import msgspec

from backend.errors import DatasetNameTaken
from backend.readers import open_source
from backend.readers.base import ReadLimits, Source
from backend.repositories import datasets, lookup, records, workspaces
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import Head, ImportAnswer
from backend.schemas.versions import Change
from backend.services.first_version import NewDataset, publish
from backend.services.identifiers import check_name, first_free, name_from_file, slugify, uuid7
from backend.services.jobs import Imported, Job
from backend.services.loads import Load, report
from backend.services.plans import look
from backend.services.prefetch import prefetch
from backend.services.uploads import Upload


class ImportService:
    def __init__(self, database: Database, limits: ReadLimits, *, concurrency: int) -> None:
        self._database = database
        self._limits = limits
        self._places = asyncio.Semaphore(concurrency)

    async def check_free(self, caller: Caller, name: str, workspace: str | None) -> None:
        """Before a body is read: raises WorkspaceNotFound, InvalidName, DatasetNameTaken."""
        scope = lookup.workspace(caller, workspace)
        wanted = check_name(name)
        async with self._database.read() as tx:
            names, _ = await datasets.taken(tx, scope, name=wanted, slug=slugify(wanted) or "dataset")
        if wanted.lower() in names:
            raise DatasetNameTaken

    async def run(self, job: Job) -> Imported:
        """A new dataset at version 1, or nothing at all; with `dry_run` only what would come of it."""
        scope = lookup.workspace(job.caller, job.request.workspace)
        wanted = check_name(job.request.name) if job.request.name is not None else None
        started = perf_counter()
        async with self._places:
            source = await asyncio.to_thread(self._open, job)
            try:
                if job.request.dry_run:
                    return Imported(await asyncio.to_thread(look, job, source, self._limits))
                await self._ensure_schema(scope)
                load = Load(source, job.request.options, self._limits, job.progress)
                return await self._store(job, scope, load, wanted, started)
            finally:
                await asyncio.to_thread(source.close)

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

    async def _ensure_schema(self, scope: WorkspaceScope) -> None:
        if not scope.has_schema:
            async with self._database.transaction() as tx:
                await workspaces.ensure_schema(tx, scope)

    async def _store(self, job: Job, scope: WorkspaceScope, load: Load, wanted: str | None, started: float) -> Imported:
        dataset_id, progress = uuid7(), job.progress
        scope = msgspec.structs.replace(scope, has_schema=True)
        async with self._database.transaction() as tx:
            await records.create_table(tx, scope, dataset_id)
            await records.load(tx, scope, dataset_id, prefetch(load.lines()))
            if load.redo:
                await records.empty(tx, scope, dataset_id)
                await records.load(tx, scope, dataset_id, prefetch(load.lines_again()))
            progress.begin("indexing")
            await records.add_primary_key(tx, scope, dataset_id)
            await records.analyze(tx, scope, dataset_id)
            progress.begin("publishing")
            await workspaces.lock(tx, scope)
            head = await _publish(tx, job.caller, scope, dataset_id, job.upload, load, wanted)
            answer = ImportAnswer(head.dataset, report(job.id, job.upload, load, perf_counter() - started))
            await job.settle(tx, answer)
        progress.begin("done")
        return Imported(answer, head)


async def _publish(
    tx: Tx, caller: Caller, scope: WorkspaceScope, dataset_id: UUID, upload: Upload, load: Load, wanted: str | None
) -> Head:
    name, slug = await _free_names(tx, scope, wanted, upload.filename)
    source = {"filename": upload.filename, "format": load.source.format, "sha256": upload.sha256}
    new = NewDataset(
        id=dataset_id,
        name=name,
        slug=slug,
        columns=load.columns,
        evidence=[msgspec.json.encode(each) for each in load.inference.evidence()],
        change=Change("import", added=load.rows, source=source),
    )
    return await publish(tx, caller, scope, new)


async def _free_names(tx: Tx, scope: WorkspaceScope, wanted: str | None, filename: str | None) -> tuple[str, str]:
    """A name and a slug. Raises DatasetNameTaken when the caller asked for a name that is in use."""
    name = wanted or name_from_file(filename)
    slug = slugify(name) or "dataset"
    names, slugs = await datasets.taken(tx, scope, name=name, slug=slug)
    if wanted is not None and wanted.lower() in names:
        raise DatasetNameTaken
    free_name = first_free(name, lambda each: each.lower() not in names)
    return free_name, first_free(slugify(free_name) or "dataset", lambda each: each not in slugs, joiner="-")
