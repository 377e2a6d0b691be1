"""Record tables that were written anew: their datasets have others, and the old ones go once nobody reads them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from psycopg import errors, sql

from backend.repositories.database import Tx
from backend.repositories.records import drop_table, records
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Store

log = structlog.get_logger()


async def move(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, store: Store) -> None:
    """The dataset's records lie in `store` from now on; the caller holds its head row's lock.

    When that was is told by the server's clock, as it is asked later: a worker's may be wrong.
    """
    heads = table(scope, "datasets")
    retire = sql.SQL(
        "INSERT INTO {} (store, dataset_id, retired_at) SELECT store, id, statement_timestamp() FROM {} WHERE id = %s"
    )
    await tx.execute(retire.format(table(scope, "retired_stores"), heads), (dataset_id,))
    await tx.execute(sql.SQL("UPDATE {} SET store = %s WHERE id = %s").format(heads), (store, dataset_id))


async def has_retired(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> bool:
    """Whether a table that the dataset's records lay in is still there."""
    query = sql.SQL("SELECT FROM {} WHERE dataset_id = %s LIMIT 1").format(table(scope, "retired_stores"))
    return (await tx.execute(query, (dataset_id,))).rowcount > 0


async def list_retired(tx: Tx, scope: WorkspaceScope, grace: timedelta) -> list[Store]:
    """What was retired so long ago that all transactions which may have found it have ended.

    `grace`: what a commit may take.
    """
    query = sql.SQL(
        "SELECT store FROM {} WHERE retired_at + %(grace)s < statement_timestamp() AND NOT EXISTS"
        " (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.backend_type = 'client backend'"
        " AND a.pid <> pg_backend_pid() AND a.xact_start <= retired_at + %(grace)s) ORDER BY retired_at"
    )
    found = await tx.execute(query.format(table(scope, "retired_stores")), {"grace": grace})
    return [row[0] for row in await found.fetchall()]


async def try_drop(tx: Tx, scope: WorkspaceScope, store: Store) -> bool:
    """Drops a retired table; False while somebody reads it: for that nobody waits, and nobody behind."""
    retired = table(scope, "retired_stores")
    claim = sql.SQL("SELECT FROM {} WHERE store = %s FOR UPDATE SKIP LOCKED").format(retired)
    if (await tx.execute(claim, (store,))).rowcount == 0:
        return False
    try:
        async with tx.transaction():
            await tx.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(records(scope, store)))
    except errors.LockNotAvailable:
        return False
    except errors.UndefinedTable:
        log.warning("retired_table_gone", store=str(store))
    await drop_table(tx, scope, store)
    await tx.execute(sql.SQL("DELETE FROM {} WHERE store = %s").format(retired), (store,))
    return True


async def drop_all(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    """The dataset's record table, and those that it had."""
    query = sql.SQL("SELECT store FROM {} WHERE id = %(id)s UNION SELECT store FROM {} WHERE dataset_id = %(id)s")
    found = await tx.execute(query.format(table(scope, "datasets"), table(scope, "retired_stores")), {"id": dataset_id})
    for (store,) in await found.fetchall():
        await drop_table(tx, scope, store)
