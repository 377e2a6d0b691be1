"""Writing records: each write is one new version of the dataset, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import Raw

from backend.errors import InvalidRecord, LimitExceeded, RecordNotFound
from backend.repositories import datasets, records
from backend.repositories.database import Tx
from backend.schemas.callers import Caller
from backend.schemas.columns import RECORD_ID
from backend.schemas.problems import ErrorItem
from backend.schemas.records import Record, Written
from backend.schemas.versions import Change
from backend.services import record_values
from backend.services.preconditions import require_match
from backend.services.record_values import NULL, Values
from backend.services.schema_growth import grown
from backend.services.writing import Writers, Writing, after, publish

Item = Mapping[str, Raw]
"""A record as it came: column name → JSON text."""

_MOST_ERRORS = 100


class RecordWriteService:
    def __init__(self, writers: Writers, *, max_columns: int) -> None:
        """`max_columns`: how far a schemaless dataset may grow."""
        self._writers = writers
        self._max_columns = max_columns

    async def create(
        self, caller: Caller, ref: str, workspace: str | None, items: Sequence[Item], *, if_match: str | None
    ) -> tuple[Written, str]:
        """New records and the dataset's ETag. Raises InvalidRecord naming each bad value."""
        async with self._writers.write(caller, ref, workspace) as (tx, writing):
            require_match(if_match, writing.head.etag)
            if not items:
                return Written([], 0, writing.head.dataset.version), writing.head.etag
            first = writing.head.next_id
            token = await self._insert(tx, writing, items)
            made = await records.list_range(tx, writing.scope, after(writing, token), first, first + len(items))
        return Written(made, len(made), writing.version), f'"{token}.{writing.head.revision}"'

    async def create_one(
        self, caller: Caller, ref: str, workspace: str | None, item: Item, *, if_match: str | None
    ) -> tuple[UUID, Record, str]:
        """The dataset's id, the new record and the record's ETag; `if_match` is the dataset's."""
        async with self._writers.write(caller, ref, workspace) as (tx, writing):
            require_match(if_match, writing.head.etag)
            token = await self._insert(tx, writing, [item], single=True)
            found = await records.find(tx, writing.scope, after(writing, token), writing.head.next_id)
        if found is None:
            raise RecordNotFound
        return writing.head.dataset.id, *found

    async def _insert(self, tx: Tx, writing: Writing, items: Sequence[Item], *, single: bool = False) -> str:
        """The token of the version that the new records make."""
        await self._grow(tx, writing, items, single=single)
        rows = _checked(items, writing, single=single)
        first = writing.head.next_id
        await records.insert(tx, writing.scope, writing.head.dataset.id, writing.version, first, rows)
        return await publish(tx, writing, Change("create", added=len(rows)), next_id=first + len(rows))

    async def patch(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, changes: Item, *, if_match: str | None
    ) -> tuple[Record, str]:
        """JSON merge patch (RFC 7396): the named fields change, null empties one, the others stay."""

        def merged(current: Item, new: Item) -> Item:
            return {**current, **{name: _merged(current.get(name), raw) for name, raw in new.items()}}

        return await self._change(caller, ref, workspace, record_id, changes, merged, if_match)

    async def replace(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, item: Item, *, if_match: str | None
    ) -> tuple[Record, str]:
        """The record holds just these fields from now on."""
        return await self._change(caller, ref, workspace, record_id, item, lambda _, new: new, if_match)

    async def _change(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        record_id: int,
        item: Item,
        combine: Callable[[Item, Item], Item],
        if_match: str | None,
    ) -> tuple[Record, str]:
        """One record's new image and its ETag; the old image when nothing changes."""
        async with self._writers.write(caller, ref, workspace) as (tx, writing):
            current, etag = await _current(tx, writing, record_id)
            require_match(if_match, etag)
            await self._grow(tx, writing, [item], single=True)
            wanted = combine(msgspec.json.decode(current.data, type=dict[str, Raw]), item)
            (values,) = _checked([wanted], writing, single=True)
            if await records.is_image(tx, writing.scope, writing.snapshot, record_id, values):
                return current, etag
            await records.close(tx, writing.scope, writing.head.dataset.id, writing.version, [record_id])
            await records.insert(tx, writing.scope, writing.head.dataset.id, writing.version, record_id, [values])
            token = await publish(tx, writing, Change("update", changed=1), next_id=writing.head.next_id)
            found = await records.find(tx, writing.scope, after(writing, token), record_id)
        if found is None:
            raise RecordNotFound
        return found

    async def delete(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, *, if_match: str | None
    ) -> None:
        """The record is gone from this version on; older versions keep it."""
        async with self._writers.write(caller, ref, workspace) as (tx, writing):
            _, etag = await _current(tx, writing, record_id)
            require_match(if_match, etag)
            await records.close(tx, writing.scope, writing.head.dataset.id, writing.version, [record_id])
            await publish(tx, writing, Change("delete", removed=1), next_id=writing.head.next_id)

    async def _grow(self, tx: Tx, writing: Writing, items: Sequence[Item], *, single: bool = False) -> None:
        """Lets the schema of a schemaless dataset take the items, as part of this write's version."""
        if not writing.head.open_schema:
            return
        _check_names(items, single=single)
        dataset_id = writing.head.dataset.id
        used = await datasets.list_keys(tx, writing.scope, dataset_id)
        columns = tuple(grown(writing.columns, items, used))
        texts = [old.key for old, new in zip(writing.columns, columns, strict=False) if old.type == "text" != new.type]
        if texts:
            never_filled = set(texts) - await records.filled(tx, writing.scope, dataset_id, texts)
            columns = tuple(grown(writing.columns, items, used, never_filled))
        if len(columns) > self._max_columns:
            raise LimitExceeded(
                f"The dataset would have {len(columns):,} columns; SHEAF_MAX_COLUMNS is {self._max_columns:,}."
            )
        changed = [(at, each, None) for at, each in enumerate(columns, 1) if each not in writing.columns]
        if changed:
            keys = [column.key for _, column, _ in changed]
            await datasets.end_columns(tx, writing.scope, dataset_id, writing.version, keys)
            await datasets.add_columns(tx, writing.scope, dataset_id, writing.version, changed)
            writing.columns = columns


