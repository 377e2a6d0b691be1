"""New datasets made of files: loaded into tables of their own, then published."""

from __future__ import annotations

from time import perf_counter
from uuid import UUID

import msgspec

from backend.errors import DatasetNameTaken
from backend.repositories import datasets, records, workspaces
from backend.repositories.database import Tx
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Head, ImportAnswer, Store
from backend.schemas.versions import Change
from backend.services.first_version import NewDataset, publish
from backend.services.identifiers import dataset_slug, first_free, name_from_file, uuid7
from backend.services.jobs import Imported, Job
from backend.services.loads import Load, report
from backend.services.prefetch import prefetch
from backend.services.progress import Progress
from backend.services.rejects import store_rejects


async def store(tx: Tx, job: Job, scope: WorkspaceScope, load: Load, wanted: str | None, started: float) -> Imported:
    """One new dataset, called `wanted` or after the file."""
    dataset_id = await load_table(tx, job.progress, scope, load)
    job.progress.begin("publishing")
    await workspaces.lock(tx, scope)
    name = wanted or name_from_file(job.upload.filename)
    head = await publish_table(tx, job, scope, dataset_id, load, name, exactly=wanted is not None)
    answer = ImportAnswer(head.dataset, report(job.id, job.upload, load, perf_counter() - started))
    await store_rejects(tx, scope, job.id, job.rejects)
    await job.settle(tx, answer)
    return Imported(answer, head)


async def load_table(tx: Tx, progress: Progress, scope: WorkspaceScope, load: Load) -> Store:
    """A filled table of records that nobody can see yet; what it is called by is the id of the dataset to be."""
    store = Store(uuid7())
    await records.create_table(tx, scope, store)
    await records.load(tx, scope, store, prefetch(load.lines()))
    if load.redo:
        await records.empty(tx, scope, store)
        await records.load(tx, scope, store, prefetch(load.lines_again()))
    progress.begin("indexing")
    await records.add_indexes(tx, scope, store)
    await records.analyze(tx, scope, store)
    return store


async def publish_table(
    tx: Tx, job: Job, scope: WorkspaceScope, dataset_id: UUID, load: Load, name: str, *, exactly: bool
) -> Head:
    """Makes the dataset of a loaded table visible, under this name or one like it. The workspace is locked.

    Raises DatasetNameTaken where it has to be `exactly` this name, QuotaExceeded.
    """
    name, slug = await _free_names(tx, scope, name, exactly=exactly)
    source = {"filename": job.upload.filename, "format": load.source.format, "sha256": job.upload.sha256}
    new = NewDataset(
        id=dataset_id,
        name=name,
        slug=slug,
        columns=load.columns,
        evidence=[msgspec.json.encode(each) for each in load.evidence.values()],
        change=Change("import", added=load.rows, source=source),
    )
    return await publish(tx, job.caller, scope, new, load.room.quotas)


async def _free_names(tx: Tx, scope: WorkspaceScope, name: str, *, exactly: bool) -> tuple[str, str]:
    names, slugs = await datasets.taken(tx, scope, name=name, slug=dataset_slug(name))
    if exactly and name.lower() in names:
        raise DatasetNameTaken
    free_name = first_free(name, lambda each: each.lower() not in names)
    return free_name, dataset_slug(free_name, slugs)
