"""A file's rows beside a dataset's records, paired by their keys."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import DuplicateKeys
from backend.query.text import shown
from backend.repositories import staging
from backend.repositories.database import Tx
from backend.schemas.columns import Column
from backend.schemas.imports import Changes
from backend.schemas.problems import ErrorItem
from backend.services.jobs import Job
from backend.services.loads import Load
from backend.services.prefetch import prefetch
from backend.services.reimport_targets import Aim, check_read, touched

_CODE = "DUPLICATE_KEY"


async def stage_rows(tx: Tx, job: Job, aim: Aim, load: Load) -> staging.Stage:
    """The whole file read into a table of its own."""
    stage = await staging.create(tx, aim.scope, aim.head.store)
    await staging.load(tx, stage, prefetch(load.lines()))
    if load.redo:
        await staging.empty(tx, stage)
        await staging.load(tx, stage, prefetch(load.lines_again()))
    check_read(aim, load)
    job.progress.begin("comparing")
    return stage


async def pair(tx: Tx, stage: staging.Stage, aim: Aim, load: Load) -> Changes:
    """Rows and records paired by their keys. Raises DuplicateKeys, naming the rows, and the records where it is theirs.

    A join that leaves no side out has each row and each record once, unless a key is doubled. Where the file is much
    smaller than the dataset its keys are looked at first, and records without a row are left out.
    """
    live, sync = aim.head.dataset.rows, aim.request.mode == "sync"
    whole = sync or load.rows * 2 >= live
    if not whole:
        await _refuse_repeated(tx, stage, aim.keys)
    most = live + load.rows + 1
    await staging.match(tx, stage, aim.keys, touched(aim, load), lacking=whole, most=most)
    tally = await staging.count(tx, stage)
    if whole and tally.ids > live:
        await _refuse_repeated(tx, stage, aim.keys)
    if whole and tally.added > 1:
        await _refuse_repeated(tx, stage, aim.keys, new=True)
    if tally.rows > load.rows:
        await _refuse_ambiguous(tx, stage, aim)
    return Changes(tally.added, tally.changed, tally.lacking if sync else 0, tally.same)


async def check_declared(tx: Tx, stage: staging.Stage, aim: Aim, columns: Sequence[Column]) -> None:
    """Rows that all are new keep the dataset's declared key, one of the `columns` afterwards. Raises DuplicateKeys."""
    column = next((each for each in columns if each.key == aim.head.key), None)
    if column is None:
        return
    await _refuse_repeated(tx, stage, [column])
    if aim.request.mode == "replace":
        return
    if taken := await staging.taken(tx, stage, column):
        name, say = column.name, "record {} has this key"
        items = [
            ErrorItem(say.format(record), row=row, column=name, code=_CODE, record=record, value=value)
            for row, record, value in taken
        ]
        row, record, value = taken[0]
        text = f"The key of row {row}, {shown(value)} ({name}), is that of record {record}."
        raise DuplicateKeys(text, errors=items)


async def _refuse_repeated(tx: Tx, stage: staging.Stage, keys: Sequence[Column], *, new: bool = False) -> None:
    names = ", ".join(key.name for key in keys)
    if twice := await staging.repeated(tx, stage, keys, new=new):
        items = [_same_key(rows, row, value, names) for rows, value in twice for row in rows]
        rows, value = twice[0]
        text = f"Rows {_listed(rows)} of the file have the same key {shown(value)} ({names})."
        raise DuplicateKeys(text, errors=items)


async def _refuse_ambiguous(tx: Tx, stage: staging.Stage, aim: Aim) -> None:
    names = ", ".join(aim.request.key)
    if several := await staging.ambiguous(tx, stage):
        items = [
            ErrorItem(f"record {record} has this row's key too", row=row, column=names, code=_CODE, record=record)
            for row, ids in several
            for record in ids
        ]
        row, ids = several[0]
        raise DuplicateKeys(f"The key of row {row} ({names}) is that of the records {_listed(ids)}.", errors=items)


def _same_key(rows: Sequence[int], row: int, value: str, names: str) -> ErrorItem:
    others = _listed([each for each in rows if each != row])
    return ErrorItem(f"the same key as row {others}", row=row, column=names, code=_CODE, value=value)


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