async def _current(tx: Tx, writing: Writing, record_id: int) -> tuple[Record, str]:
    found = await records.find(tx, writing.scope, writing.snapshot, record_id)
    if found is None:
        raise RecordNotFound
    return found


def _check_names(items: Sequence[Item], *, single: bool) -> None:
    """Raises InvalidRecord for names that no column can have."""
    errors = [
        ErrorItem(
            "A column name cannot be blank, hold a NUL character or be __id, the record's own id.",
            pointer,
            column=name,
            code="INVALID_NAME",
        )
        for at, item in enumerate(items)
        for name in item
        if not name.strip() or "\0" in name or name == RECORD_ID
        for pointer in [record_values.pointer(name, None if single else at)]
    ]
    if errors:
        raise InvalidRecord(
            f"{len(errors)} name(s) cannot be columns; nothing was stored.", errors=errors[:_MOST_ERRORS]
        )


def _checked(items: Sequence[Item], writing: Writing, *, single: bool = False) -> list[Values]:
    """Values to store. Raises InvalidRecord with a pointer to each bad one."""
    by_name, rows = writing.by_name, list[Values]()
    errors: list[ErrorItem] = []
    for at, item in enumerate(items):
        values, wrong = record_values.check(item, by_name, writing.columns, None if single else at)
        rows.append(values)
        errors += wrong
    if errors:
        shown = errors[:_MOST_ERRORS]
        raise InvalidRecord(
            f"{len(errors)} value(s) do not fit the dataset's columns; nothing was stored.", errors=shown
        )
    return rows


def _merged(current: Raw | None, patch: Raw) -> Raw:
    """RFC 7396 below the top level: an object is merged into what is there, everything else replaces it."""
    if not bytes(patch).startswith(b"{"):
        return patch
    target: dict[str, Raw] = {}
    if current is not None and bytes(current).startswith(b"{"):
        target = msgspec.json.decode(current, type=dict[str, Raw])
    for name, raw in msgspec.json.decode(patch, type=dict[str, Raw]).items():
        if bytes(raw) == NULL:
            target.pop(name, None)
        else:
            target[name] = _merged(target.get(name), raw)
    return Raw(msgspec.json.encode(target))
