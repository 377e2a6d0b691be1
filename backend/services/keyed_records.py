"""Records by their value in the dataset's key column."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Raw

from backend.errors import Conflict, InvalidRecord, PreconditionFailed, RecordNotFound
from backend.query.fields import bound_value
from backend.query.text import shown
from backend.query.values import Bound
from backend.repositories import lookup, record_keys, records
from backend.repositories.database import Database, Tx
from backend.schemas.batches import Item
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot
from backend.schemas.problems import ErrorItem, pointer
from backend.schemas.records import Changed, Record
from backend.services.record_keys import key_column
from backend.services.record_values import as_text, stored_value
from backend.services.record_writes import RecordWriteService
from backend.services.writing import Writers


class KeyedRecordService:
    def __init__(self, database: Database, writers: Writers, writes: RecordWriteService) -> None:
        self._database = database
        self._writers = writers
        self._writes = writes

    async def get(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        key: str,
        *,
        version: str | None,
        as_of: datetime | None,
    ) -> tuple[Record, str]:
        """One record and its ETag. Raises NoKeyColumn, RecordNotFound, and Conflict where an old version, from before
        the key was one, has several.
        """
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
            column = key_column(head, snapshot.columns)
            value = None if column is None else bound_value(column, key)
            if column is None or value is None:
                raise RecordNotFound
            if snapshot.version == head.dataset.version:
                record_id = await record_keys.find(tx, scope, snapshot.store, column, value)
            else:
                record_id = await _find_old(tx, scope, snapshot, column, value)
            found = None if record_id is None else await records.find(tx, scope, snapshot, record_id)
        if found is None:
            raise RecordNotFound
        return found

    async def put(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        key: str,
        item: Item,
        *,
        if_match: str | None,
        only_new: bool,
        dry_run: bool,
    ) -> tuple[Record, str, Changed | None]:
        """The record with this key holds just these fields; one is made where there is none: then no `Changed`.

        `only_new`: nothing is done where there is one.

        Raises NoKeyColumn, InvalidRecord, PreconditionFailed.
        """
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            column = key_column(writing.head, writing.columns)
            if column is None:
                raise RecordNotFound
            whole, value = _with_key(column, key, item)
            record_id = await record_keys.find(tx, writing.scope, writing.store, column, value)
            if record_id is not None and only_new:
                raise PreconditionFailed("There is a record with this key already.")
            if record_id is not None:
                return await self._writes.put(tx, writing, record_id, whole, if_match=if_match, dry_run=dry_run)
            if if_match is not None:
                raise PreconditionFailed("There is no record with this key.")
            return *await self._writes.add(tx, writing, whole), None


async def _find_old(tx: Tx, scope: WorkspaceScope, snapshot: Snapshot, column: Column, value: Bound) -> int | None:
    ids = await record_keys.find_at(tx, scope, snapshot, column, value)
    if len(ids) > 1:
        listed = ", ".join(map(str, ids))
        raise Conflict(f"In version {snapshot.version} the records {listed} have this value; it was no key yet.")
    return ids[0] if ids else None


def _with_key(column: Column, key: str, item: Item) -> tuple[Item, Bound]:
    """The record with its key in it, and what that is compared as. Raises InvalidRecord."""
    raw = key.encode() if column.type in {"integer", "number", "boolean"} else msgspec.json.encode(key)
    stored, value = stored_value(column, raw), bound_value(column, key)
    if isinstance(stored, str) or value is None:
        text = f"{stored if isinstance(stored, str) else shown(key)} It is the key {shown(column.name)} in the address."
        raise InvalidRecord(text, errors=[ErrorItem(text, column=column.name, code="INVALID_VALUE")])
    given = item.get(column.name)
    if given is None:
        return {column.name: Raw(stored), **item}, value
    if bound_value(column, as_text(given)) != value:
        text = f"This is not the key in the address, {shown(key)}."
        raise InvalidRecord(
            text, errors=[ErrorItem(text, pointer(column.name, ""), column=column.name, code="OTHER_KEY")]
        )
    return item, value
