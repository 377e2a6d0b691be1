"""What an archive of a workspace tells of it; of a dataset, by the thread and in the snapshot that read its rows."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from msgspec import Raw
from psycopg import sql

from backend.errors import WorkspaceNotFound
from backend.repositories.database import BulkTx, Tx
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.versions import Version
from backend.schemas.workspace_archives import ArchivedWorkspace

_PAGE = 5_000


async def about(tx: Tx, scope: WorkspaceScope) -> ArchivedWorkspace:
    """Raises WorkspaceNotFound for one that was deleted meanwhile."""
    query = "SELECT id, slug, name, description FROM sheaf.workspaces WHERE id = %s AND deleted_at IS NULL"
    row = await (await tx.execute(query, (scope.id,))).fetchone()
    if row is None:
        raise WorkspaceNotFound
    return ArchivedWorkspace(*row)


def list_columns(
    tx: BulkTx, scope: WorkspaceScope, dataset_id: UUID, version: int
) -> tuple[tuple[Column, ...], dict[str, bytes | None]]:
    """The columns as of a version, in order, and by their keys the evidence of each as JSON."""
    query = sql.SQL(
        "SELECT key, name, type, format, nullable, description, evidence::text FROM {}"
        " WHERE dataset_id = %(id)s AND added_in <= %(v)s AND removed_in > %(v)s ORDER BY position"
    ).format(table(scope, "columns"))
    rows = tx.execute(query, {"id": dataset_id, "v": version}).fetchall()
    evidence = {row[0]: None if row[-1] is None else row[-1].encode() for row in rows}
    return tuple(Column(*row[:-1]) for row in rows), evidence


def list_versions(
    tx: BulkTx, scope: WorkspaceScope, dataset_id: UUID, *, since: int = 1, until: int
) -> Iterator[list[Version]]:
    """The versions of these numbers that are kept, the oldest first, so many at a time."""
    query = sql.SQL(
        "SELECT version, created_at, author, operation, note, rows, added, changed, removed, tag, source::text FROM {}"
        " WHERE dataset_id = %s AND pruned_at IS NULL AND version >= %s AND version <= %s ORDER BY version LIMIT %s"
    ).format(table(scope, "versions"))
    while rows := tx.execute(query, (dataset_id, since, until, _PAGE)).fetchall():
        since = rows[-1][0] + 1
        sources = (None if row[-1] is None else Raw(row[-1].encode()) for row in rows)
        yield [Version(*(*row[:-1], source)) for row, source in zip(rows, sources, strict=True)]
