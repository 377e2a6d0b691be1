"""The plan of an import: the whole file read and typed, nothing stored."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from backend.readers.base import ReadLimits, Source
from backend.schemas.columns import Column
from backend.schemas.datasets import ColumnInfo
from backend.schemas.imports import ImportOptions, Warnings
from backend.schemas.plans import Plan
from backend.services.jobs import Job
from backend.services.loads import Load, report
from backend.services.quotas import Room


def look(job: Job, source: Source, limits: ReadLimits, room: Room, options: ImportOptions | None = None) -> Plan:
    """What a new dataset would be made of, under the job's options or others. Blocking; for a worker thread."""
    started, bad = perf_counter(), Warnings()
    load = Load(source, options or job.request.options, limits, job.progress, bad_cells=bad, room=room)
    load.look()
    return plan_of(job, load, bad, load.columns, started)


def plan_of(job: Job, load: Load, bad: Warnings, columns: Sequence[Column], started: float) -> Plan:
    """What was found in a file that is read: its `bad` cells, and the dataset's columns afterwards."""
    evidence = load.evidence
    return Plan(
        report=report(job.id, job.upload, load, perf_counter() - started),
        sheets=load.source.sheets,
        columns=tuple(
            ColumnInfo(each.name, each.type, each.nullable, each.description, each.format, evidence.get(each.key))
            for each in columns
        ),
        rows=[dict(zip(load.names, row, strict=False)) for row in load.first],
        bad_cells=tuple(bad.items),
        bad_cells_total=bad.total,
        refused=job.request.options.on_error == "reject" and bad.total > 0,
    )
