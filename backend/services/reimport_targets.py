"""What a file is brought into: a dataset as it is, and what its columns mean for the file's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from backend.errors import BadCells, BadRequest, Invalid, UnknownColumn
from backend.query.text import nearest, shown
from backend.repositories import datasets, lookup, records
from backend.repositories.database import Tx
from backend.repositories.staging import Touched
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Snapshot
from backend.schemas.imports import Changes, Evidence, ImportRequest
from backend.schemas.problems import ErrorItem
from backend.services.columns import check_columns
from backend.services.jobs import Job
from backend.services.loads import Load, Target

BY_KEY = ("upsert", "sync")
"""Modes that find a row's record by its key."""


class Aim(Struct, frozen=True):
    """A dataset that a file goes into. `keys`: the columns by which a row's record is found.

    `source`: what the version says about the file; a version of just this source is not made twice.
    """

    request: ImportRequest
    scope: WorkspaceScope
    head: Head
    snapshot: Snapshot
    keys: tuple[Column, ...]
    target: Target
    source: dict[str, Any]

    @property
    def version(self) -> int:
        return self.head.dataset.version + 1


def check_request(request: ImportRequest) -> None:
    """Raises BadRequest for a mode without what it needs."""
    if request.mode in BY_KEY and not request.key:
        raise BadRequest(f"mode={request.mode} needs key=, the columns by which a row finds its record.")
    if request.mode not in BY_KEY and request.key:
        raise BadRequest(f"key= is for the modes upsert and sync, not for {request.mode}.")
    if len(set(request.key)) < len(request.key):
        raise BadRequest("key= names a column twice.")
    if request.mode == "sync" and request.options.on_error == "skip":
        raise BadRequest("mode=sync removes what the file lacks, so no row can be left out of it: mend the bad cells.")
    if request.options.sheet == "*":
        raise BadRequest('One sheet goes into a dataset: name it, "*" is for new datasets.')


async def aim(tx: Tx, job: Job, scope: WorkspaceScope, head: Head, *, staged: bool) -> Aim:
    """Raises UnknownColumn for a key that the dataset does not have, Invalid for a type told for one of its columns.

    `staged`: the rows are numbered by their place in the file.
    """
    request = job.request
    snapshot = await lookup.snapshot(tx, scope, head)
    by_name = {column.name: column for column in snapshot.columns}
    for name in request.key:
        if name not in by_name:
            raise UnknownColumn(f"The dataset has no column {shown(name)}; {nearest(name, by_name)}.")
    for name, kind in request.options.types.items():
        if name in by_name and by_name[name].type != kind:
            text = f"types: {shown(name)} is of type {by_name[name].type} in the dataset; change it by PATCH …/schema."
            raise Invalid(text, errors=[ErrorItem(text, f"/types/{name}", column=name)])
    target = Target(
        by_name,
        await _untyped(tx, scope, head, by_name, request.key),
        frozenset(await datasets.list_keys(tx, scope, head.dataset.id)),
        request.key,
        None if staged else head.next_id,
        head.dataset.version + 1,
    )
    return Aim(request, scope, head, snapshot, tuple(by_name[name] for name in request.key), target, source_of(job))


def source_of(job: Job) -> dict[str, Any]:
    """What tells this import from others, for the version that it makes."""
    told = msgspec.json.encode(job.request.options, order="deterministic")
    return {
        "filename": job.upload.filename,
        "sha256": job.upload.sha256,
        "mode": job.request.mode,
        "key": list(job.request.key),
        "options": sha256(told).hexdigest()[:32],
    }


async def _untyped(
    tx: Tx, scope: WorkspaceScope, head: Head, by_name: Mapping[str, Column], keys: Collection[str]
) -> frozenset[str]:
    """Columns that are text for want of any value: no file or record ever had one, and nobody declared them so."""
    told = await datasets.list_evidence(tx, scope, head.dataset.id, head.dataset.version)
    maybe = {
        column.key: name
        for name, column in by_name.items()
        if column.type == "text" and name not in keys and (head.open_schema or _is_of_nothing(told.get(column.key)))
    }
    filled = await records.filled(tx, scope, head.store, list(maybe)) if maybe else set()
    return frozenset(name for key, name in maybe.items() if key not in filled)


def _is_of_nothing(evidence: bytes | None) -> bool:
    return evidence is not None and not msgspec.json.decode(evidence, type=Evidence).counts


def check_begun(aim: Aim, names: Sequence[str]) -> None:
    """Before the file is read, where its columns are known by then; raises what `check_read` raises."""
    if names:
        _check_keys(aim, names)
        if aim.request.mode not in BY_KEY:
            check_required(aim, names)


def check_read(aim: Aim, load: Load) -> None:
    """Raises Invalid when the file lacks a key column, BadCells for rows without a value where one is needed."""
    _check_keys(aim, load.names)
    if aim.request.mode not in BY_KEY:
        check_required(aim, load.names)
    for name, rows in load.lacking.items():
        if name in load.names:
            errors = [ErrorItem("there is no value", row=row, column=name) for row in rows]
            raise BadCells(f"Row {rows[0]}, column {shown(name)}: there is no value.", errors=errors)


def _check_keys(aim: Aim, names: Sequence[str]) -> None:
    for key in aim.request.key:
        if key not in names:
            raise Invalid(f"The file has no column {shown(key)}, which is a key; {nearest(key, names)}.")


def check_required(aim: Aim, names: Collection[str]) -> None:
    """New records need a value in some columns. Raises BadCells when the file lacks one of these."""
    lacking = [each.name for each in aim.snapshot.columns if not each.nullable and each.name not in names]
    if lacking:
        errors = [ErrorItem("each new record needs a value in this column", column=name) for name in lacking]
        raise BadCells(
            f"The file has no column {shown(lacking[0])}, in which each record needs a value.", errors=errors
        )


def report_columns(aim: Aim, load: Load) -> None:
    """A warning for each column that only the file or only the dataset has."""
    names, known = set(load.names), aim.target.columns
    for name in load.names:
        if name not in known:
            load.source.warnings.add("the dataset has no such column: it comes last", column=name)
    fate = "records that are there keep their values" if aim.request.mode in BY_KEY else "it is null in these rows"
    for name in known:
        if name not in names:
            load.source.warnings.add(f"the file has no such column: {fate}", column=name)


def touched(aim: Aim, load: Load) -> Touched:
    """Which columns the whole file, read by now, has something to say about."""
    told = [column.key for column in load.columns]
    kept = [column.key for column in aim.snapshot.columns if column.key not in set(told)]
    past = aim.target.used - {column.key for column in aim.snapshot.columns}
    return Touched(tuple(told), tuple(kept), tuple(sorted(past)))


def columns_after(aim: Aim, load: Load, most: int) -> tuple[Column, ...]:
    """The dataset's columns, then the file's new ones. Raises LimitExceeded for more than `most`."""
    of_file = {column.key: column for column in load.columns}
    known = [of_file.pop(column.key, column) for column in aim.snapshot.columns]
    check_columns(len(known) + len(of_file), most)
    return (*known, *of_file.values())


def with_columns(aim: Aim, load: Load, changes: Changes) -> Changes:
    """The changes with the columns that only the file or only the dataset has."""
    names, known = load.names, aim.target.columns
    return msgspec.structs.replace(
        changes,
        new_columns=tuple(name for name in names if name not in known),
        missing_columns=tuple(name for name in known if name not in set(names)),
    )
