"""Many records, each found by its key and changed, or made where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from backend.errors import BadRequest, DuplicateKeys, UnknownColumn
from backend.query.text import nearest, shown
from backend.readers.base import ReadLimits
from backend.repositories import record_keys
from backend.repositories.database import Tx
from backend.schemas.batches import Batch, Item, Places, RecordChange
from backend.schemas.callers import Caller
from backend.schemas.columns import Column
from backend.schemas.problems import ErrorItem, pointer
from backend.schemas.records import Changed
from backend.services.batch_errors import DUPLICATE_KEY
from backend.services.batches import apply
from backend.services.preconditions import require_match
from backend.services.record_values import MOST_ERRORS, NULL, refuse_values, stored_value
from backend.services.schema_growth import grow, unnameable
from backend.services.writing import Writers, Writing


class Wanted(Struct, frozen=True):
    """How an upsert is made: by which columns (None: by the declared key), with the records in the answer or not."""

    keys: tuple[str, ...] | None = None
    answer: bool = True
    dry_run: bool = False
    if_match: str | None = None


class UpsertService:
    def __init__(self, writers: Writers, *, limits: ReadLimits) -> None:
        """`limits`: of a dataset and its values."""
        self._writers = writers
        self._limits = limits

    async def upsert(
        self, caller: Caller, ref: str, workspace: str | None, items: Sequence[Item], wanted: Wanted
    ) -> tuple[Changed, str]:
        """Found records get the given members (RFC 7396), others are made: one version, and the dataset's ETag.

        Raises BadRequest, UnknownColumn, InvalidRecord, DuplicateKeys, LimitExceeded, PreconditionFailed.
        """
        async with self._writers.write(caller, ref, workspace, dry_run=wanted.dry_run) as (tx, writing):
            require_match(wanted.if_match, writing.head)
            if writing.head.open_schema:
                refuse_values([error for at, item in enumerate(items) for error in unnameable(item, f"/{at}")])
                await grow(tx, writing, items, max_columns=self._limits.max_columns)
            found = await _found(tx, writing, _columns(writing, wanted.keys), items)
            new = [at for at, record in enumerate(found) if record is None]
            old = [(at, record) for at, record in enumerate(found) if record is not None]
            batch = Batch(
                [items[at] for at in new],
                [RecordChange(record, dict(items[at])) for at, record in old],
                places=_places(new, [at for at, _ in old]),
            )
            done = await apply(tx, writing, batch, limits=self._limits, answer=wanted.answer, operation="upsert")
        changed = done.as_changed(answer=wanted.answer, dry_run=wanted.dry_run)
        if wanted.answer:
            made = [*zip(new, done.created, strict=True), *zip((at for at, _ in old), done.changed, strict=True)]
            records = [record for _, record in sorted(made, key=lambda each: each[0]) if record is not None]
            changed = msgspec.structs.replace(changed, data=records)
        return changed, writing.head.etag if wanted.dry_run else done.etag


def _places(new: Sequence[int], old: Sequence[int]) -> Places:
    """Operations are pointed to, and told, by their places in the body."""
    return Places(
        creates=lambda at: f"/{new[at]}",
        changes=lambda at: f"/{old[at]}",
        values=lambda at: f"/{old[at]}",
        order=lambda part, at: (0, (new if part == "creates" else old)[at]),
    )


def _columns(writing: Writing, keys: tuple[str, ...] | None) -> list[Column]:
    by_name = writing.by_name
    if keys is None:
        if writing.head.dataset.key is None:
            raise BadRequest(
                'Say by which columns records are found: key=sku, or declare a key column: {"key": "sku"}.'
            )
        return [by_name[writing.head.dataset.key]]
    if len(set(keys)) < len(keys):
        raise BadRequest("key= names a column twice.")
    for name in keys:
        if name not in by_name:
            raise UnknownColumn(f"key: there is no column {shown(name)}; {nearest(name, by_name)}.")
    return [by_name[name] for name in keys]


async def _found(tx: Tx, writing: Writing, columns: Sequence[Column], items: Sequence[Item]) -> list[int | None]:
    """The id of each item's record, None where it is new."""
    keys, wrong = list[Raw](), list[ErrorItem]()
    for at, item in enumerate(items):
        values: dict[str, Raw] = {}
        for column in columns:
            stored = stored_value(column, bytes(item.get(column.name, NULL)))
            if isinstance(stored, str) or stored == NULL:
                text, code = (stored, "INVALID_VALUE") if isinstance(stored, str) else ("A key needs a value.", "NULL")
                wrong.append(ErrorItem(text, pointer(column.name, f"/{at}"), column=column.name, code=code))
            else:
                values[column.key] = Raw(stored)
        keys.append(Raw(msgspec.json.encode(values)))
    refuse_values(wrong)
    paired = await record_keys.pair(tx, writing.scope, writing.store, columns, keys)
    _refuse_doubled(paired, columns)
    return [ids[0] if ids else None for _, ids in paired]


def _refuse_doubled(paired: Sequence[tuple[int, list[int]]], columns: Sequence[Column]) -> None:
    """Each key is that of one item and of one record."""
    names, errors = ", ".join(column.name for column in columns), list[ErrorItem]()
    for at, (first, ids) in enumerate(paired):
        place = pointer(columns[0].name, f"/{at}")
        if first != at:
            errors.append(ErrorItem(f"the same key as item {first}", place, column=names, code=DUPLICATE_KEY))
        elif len(ids) > 1:
            say = "this record has the key too"
            errors += [ErrorItem(say, place, column=names, code=DUPLICATE_KEY, record=each) for each in ids]
    if errors:
        text = f"{len(errors)} key(s) ({names}) are not of one item and one record; nothing was stored."
        raise DuplicateKeys(text, errors=errors[:MOST_ERRORS])
