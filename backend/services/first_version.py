"""A dataset's beginning: its head row, its columns, version 1."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from msgspec import Struct

from backend.repositories import datasets, records, versions, workspaces
from backend.repositories.database import Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Store
from backend.schemas.limits import Quotas, Usage
from backend.schemas.versions import Change
from backend.services.identifiers import new_token
from backend.services.quotas import check


class NewDataset(Struct, frozen=True):
    """A dataset whose table of records exists. `evidence`: for each column as JSON, or None.

    `change`: what version 1 is; its rows are those that it adds, with the ids from 1, or any below `next_id`.
    `key`: the key of the column by whose values records are found; its index exists. `keep_versions`, `keep_days`:
    which versions will stay.
    """

    id: UUID
    name: str
    slug: str
    columns: Sequence[Column]
    evidence: Sequence[bytes | None]
    change: Change
    description: str | None = None
    open_schema: bool = False
    next_id: int | None = None
    key: str | None = None
    keep_versions: int | None = None
    keep_days: int | None = None


async def publish(tx: Tx, caller: Caller, scope: WorkspaceScope, new: NewDataset, quotas: Quotas) -> Head:
    """Make the dataset visible at version 1, with the caller as its owner. Raises QuotaExceeded."""
    at, token, rows = datetime.now(UTC), new_token(), new.change.added
    head = {
        "id": new.id,
        "store": new.id,
        "slug": new.slug,
        "name": new.name,
        "description": new.description,
        "open_schema": new.open_schema,
        "owner": caller.user_id,
        "version": 1,
        "token": token,
        "rows": rows,
        "columns": len(new.columns),
        "bytes": await records.total_bytes(tx, scope, Store(new.id)),
        "next_id": new.next_id or rows + 1,
        "key": new.key,
        "keep_versions": new.keep_versions,
        "keep_days": new.keep_days,
        "created_at": at,
        "updated_at": at,
    }
    await datasets.add(tx, scope, head)
    columns = [(place, *each) for place, each in enumerate(zip(new.columns, new.evidence, strict=True), 1)]
    await datasets.add_columns(tx, scope, new.id, 1, columns)
    await versions.add(tx, scope, new.id, 1, token=token, author=caller.user_id, at=at, rows=rows, change=new.change)
    await workspaces.add_to_directory(tx, scope, new.id)
    await check(tx, scope, quotas, Usage(1, rows))
    return cast("Head", await datasets.find(tx, scope, new.id))
