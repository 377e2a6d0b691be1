"""How much a workspace holds."""

from __future__ import annotations

from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.workspaces import has_schema, table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.limits import Usage

_USED = sql.SQL(
    "SELECT count(*), COALESCE(sum(rows), 0)::bigint, COALESCE(sum(bytes), 0)::bigint FROM {} WHERE deleted_at IS NULL"
)


async def used(tx: Tx, scope: WorkspaceScope) -> Usage:
    """By all of the workspace's datasets but deleted ones."""
    if not await has_schema(tx, scope):
        return Usage()
    row = await (await tx.execute(_USED.format(table(scope, "datasets")))).fetchone()
    return Usage(*row or ())
