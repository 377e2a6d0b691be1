"""How much a workspace holds."""

from __future__ import annotations

from uuid import UUID

from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.workspaces import has_schema, table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.limits import Usage

_SUMS = sql.SQL("count(*) {0}, COALESCE(sum(rows) {0}, 0)::bigint, COALESCE(sum(bytes) {0}, 0)::bigint")
_USED = sql.SQL("SELECT {}, {} FROM {} WHERE deleted_at IS NULL")
_ALL, _OWN = _SUMS.format(sql.SQL("")), _SUMS.format(sql.SQL("FILTER (WHERE id = %(own)s)"))


async def used(tx: Tx, scope: WorkspaceScope, own: UUID | None = None) -> tuple[Usage, Usage]:
    """By all of the workspace's datasets but deleted ones, and by the one with the id `own`."""
    if not await has_schema(tx, scope):
        return Usage(), Usage()
    found = await tx.execute(_USED.format(_ALL, _OWN, table(scope, "datasets")), {"own": own})
    row = await found.fetchone() or (0,) * 6
    return Usage(*row[:3]), Usage(*row[3:])
