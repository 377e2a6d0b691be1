"""The plan of an import: the whole file read and typed, nothing stored."""

from __future__ import annotations

from time import perf_counter

from backend.readers.base import ReadLimits, Source
from backend.schemas.datasets import ColumnInfo
from backend.schemas.imports import ImportOptions, Warnings
from backend.schemas.plans import Plan
from backend.services.jobs import Job
from backend.services.loads import Load, report
from backend.services.quotas import Room


def look(job: Job, source: Source, limits: ReadLimits, room: Room, options: ImportOptions | None = None) -> Plan:
    """What a new dataset would be made of, under the job's options or others. Blocking; for a worker thread."""
    started, options, bad = perf_counter(), options or job.request.options, Warnings()
    load = Load(source, options, limits, job.progress, bad_cells=bad, room=room)
    load.look()
    evidence = load.inference.evidence()
    columns = [
        ColumnInfo(column.name, column.type, column.nullable, None, column.format, told)
        for column, told in zip(load.columns, evidence, strict=True)
    ]
    names = load.names
    return Plan(
        report=report(job.id, job.upload, load, perf_counter() - started),
        sheets=source.sheets,
        columns=tuple(columns),
        rows=[dict(zip(names, row, strict=False)) for row in load.first],
        bad_cells=tuple(bad.items),
        bad_cells_total=bad.total,
        refused=options.on_error == "reject" and bad.total > 0,
    )
