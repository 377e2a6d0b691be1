"""Leases: a long write has a dataset to itself for a while, without holding a lock."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope


async def take(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, holder: UUID, time: timedelta) -> bool:
    """Whether the dataset is the holder's from now on: nobody had it, or for longer than the lease went."""
    query = sql.SQL(
        "UPDATE {} SET busy_import = %(holder)s, busy_until = statement_timestamp() + %(time)s WHERE id = %(id)s"
        " AND (busy_import IS NULL OR busy_import = %(holder)s OR busy_until <= statement_timestamp())"
    ).format(table(scope, "datasets"))
    return (await tx.execute(query, {"holder": holder, "time": time, "id": dataset_id})).rowcount == 1


async def is_free(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, holder: UUID) -> bool:
    """Whether the holder can renew its lease at once: it has not run out, or nobody has come to write since."""
    query = "SELECT FROM {} WHERE id = %s AND busy_import = %s"
    for condition in (" AND busy_until > statement_timestamp()", " FOR UPDATE SKIP LOCKED"):
        asked = sql.SQL(query + condition).format(table(scope, "datasets"))
        if (await tx.execute(asked, (dataset_id, holder))).rowcount:
            return True
    return False


async def renew(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, holder: UUID, time: timedelta) -> bool:
    """Whether it still is the holder's, for another while."""
    query = sql.SQL("UPDATE {} SET busy_until = statement_timestamp() + %s WHERE id = %s AND busy_import = %s").format(
        table(scope, "datasets")
    )
    return (await tx.execute(query, (time, dataset_id, holder))).rowcount == 1


async def release(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, holder: UUID) -> None:
    """Others may write again; nothing happens where the lease is not the holder's."""
    query = sql.SQL("UPDATE {} SET busy_import = NULL, busy_until = NULL WHERE id = %s AND busy_import = %s")
    await tx.execute(query.format(table(scope, "datasets")), (dataset_id, holder))
