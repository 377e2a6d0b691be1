"""Writing records: each write is one new version of the dataset, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from msgspec import Raw

from backend.errors import InvalidRecord, LimitExceeded, RecordNotFound
from backend.repositories import records
from backend.repositories.database import Tx
from backend.schemas.batches import Batch, Item
from backend.schemas.callers import Caller
from backend.schemas.problems import ErrorItem
from backend.schemas.records import Changed, Record, Written
from backend.schemas.versions import Change
from backend.services import record_values
from backend.services.batches import MOST_ERRORS, MOST_OPERATIONS, apply, merged
from backend.services.preconditions import require_match
from backend.services.record_values import Values
from backend.services.schema_growth import grow, unnameable
from backend.services.writing import Writers, Writing, after, publish


class RecordWriteService:
    def __init__(self, writers: Writers, *, max_columns: int) -> None:
        """`max_columns`: how far a schemaless dataset may grow."""
        self._writers = writers
        self._max_columns = max_columns

    async def create(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        items: Sequence[Item],
        *,
        if_match: str | None,
        single: bool = False,
        dry_run: bool = False,
    ) -> tuple[Written, str]:
        """New records and the dataset's ETag; `single`: errors point into the item and not to it.

        Raises InvalidRecord naming each bad value.
        """
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head.etag)
            if not items:
                return Written([], 0, 0, writing.head.dataset.version, dry_run), writing.head.etag
            first = writing.head.next_id
            token = await self._insert(tx, writing, items, single=single)
            made = await records.list_range(tx, writing.scope, after(writing, token), first, first + len(items))
        etag = writing.head.etag if dry_run else f'"{token}.{writing.head.revision}"'
        return Written(made, len(made), len(made), writing.version, dry_run), etag

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

        def combined(current: Item, new: Item) -> Item:
            return {**current, **{name: merged(current.get(name), raw) for name, raw in new.items()}}

        return await self._change(caller, ref, workspace, record_id, changes, combined, if_match)

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
        """Lets a schemaless dataset take the items. Raises InvalidRecord for names that no column can have."""
        if not writing.head.open_schema:
            return
        errors = [each for at, item in enumerate(items) for each in unnameable(item, "" if single else f"/{at}")]
        if errors:
            text = f"{len(errors)} name(s) cannot be columns; nothing was stored."
            raise InvalidRecord(text, errors=errors[:MOST_ERRORS])
        await grow(tx, writing, items, max_columns=self._max_columns)

    async def batch(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        batch: Batch,
        *,
        partial: bool,
        answer: bool,
        dry_run: bool,
        if_match: str | None,
    ) -> tuple[Changed, str]:
        """Many operations as one write, and the dataset's ETag afterwards; `if_match` is the dataset's, too.

        Raises what `batches.apply` raises.
        """
        count = len(batch.creates) + len(batch.changes) + len(batch.deletes)
        if count > MOST_OPERATIONS:
            raise LimitExceeded(f"{count:,} operations in one request; at most {MOST_OPERATIONS:,} are taken.")
        async with self._writers.write(caller, ref, workspace, dry_run=dry_run) as (tx, writing):
            require_match(if_match, writing.head.etag)
            done = await apply(tx, writing, batch, max_columns=self._max_columns, partial=partial, answer=answer)
        return done.told(answer=answer, dry_run=dry_run), writing.head.etag if dry_run else done.etag


async def _current(tx: Tx, writing: Writing, record_id: int) -> tuple[Record, str]:
    found = await records.find(tx, writing.scope, writing.snapshot, record_id)
    if found is None:
        raise RecordNotFound
    return found


def _checked(items: Sequence[Item], writing: Writing, *, single: bool = False) -> list[Values]:
    """Values to store. Raises InvalidRecord with a pointer to each bad one."""
    by_name, rows = writing.by_name, list[Values]()
    errors: list[ErrorItem] = []
    for at, item in enumerate(items):
        values, wrong = record_values.check(item, by_name, writing.columns, "" if single else f"/{at}")
        rows.append(values)
        errors += wrong
    if errors:
        shown = errors[:MOST_ERRORS]
        raise InvalidRecord(
            f"{len(errors)} value(s) do not fit the dataset's columns; nothing was stored.", errors=shown
        )
    return rows
