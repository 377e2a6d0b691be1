"""Users, their keys, and who a key belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from backend.repositories.database import Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.users import Key

_CALLER = """
SELECT u.id, u.name, k.id, k.scope, k.expires_at, w.id, w.slug, w.name, m.role, w.has_schema
FROM sheaf.api_keys k
JOIN sheaf.users u ON u.id = k.user_id
JOIN sheaf.memberships m ON m.user_id = u.id
JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE k.hash = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND u.disabled_at IS NULL AND w.deleted_at IS NULL
ORDER BY m.is_default DESC, m.created_at, w.id
"""
_MEMBER = """
SELECT u.id, u.name, u.id, 'write', NULL, w.id, w.slug, w.name, m.role, w.has_schema
FROM sheaf.users u
JOIN sheaf.memberships m ON m.user_id = u.id
JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE u.id = %s AND u.disabled_at IS NULL AND w.deleted_at IS NULL
ORDER BY m.is_default DESC, m.created_at, w.id
"""
_KEYS = """
SELECT id, name, scope, created_at, expires_at FROM sheaf.api_keys
WHERE user_id = %s AND revoked_at IS NULL ORDER BY id
"""
_REVOKE = "UPDATE sheaf.api_keys SET revoked_at = %s WHERE user_id = %s AND revoked_at IS NULL AND id = %s"
_REPLACE = "UPDATE sheaf.api_keys SET hash = %s WHERE user_id = %s AND revoked_at IS NULL AND id = %s"


async def find_caller(tx: Tx, key_hash: bytes) -> Caller | None:
    """Who the key with this hash belongs to; None when it is unknown, expired or revoked."""
    return _caller(await (await tx.execute(_CALLER, (key_hash,))).fetchall())


async def find_member(tx: Tx, user_id: UUID) -> Caller | None:
    """A user without a key, for what was promised to them; None when they belong to no workspace any more."""
    return _caller(await (await tx.execute(_MEMBER, (user_id,))).fetchall())


def _caller(rows: Sequence[tuple[Any, ...]]) -> Caller | None:
    if not rows:
        return None
    user_id, user_name, key_id, key_scope, expires_at = rows[0][:5]
    scopes = tuple(WorkspaceScope(*row[5:]) for row in rows)
    return Caller(user_id, user_name, key_id, key_scope, scopes, expires_at)


async def add_user(tx: Tx, user_id: UUID, name: str) -> None:
    await tx.execute("INSERT INTO sheaf.users (id, name) VALUES (%s, %s)", (user_id, name))


async def add_workspace(tx: Tx, owner: UUID, workspace_id: UUID, slug: str, name: str) -> None:
    """A workspace with its first member; the user's default one."""
    await tx.execute("INSERT INTO sheaf.workspaces (id, slug, name) VALUES (%s, %s, %s)", (workspace_id, slug, name))
    await tx.execute(
        "INSERT INTO sheaf.memberships (user_id, workspace_id, role, is_default) VALUES (%s, %s, 'owner', true)",
        (owner, workspace_id),
    )


async def add_key(
    tx: Tx,
    user_id: UUID,
    key_id: UUID,
    key_hash: bytes,
    *,
    name: str | None = None,
    scope: str = "write",
    expires_at: datetime | None = None,
) -> None:
    await tx.execute(
        "INSERT INTO sheaf.api_keys (id, user_id, name, scope, hash, expires_at) VALUES (%s, %s, %s, %s, %s, %s)",
        (key_id, user_id, name, scope, key_hash, expires_at),
    )


async def list_keys(tx: Tx, user_id: UUID) -> tuple[Key, ...]:
    """The user's keys that are not revoked, oldest first."""
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(_KEYS, (user_id,))
        return tuple(await cursor.fetchall())


async def revoke_key(tx: Tx, user_id: UUID, key_id: UUID, at: datetime) -> bool:
    """Whether there was such a key to revoke."""
    return (await tx.execute(_REVOKE, (at, user_id, key_id))).rowcount == 1


async def replace_key_hash(tx: Tx, user_id: UUID, key_id: UUID, key_hash: bytes) -> None:
    """Gives a key a new secret; the old one is dead when this commits."""
    await tx.execute(_REPLACE, (key_hash, user_id, key_id))
