"""Workspaces as one of their members sees them: with their role and with what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from backend.repositories import quotas
from backend.repositories.database import Tx
from backend.schemas.callers import WorkspaceScope
from backend.schemas.workspaces import Workspace, WorkspaceHead

_TOLD = """
SELECT w.id, w.slug, w.name, m.role, w.has_schema, w.description, m.is_default, w.created_at, w.updated_at, w.revision,
    (SELECT count(*) FROM sheaf.memberships o WHERE o.workspace_id = w.id)
FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE m.user_id = %s AND w.deleted_at IS NULL
"""
_PAGE = f"{_TOLD} ORDER BY m.is_default DESC, m.created_at, w.id LIMIT %s OFFSET %s"
_ONE = f"{_TOLD} AND w.id = %s"
_COUNT = """
SELECT count(*) FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE m.user_id = %s AND w.deleted_at IS NULL
"""
_SLUGS = """
SELECT w.id, w.slug FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE m.user_id = %s AND w.deleted_at IS NULL AND (m.is_default OR NOT m.invited)
"""
_DELETED = """
SELECT w.id, w.slug, w.name, m.role, w.has_schema, m.invited, w.deleted_at
FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE m.user_id = %(user)s AND (w.id = %(id)s::uuid OR w.slug = %(slug)s) AND m.role = 'owner'
    AND w.deleted_at > %(since)s
ORDER BY w.id FOR NO KEY UPDATE OF w
"""


async def list_page(tx: Tx, user_id: UUID, *, limit: int, offset: int) -> tuple[list[Workspace], int]:
    """One page of a user's workspaces, the default one first, then the oldest, and how many there are."""
    rows = await (await tx.execute(_PAGE, (user_id, limit, offset))).fetchall()
    count = await (await tx.execute(_COUNT, (user_id,))).fetchone()
    return [(await _head(tx, row)).workspace for row in rows], count[0] if count else 0


async def find(tx: Tx, user_id: UUID, workspace_id: UUID) -> WorkspaceHead | None:
    """None where it is deleted or the user is no member."""
    row = await (await tx.execute(_ONE, (user_id, workspace_id))).fetchone()
    return None if row is None else await _head(tx, row)


async def _head(tx: Tx, row: Sequence[Any]) -> WorkspaceHead:
    """With one statement more, since each touches one workspace's schema."""
    scope = WorkspaceScope(*row[:5])
    description, is_default, created_at, updated_at, revision, members = row[5:]
    used = await quotas.used(tx, scope)
    workspace = Workspace(
        id=scope.id,
        slug=scope.slug,
        name=scope.name,
        description=description,
        role=scope.role,
        is_default=is_default,
        datasets=used.datasets,
        rows=used.rows,
        bytes=used.bytes,
        members=members,
        created_at=created_at,
        updated_at=updated_at,
    )
    return WorkspaceHead(workspace, revision)


async def slugs(tx: Tx, user_id: UUID) -> dict[UUID, str]:
    """The slugs of a user's workspaces, but for those that others added them to, which take no slug from them."""
    return dict(await (await tx.execute(_SLUGS, (user_id,))).fetchall())


async def find_deleted(
    tx: Tx, user_id: UUID, ref: UUID | str, since: datetime
) -> list[tuple[WorkspaceScope, datetime]]:
    """This owner's workspaces with this id or slug that were deleted since then, and when; they are locked."""
    named = {"id": ref, "slug": None} if isinstance(ref, UUID) else {"id": None, "slug": ref}
    rows = await (await tx.execute(_DELETED, {"user": user_id, "since": since, **named})).fetchall()
    return [(WorkspaceScope(*row[:6]), row[6]) for row in rows]
