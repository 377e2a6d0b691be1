"""A file's rows beside a dataset's records, paired by their keys."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import DuplicateKeys
from backend.repositories import staging
from backend.repositories.database import Tx
from backend.schemas.problems import ErrorItem
from backend.services.jobs import Job
from backend.services.loads import Load
from backend.services.prefetch import prefetch
from backend.services.reimport_targets import Aim


async def stage_rows(tx: Tx, job: Job, aim: Aim, load: Load) -> staging.Stage:
    """The whole file read into a table of its own."""
    stage = await staging.create(tx, aim.scope, aim.head.dataset.id, job.id)
    await staging.load(tx, stage, prefetch(load.lines()))
    if load.redo:
        await staging.empty(tx, stage)
        await staging.load(tx, stage, prefetch(load.lines_again()))
    job.progress.begin("comparing")
    return stage


async def check_keys(tx: Tx, stage: staging.Stage, aim: Aim, touched: staging.Touched) -> None:
    """Pairs rows and records. Raises DuplicateKeys, naming the rows, and the records where it is theirs."""
    names = ", ".join(aim.request.key)
    if twice := await staging.repeated(tx, stage, aim.keys):
        items = [_same_key(rows, row, value, names) for rows, value in twice for row in rows]
        first, value = twice[0]
        listed = _listed(first)
        raise DuplicateKeys(f"Rows {listed} of the file have the same key {value!r} ({names}).", errors=items)
    await staging.match(tx, stage, aim.keys, touched, lacking=aim.request.mode == "sync")
    if several := await staging.ambiguous(tx, stage):
        items = [
            ErrorItem(f"record {record} has the key of this row, and others have it too", row=row, column=names,
                      code="DUPLICATE_KEY", record=record)
            for row, ids in several
            for record in ids
        ]  # fmt: skip
        row, ids = several[0]
        raise DuplicateKeys(f"The key of row {row} ({names}) is that of the records {_listed(ids)}.", errors=items)


def _same_key(rows: Sequence[int], row: int, value: str, names: str) -> ErrorItem:
    others = _listed([each for each in rows if each != row])
    return ErrorItem(f"the same key as row {others}", row=row, column=names, code="DUPLICATE_KEY", value=value)


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
