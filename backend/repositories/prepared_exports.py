"""Exports that are made beside the requests: their state, and their files in chunks of one size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from backend.repositories.database import Database, Tx
from backend.repositories.workspaces import has_schema, table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.prepared_exports import PreparedExport

CHUNK = 2**20
"""Bytes of each chunk of a file but its last one."""
LIVE = "(expires_at IS NULL OR expires_at > now())"
"""Holds for those that have not expired."""
COLUMNS = (
    "id, state, percent, rows, bytes, filename, media_type, dataset_id AS dataset, version, created_at, finished_at,"
    " expires_at, problem"
)
"""Of which a `PreparedExport` is made."""
_READABLE = sql.SQL(
    "EXISTS (SELECT FROM {} d JOIN {} v ON v.dataset_id = d.id WHERE d.id = e.dataset_id AND d.deleted_at IS NULL"
    " AND v.version = e.version AND v.pruned_at IS NULL)"
)
"""What the file shows can still be read from its dataset."""
_STATUS = sql.SQL(
    f"SELECT {COLUMNS} FROM sheaf.exports e WHERE id = %s AND workspace_id = %s AND {LIVE} AND {{}}"  # noqa: S608
)
_LISTED = f"FROM sheaf.exports e WHERE workspace_id = %s AND {LIVE} AND {{}}"
_LIST = sql.SQL(f"SELECT {COLUMNS} {_LISTED} ORDER BY created_at DESC, id DESC LIMIT %s OFFSET %s")
_COUNT_LISTED = sql.SQL(f"SELECT count(*) {_LISTED}")
_SENT = f"SELECT workspace_id, user_id FROM sheaf.exports WHERE id = %s AND workspace_id = ANY(%s) AND {LIVE}"  # noqa: S608
_SWEEP = sql.SQL("DELETE FROM sheaf.exports e WHERE workspace_id = %s AND NOT {}")


async def find(tx: Tx, scope: WorkspaceScope, export_id: UUID) -> PreparedExport | None:
    """An export that has not expired, of a version that can still be read."""
    async with tx.cursor(row_factory=class_row(PreparedExport)) as cursor:
        await cursor.execute(_STATUS.format(_readable(scope)), (export_id, scope.id))
        return await cursor.fetchone()


def _readable(scope: WorkspaceScope) -> sql.Composed:
    return _READABLE.format(table(scope, "datasets"), table(scope, "versions"))


async def list_page(tx: Tx, scope: WorkspaceScope, *, limit: int, offset: int) -> tuple[list[PreparedExport], int]:
    """Those of a workspace that `find` would find, the newest first, and how many there are."""
    if not await has_schema(tx, scope):
        return [], 0
    readable = _readable(scope)
    async with tx.cursor(row_factory=class_row(PreparedExport)) as cursor:
        await cursor.execute(_LIST.format(readable), (scope.id, limit, offset))
        found = await cursor.fetchall()
    row = await (await tx.execute(_COUNT_LISTED.format(readable), (scope.id,))).fetchone()
    return found, row[0] if row else 0


async def sent(tx: Tx, workspace_ids: Sequence[UUID], export_id: UUID) -> tuple[UUID, UUID] | None:
    """Which of these workspaces an export belongs to, and who has sent for it."""
    row = await (await tx.execute(_SENT, (export_id, list(workspace_ids)))).fetchone()
    return (row[0], row[1]) if row else None


async def delete(tx: Tx, workspace_id: UUID, export_id: UUID) -> None:
    """Removes it with its file; a worker that makes it finds out."""
    await tx.execute("DELETE FROM sheaf.exports WHERE id = %s AND workspace_id = %s", (export_id, workspace_id))


async def sweep(tx: Tx) -> None:
    """Removes those that have expired."""
    await tx.execute("DELETE FROM sheaf.exports WHERE expires_at <= now()")


async def delete_of(tx: Tx, workspace_id: UUID, dataset_id: UUID) -> None:
    """Removes all of a dataset."""
    query = "DELETE FROM sheaf.exports WHERE workspace_id = %s AND dataset_id = %s"
    await tx.execute(query, (workspace_id, dataset_id))


async def sweep_unreadable(tx: Tx, scope: WorkspaceScope) -> None:
    """Removes those of versions that can be read no more."""
    await tx.execute(_SWEEP.format(_readable(scope)), (scope.id,))


async def chunks(database: Database, export_id: UUID, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes of a finished file from `start` until before `stop`; between two chunks no connection is held.

    It ends early where the file is removed meanwhile.
    """
    query = "SELECT data FROM sheaf.export_chunks WHERE export_id = %s AND number = %s"
    while start < stop:
        number, skipped = divmod(start, CHUNK)
        async with database.read() as tx, tx.cursor(binary=True) as cursor:
            row = await (await cursor.execute(query, (export_id, number))).fetchone()
        if row is None:
            return
        part = row[0][skipped : skipped + stop - start]
        yield part
        start += len(part)
