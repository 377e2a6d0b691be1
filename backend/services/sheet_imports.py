"""A workbook as datasets, one for each sheet: all of them or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from time import perf_counter
from uuid import UUID

from msgspec import structs

from backend.readers import SheetSources
from backend.readers.base import ReadLimits, Source
from backend.repositories import workspaces
from backend.repositories.database import Tx
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import ImportAnswer, SheetsAnswer
from backend.schemas.imports import ImportOptions
from backend.schemas.plans import Plan, SheetPlans
from backend.services.first_imports import load_table, publish_table
from backend.services.identifiers import name_from_file
from backend.services.import_plans import look
from backend.services.jobs import Imported, Job
from backend.services.loads import Load, report
from backend.services.quotas import Room
from backend.services.rejects import store_rejects


async def store_sheets(
    tx: Tx, job: Job, scope: WorkspaceScope, sheets: SheetSources, limits: ReadLimits, wanted: str | None, room: Room
) -> Imported:
    """A dataset for each sheet, called after file (or `wanted`) and sheet, in the order of the sheets.

    Raises DatasetNameTaken, QuotaExceeded.
    """
    started = perf_counter()
    loaded: list[tuple[UUID, Load, float]] = []
    async for source in _in_turn(sheets):
        room.check(datasets=1)
        load = Load(source, _own(job.request.options, source), limits, job.progress, rejects=job.rejects, room=room)
        loaded.append((await load_table(tx, job.progress, scope, load), load, perf_counter() - started))
        room = room.after(load.rows)
    job.progress.begin("publishing")
    await workspaces.lock(tx, scope)
    base = wanted or name_from_file(job.upload.filename)
    answers = []
    for dataset_id, load, seconds in loaded:
        name = f"{base} {load.source.sheet}"
        head = await publish_table(tx, job, scope, dataset_id, load, name, exactly=wanted is not None)
        answers.append(ImportAnswer(head.dataset, report(job.id, job.upload, load, seconds)))
    answer = SheetsAnswer(tuple(answers), tuple(sheets.warnings.items))
    await store_rejects(tx, scope, job.id, job.rejects)
    await job.settle(tx, answer)
    return Imported(answer)


def look_at_sheets(job: Job, sheets: SheetSources, limits: ReadLimits, room: Room) -> SheetPlans:
    """The plan of each sheet. Blocking; for a worker thread. Raises QuotaExceeded."""
    plans = list[Plan]()
    for source in sheets:
        room.check(datasets=1)
        plans.append(look(job, source, limits, room, _own(job.request.options, source)))
        room = room.after(plans[-1].report.rows)
    return SheetPlans(tuple(plans), tuple(sheets.warnings.items))


def _own(options: ImportOptions, source: Source) -> ImportOptions:
    """The options without the types of columns that other sheets have."""
    return structs.replace(options, types={name: kind for name, kind in options.types.items() if name in source.names})


async def _in_turn(sheets: SheetSources) -> AsyncIterator[Source]:
    """The sources, opened and closed in a worker thread."""
    sources: Iterator[Source] = iter(sheets)
    while (source := await asyncio.to_thread(next, sources, None)) is not None:
        yield source
