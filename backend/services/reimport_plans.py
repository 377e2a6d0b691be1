"""The plan of an import into a dataset that is there: what would be added, changed, removed, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Raw, structs

from backend.readers.base import ReadLimits, Source
from backend.repositories import staging
from backend.repositories.database import Tx
from backend.schemas.columns import Column
from backend.schemas.imports import Changes, Warnings
from backend.schemas.plans import Against, Cell, Plan
from backend.services.import_plans import plan_of
from backend.services.jobs import Job
from backend.services.loads import Load
from backend.services.quotas import Room
from backend.services.reimport_stage import check_declared, pair, stage_rows
from backend.services.reimport_targets import (
    BY_KEY,
    Aim,
    check_required,
    columns_after,
    report_columns,
    touched,
    with_columns,
)

SAMPLES = 5
"""Records of each kind that a plan shows."""
_NULL = Raw(b"null")


def as_before(plan: Plan, rows: int) -> Plan:
    """The plan of a file that made the newest version, in the same way: nothing is to be done."""
    if plan.against is None:
        return plan
    against = structs.replace(plan.against, added=0, changed=0, removed=0, unchanged=rows, samples={})
    return structs.replace(plan, against=against)


async def plan(tx: Tx, job: Job, aim: Aim, source: Source, limits: ReadLimits, room: Room) -> Plan:
    """Everything that the import does but publishing it; the caller rolls `tx` back. Raises QuotaExceeded."""
    started, bad = perf_counter(), Warnings()
    load = Load(source, job.request.options, limits, job.progress, bad_cells=bad, target=aim.target, room=room)
    stage = await stage_rows(tx, job, aim, load)
    columns = columns_after(aim, load, limits.max_columns)
    against = await _against(tx, stage, aim, load, columns)
    room.check(rows=room.freed + against.added - against.removed)
    report_columns(aim, load)
    return structs.replace(plan_of(job, load, bad, columns, started), against=against)


async def _against(tx: Tx, stage: staging.Stage, aim: Aim, load: Load, columns: tuple[Column, ...]) -> Against:
    changed, mode = touched(aim, load), aim.request.mode
    if mode in BY_KEY:
        changes = await pair(tx, stage, aim, load)
    else:
        await check_declared(tx, stage, aim, columns)
        await staging.pair_none(tx, stage, lacking=mode == "replace")
        changes = Changes(added=load.rows, removed=aim.head.dataset.rows if mode == "replace" else 0)
    changes = with_columns(aim, load, changes)
    if changes.added:
        check_required(aim, load.names)
    return Against(
        version=aim.head.dataset.version,
        samples={
            kind: [_sample(each) for each in await staging.list_pairs(tx, stage, columns, changed, kind, most=SAMPLES)]
            for kind in ("added", "changed", "removed")
            if kind != "removed" or mode in {"sync", "replace"}
        },
        **structs.asdict(changes),
    )


def _sample(pair: staging.Pair) -> dict[str, Any]:
    """An added row with its data, a changed record with the cells that differ, a removed record with its data."""
    if pair.before is None:
        return {"row": pair.row, "data": pair.after}
    if pair.after is None:
        return {"id": pair.id, "data": pair.before}
    before, after = (msgspec.json.decode(each, type=dict[str, Raw]) for each in (pair.before, pair.after))
    return {"id": pair.id, "row": pair.row, "cells": _cells(before, after)}


def _cells(before: Mapping[str, Raw], after: Mapping[str, Raw]) -> dict[str, Cell]:
    return {
        name: Cell(before.get(name, _NULL), value)
        for name, value in after.items()
        if bytes(value) != bytes(before.get(name, _NULL))
    }
