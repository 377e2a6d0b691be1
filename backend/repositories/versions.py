"""The versions of a dataset."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from backend.errors import RecordIdsUsedUp, VersionPruned
from backend.metrics import ROWS_WRITTEN, STAGED, VERSIONS
from backend.repositories import pruning
from backend.repositories.database import Tx
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import LAST_ID
from backend.schemas.datasets import Head
from backend.schemas.versions import Change, Version

_NUMBER = re.compile("[1-9][0-9]{0,8}")
_VERSION = sql.SQL("version, created_at, author, operation, note, rows, added, changed, removed, tag, source")


async def add(
    tx: Tx,
    scope: WorkspaceScope,
    dataset_id: UUID,
    version: int,
    *,
    token: str,
    author: UUID,
    at: datetime,
    rows: int,
    change: Change,
) -> None:
    query = sql.SQL(
        "INSERT INTO {} (dataset_id, version, token, author, operation, note, rows, added, changed, removed, source,"
        " created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    ).format(table(scope, "versions"))
    counts = (rows, change.added, change.changed, change.removed)
    source = None if change.source is None else Jsonb(change.source)
    await tx.execute(query, (dataset_id, version, token, author, change.operation, change.note, *counts, source, at))
    STAGED.add(tx, VERSIONS.labels(change.operation), 1)
    STAGED.add(tx, ROWS_WRITTEN.labels(change.operation), change.added + change.changed + change.removed)


async def list_page(
    tx: Tx, scope: WorkspaceScope, dataset_id: UUID, *, limit: int, offset: int
) -> tuple[tuple[Version, ...], int]:
    """One page of the versions that are kept, the newest first, and how many there are."""
    where = sql.SQL("FROM {} WHERE dataset_id = %s AND pruned_at IS NULL").format(table(scope, "versions"))
    counted = await tx.execute(sql.SQL("SELECT count(*) ") + where, (dataset_id,))
    total = (await counted.fetchone() or (0,))[0]
    async with tx.cursor(row_factory=class_row(Version)) as cursor:
        await cursor.execute(
            sql.SQL("SELECT {} {} ORDER BY version DESC LIMIT %s OFFSET %s").format(_VERSION, where),
            (dataset_id, limit, offset),
        )
        return tuple(await cursor.fetchall()), total


async def find(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int) -> Version | None:
    """Raises VersionPruned."""
    query = sql.SQL("SELECT pruned_at IS NOT NULL, {} FROM {} WHERE dataset_id = %s AND version = %s")
    found = await tx.execute(query.format(_VERSION, table(scope, "versions")), (dataset_id, version))
    row = await found.fetchone()
    if row and row[0]:
        raise VersionPruned
    return Version(*row[1:]) if row else None


async def resolve(
    tx: Tx, scope: WorkspaceScope, dataset_id: UUID, *, version: str | None, as_of: datetime | None
) -> tuple[int, str, int] | None:
    """Number, token and rows of the version with this number or tag, or of the newest one at a moment.

    Raises VersionPruned.
    """
    conditions: list[tuple[sql.Composable, Any]] = []
    if version is not None and _NUMBER.fullmatch(version):
        conditions.append((sql.SQL("version = %s"), int(version)))
    elif version is not None:
        conditions.append((sql.SQL("tag = %s"), version.strip()))
    if as_of is not None:
        conditions.append((sql.SQL("created_at <= %s"), as_of))
    query = sql.SQL(
        "SELECT version, token, rows, pruned_at IS NOT NULL FROM {} WHERE dataset_id = %s AND {}"
        " ORDER BY version DESC LIMIT 1"
    ).format(table(scope, "versions"), sql.SQL(" AND ").join([text for text, _ in conditions]))
    row = await (await tx.execute(query, (dataset_id, *(value for _, value in conditions)))).fetchone()
    if row and row[3]:
        raise VersionPruned
    return (row[0], row[1], row[2]) if row else None


async def set_tag(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int, tag: str | None) -> None:
    """Names a version, None: no more. Raises TagTaken when another one of the dataset has the name."""
    query = sql.SQL("UPDATE {} SET tag = %s WHERE dataset_id = %s AND version = %s")
    await tx.execute(query.format(table(scope, "versions")), (tag, dataset_id, version))


async def publish(
    tx: Tx,
    scope: WorkspaceScope,
    head: Head,
    *,
    token: str,
    author: UUID,
    at: datetime,
    change: Change,
    columns: int,
    next_id: int,
    size: int,
) -> None:
    """Makes the next version, the dataset's newest from now on.

    The caller holds the head row's lock. `size` is what the records take on disk, in bytes. Raises RecordIdsUsedUp.
    """
    if change.added and next_id > LAST_ID + 1:
        raise RecordIdsUsedUp
    version = head.dataset.version + 1
    rows = head.dataset.rows + change.added - change.removed
    await add(tx, scope, head.dataset.id, version, token=token, author=author, at=at, rows=rows, change=change)
    query = sql.SQL(
        "UPDATE {} SET version = %s, token = %s, rows = %s, columns = %s, next_id = %s, bytes = %s, updated_at = %s"
        " WHERE id = %s"
    ).format(table(scope, "datasets"))
    await tx.execute(query, (version, token, rows, columns, next_id, size, at, head.dataset.id))
    await pruning.published(tx, scope, head.dataset, newest=version, at=at)
