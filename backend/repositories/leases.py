"""Leases: an import has a dataset to itself for a while, without holding a lock."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope


async def take(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, import_id: UUID, time: timedelta) -> bool:
    """Whether the dataset is this import's from now on: nobody had it, or for longer than the lease went."""
    query = sql.SQL(
        "UPDATE {} SET busy_import = %(import)s, busy_until = statement_timestamp() + %(time)s WHERE id = %(id)s"
        " AND (busy_import IS NULL OR busy_import = %(import)s OR busy_until <= statement_timestamp())"
    ).format(table(scope, "datasets"))
    return (await tx.execute(query, {"import": import_id, "time": time, "id": dataset_id})).rowcount == 1


async def is_free(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, import_id: UUID) -> bool:
    """Whether this import can renew its lease at once: it has not run out, or nobody has come to write since."""
    query = "SELECT FROM {} WHERE id = %s AND busy_import = %s"
    for condition in (" AND busy_until > statement_timestamp()", " FOR UPDATE SKIP LOCKED"):
        asked = sql.SQL(query + condition).format(table(scope, "datasets"))
        if (await tx.execute(asked, (dataset_id, import_id))).rowcount:
            return True
    return False


async def renew(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, import_id: UUID, time: timedelta) -> bool:
    """Whether it still is this import's, for another while."""
    query = sql.SQL("UPDATE {} SET busy_until = statement_timestamp() + %s WHERE id = %s AND busy_import = %s").format(
        table(scope, "datasets")
    )
    return (await tx.execute(query, (time, dataset_id, import_id))).rowcount == 1


async def release(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, import_id: UUID) -> None:
    """Others may write again; nothing happens where the lease is not this import's."""
    query = sql.SQL("UPDATE {} SET busy_import = NULL, busy_until = NULL WHERE id = %s AND busy_import = %s")
    await tx.execute(query.format(table(scope, "datasets")), (dataset_id, import_id))
