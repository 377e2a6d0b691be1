"""A dataset's columns: what they are at a version and why, and how they change, each change one new version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct, structs

from backend.errors import BadCells
from backend.inference.retype import Retyping
from backend.repositories import datasets, lookup, rewrites
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller
from backend.schemas.columns import Column
from backend.schemas.datasets import ColumnInfo, Schema
from backend.schemas.imports import Evidence
from backend.schemas.problems import ErrorItem
from backend.schemas.schema_changes import SchemaChanged, SchemaPatch
from backend.schemas.versions import Change
from backend.services.preconditions import require_match
from backend.services.quotas import require
from backend.services.record_keys import refuse_loss
from backend.services.schema_plans import Retyped, SchemaPlan, plan_changes
from backend.services.writing import Writers, Writing, publish

_CHUNK = 16 << 20
"""Bytes of records that are converted at a time, more or less."""
_MOST_ROWS = 20_000
_SHOWN = 20
"""Bad cells named."""

EvidenceTexts = Mapping[str, bytes | None]
"""Column key → its evidence as JSON."""


class _Outcome(Struct):
    """The columns as they will be, their evidence, the number of records that change, the keys of converted columns."""

    columns: tuple[Column, ...]
    evidence: EvidenceTexts
    changed: int
    fresh: frozenset[str]


class SchemaService:
    def __init__(self, database: Database, writers: Writers, *, max_columns: int) -> None:
        """`max_columns`: the most that a dataset may have."""
        self._database = database
        self._writers = writers
        self._max_columns = max_columns

    async def get(
        self, caller: Caller, ref: str, workspace: str | None, *, version: str | None, as_of: datetime | None
    ) -> tuple[str, Schema]:
        """The columns as of a version with their evidence, and an ETag for them."""
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
            evidence = await datasets.list_evidence(tx, scope, snapshot.dataset_id, snapshot.version)
        return _etag(snapshot.token), Schema(snapshot.version, column_infos(snapshot.columns, evidence))

    async def patch(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        changes: SchemaPatch,
        *,
        if_match: str | None,
        dry_run: bool,
    ) -> tuple[SchemaChanged, str]:
        """The columns afterwards and their ETag. `if_match` may be the schema's or the dataset's.

        Raises InvalidSchema, LimitExceeded, PreconditionFailed, QuotaExceeded, and BadCells naming the first values
        that do not convert. A dry run answers those instead, and takes no lock.
        """
        if dry_run:
            async with self._database.snapshot() as tx:
                scope, head = await lookup.head(tx, caller, ref, workspace)
                snapshot = await lookup.snapshot(tx, scope, head)
                reading = Writing(caller, scope, head, snapshot, snapshot.columns, self._writers.quotas)
                return await self._change(tx, reading, changes, if_match, keep=False)
        async with self._writers.write(caller, ref, workspace) as (tx, writing):
            return await self._change(tx, writing, changes, if_match, keep=True)

    async def _change(
        self, tx: Tx, writing: Writing, changes: SchemaPatch, if_match: str | None, *, keep: bool
    ) -> tuple[SchemaChanged, str]:
        etag = _etag(writing.head.token)
        require_match(if_match, writing.head, etag)
        dataset = writing.head.dataset
        known = await datasets.list_evidence(tx, writing.scope, dataset.id, dataset.version)
        used = await datasets.list_keys(tx, writing.scope, dataset.id)
        refuse_loss(writing.head, changes)
        plan = plan_changes(writing.columns, changes, used, self._max_columns)
        if plan.retyped:
            await require(tx, writing.scope, writing.quotas)
        retyping = await _convert(tx, writing, plan.retyped, keep=keep)
        errors, total = _bad_cells(plan, retyping)
        if not total:
            errors, total = await _nulls(tx, writing, plan, retyping)
        if total and keep:
            raise BadCells(f"{errors[0].message} Nothing was changed.", errors=errors)
        outcome = _outcome(writing.columns, plan, retyping, known)
        infos = column_infos(outcome.columns, outcome.evidence)
        if outcome.columns == writing.columns and not outcome.changed:
            return SchemaChanged(dataset.version, infos, 0, tuple(errors), total), etag
        if keep:
            etag = _etag(await _store(tx, writing, plan, outcome))
        return SchemaChanged(writing.version, infos, outcome.changed, tuple(errors), total), etag


async def _convert(tx: Tx, writing: Writing, retyped: Sequence[Retyped], *, keep: bool) -> Retyping:
    """Converts all values, chunk by chunk; the first chunk with a bad cell is the last unless it is a dry run."""
    head, version = writing.head, writing.head.dataset.version
    retyping = Retyping([each.told for each in retyped], writing.version)
    reads = [column for each in retyped for column in each.told.reads]
    if not retyped:
        return retyping
    if keep:
        await rewrites.begin(tx)
    step = max(100, min(_MOST_ROWS, _CHUNK * max(head.dataset.rows, 1) // max(head.dataset.bytes, 1)))
    first = 1
    while True:
        ids, texts = await rewrites.read_texts(tx, writing.scope, head.store, version, reads, first, step)
        if not ids:
            break
        lines, first = await asyncio.to_thread(retyping, ids, texts), ids[-1] + 1
        if keep and retyping.bad_total:
            break
        if keep and lines:
            await rewrites.write(tx, lines)
    return retyping


def _bad_cells(plan: SchemaPlan, retyping: Retyping) -> tuple[list[ErrorItem], int]:
    """The first cells that do not convert, and how many were found."""
    errors = []
    for place, cell in retyping.bad():
        each = plan.retyped[place]
        text = f"Record {cell.row}, column {cell.column!r}: {cell.value!r} is not of type {each.told.type}."
        errors.append(
            ErrorItem(
                text,
                f"/columns/{each.place}",
                column=cell.column,
                code="INVALID_VALUE",
                record=cell.row,
                value=cell.value,
            )
        )
    return errors, retyping.bad_total


async def _nulls(tx: Tx, writing: Writing, plan: SchemaPlan, retyping: Retyping) -> tuple[list[ErrorItem], int]:
    """The first records that have no value where one is needed from now on, and how many there are."""
    found = {each.told.before.key: nulls for each, nulls in zip(plan.retyped, retyping.nulls(), strict=True)}
    dataset = writing.head.dataset
    errors, total = list[ErrorItem](), 0
    for column in plan.columns:
        if (pointer := plan.required.get(column.key)) is None:
            continue
        ids, count = found.get(column.key) or await rewrites.list_nulls(
            tx, writing.scope, writing.store, dataset.version, column.key, most=_SHOWN
        )
        total += count
        errors += [
            ErrorItem(
                f"Record {record}, column {column.name!r}: there is no value.",
                pointer,
                column=column.name,
                code="NULL",
                record=record,
            )
            for record in ids
        ]
    return errors[:_SHOWN], total


def _outcome(before: Sequence[Column], plan: SchemaPlan, retyping: Retyping, known: EvidenceTexts) -> _Outcome:
    """Evidence stays with its column and names its new type; where values were converted it is new."""
    types: dict[str, str] = {column.key: column.type for column in before}
    formats = dict[str, str | None]()
    evidence: dict[str, bytes | None] = {}
    for column in plan.columns:
        told = known.get(column.key)
        if told is not None and types[column.key] != column.type:
            seen = msgspec.json.decode(told, type=Evidence)
            told = msgspec.json.encode(structs.replace(seen, type=column.type, refused={}, suggestion=None, patch=None))
        evidence[column.key] = told
    for each, (form, seen) in zip(plan.retyped, retyping.finish(), strict=True):
        formats[each.told.before.key] = form
        evidence[each.told.before.key] = msgspec.json.encode(seen)
    columns = tuple(
        structs.replace(column, format=formats[column.key]) if column.key in formats else column
        for column in plan.columns
    )
    fresh = frozenset(formats) if retyping.changed else frozenset[str]()
    return _Outcome(columns, evidence, retyping.changed, fresh)


async def _store(tx: Tx, writing: Writing, plan: SchemaPlan, outcome: _Outcome) -> str:
    """The token of the version that the change makes."""
    dataset_id, version = writing.head.dataset.id, writing.version
    if outcome.changed:
        emptied = [each.told.before.key for each in plan.retyped if each.told.empties]
        every, keyed = outcome.changed == writing.head.dataset.rows, writing.head.key is not None
        await rewrites.finish(tx, writing.scope, writing.store, version, emptied=emptied, every=every, keyed=keyed)
    before = {column.key: (place, column) for place, column in enumerate(writing.columns, 1)}
    after = {column.key: (place, column) for place, column in enumerate(outcome.columns, 1)}
    ended = [key for key, each in before.items() if after.get(key) != each or key in outcome.fresh]
    begun = [
        (place, column, outcome.evidence[key])
        for key, (place, column) in after.items()
        if before.get(key) != (place, column) or key in outcome.fresh
    ]
    await datasets.end_columns(tx, writing.scope, dataset_id, version, ended)
    await datasets.add_columns(tx, writing.scope, dataset_id, version, begun)
    writing.columns = outcome.columns
    return await publish(tx, writing, Change("schema", changed=outcome.changed), next_id=writing.head.next_id)


def column_infos(columns: Sequence[Column], evidence: EvidenceTexts) -> tuple[ColumnInfo, ...]:
    """The columns as they are answered."""
    return tuple(_info(column, evidence.get(column.key)) for column in columns)


def _info(column: Column, evidence: bytes | None) -> ColumnInfo:
    told = None if evidence is None else msgspec.json.decode(evidence, type=Evidence)
    return ColumnInfo(column.name, column.type, column.nullable, column.description, column.format, told)


def _etag(token: str) -> str:
    return f'"{token}.schema"'
