"""Users, their keys, and who a key belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from backend.repositories.database import Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.users import Key, KeyOrigin, KeyScope

_CALLER = """
SELECT u.id, u.name, k.id, k.scope, k.expires_at, k.hash, w.id, w.slug, w.name, m.role, w.has_schema,
    m.invited
FROM sheaf.api_keys k
JOIN sheaf.users u ON u.id = k.user_id
JOIN sheaf.memberships m ON m.user_id = u.id
JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE k.hash = %s AND k.origin = ANY(%s) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND u.disabled_at IS NULL AND w.deleted_at IS NULL
ORDER BY m.is_default DESC, m.created_at, w.id
"""
_MEMBER = """
SELECT u.id, u.name, u.id, 'write', NULL, ''::bytea, w.id, w.slug, w.name, m.role, w.has_schema,
    m.invited
FROM sheaf.users u
JOIN sheaf.memberships m ON m.user_id = u.id
JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE u.id = %s AND u.disabled_at IS NULL AND w.deleted_at IS NULL
ORDER BY m.is_default DESC, m.created_at, w.id
"""
_ADD_KEY = """
INSERT INTO sheaf.api_keys (id, user_id, name, scope, hash, expires_at, origin) VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_KEYS = """
SELECT id, name, scope, created_at, expires_at, id = %s AS current FROM sheaf.api_keys
WHERE user_id = %s AND revoked_at IS NULL ORDER BY id
"""
_REVOKE = """
UPDATE sheaf.api_keys SET revoked_at = %(at)s
WHERE id = %(id)s AND revoked_at IS NULL AND (user_id = %(user)s OR %(user)s::uuid IS NULL)
"""
_REPLACE = """
UPDATE sheaf.api_keys k SET hash = %s, origin = 'issued' FROM sheaf.api_keys old
WHERE k.id = %s AND k.hash = %s AND k.revoked_at IS NULL AND old.id = k.id
RETURNING old.origin
"""
_BURY = """
INSERT INTO sheaf.api_keys (id, user_id, name, scope, hash, origin, created_at, expires_at, revoked_at)
SELECT %s, user_id, name, scope, %s, %s, created_at, expires_at, %s FROM sheaf.api_keys WHERE id = %s
"""
_WORKS = "SELECT FROM sheaf.api_keys WHERE id = %s AND hash = %s AND revoked_at IS NULL FOR SHARE"


async def find_caller(tx: Tx, key_hash: bytes, origins: Sequence[KeyOrigin]) -> Caller | None:
    """Who the key with this hash belongs to; None when it is unknown, expired, revoked or of another origin."""
    return _caller(await (await tx.execute(_CALLER, (key_hash, list(origins)))).fetchall())


async def key_exists(tx: Tx, key_hash: bytes) -> bool:
    """Whether the key was ever here, dead or alive; nobody else who asks this can add it until this commits."""
    await tx.execute("SELECT pg_advisory_xact_lock(%s)", (int.from_bytes(key_hash[:8], signed=True),))
    return (await tx.execute("SELECT FROM sheaf.api_keys WHERE hash = %s", (key_hash,))).rowcount == 1


async def find_member(tx: Tx, user_id: UUID) -> Caller | None:
    """A user without a key, for what was promised to them; None when they belong to no workspace any more."""
    return _caller(await (await tx.execute(_MEMBER, (user_id,))).fetchall())


def _caller(rows: Sequence[tuple[Any, ...]]) -> Caller | None:
    if not rows:
        return None
    user_id, user_name, key_id, key_scope, expires_at, key_hash = rows[0][:6]
    scopes = tuple(WorkspaceScope(*row[6:]) for row in rows)
    return Caller(user_id, user_name, key_id, key_scope, scopes, expires_at, key_hash)


async def add_user(tx: Tx, user_id: UUID, name: str) -> None:
    await tx.execute("INSERT INTO sheaf.users (id, name) VALUES (%s, %s)", (user_id, name))


async def add_key(
    tx: Tx,
    user_id: UUID,
    key_id: UUID,
    key_hash: bytes,
    *,
    name: str | None = None,
    scope: KeyScope = "write",
    expires_at: datetime | None = None,
    origin: KeyOrigin = "issued",
) -> None:
    await tx.execute(_ADD_KEY, (key_id, user_id, name, scope, key_hash, expires_at, origin))


async def list_keys(tx: Tx, caller: Caller) -> tuple[Key, ...]:
    """The caller's keys that are not revoked, oldest first."""
    async with tx.cursor(row_factory=class_row(Key)) as cursor:
        await cursor.execute(_KEYS, (caller.key_id, caller.user_id))
        return tuple(await cursor.fetchall())


async def still_works(tx: Tx, caller: Caller) -> bool:
    """Whether the caller's key was neither revoked nor rotated meanwhile; nor is it until this commits."""
    return (await tx.execute(_WORKS, (caller.key_id, caller.key_hash))).rowcount == 1


async def revoke_key(tx: Tx, key_id: UUID, *, of: UUID | None = None) -> bool:
    """Whether there was such a key to revoke, of this user where one is named."""
    return (await tx.execute(_REVOKE, {"at": datetime.now(UTC), "id": key_id, "user": of})).rowcount == 1


async def replace_key_hash(tx: Tx, caller: Caller, key_hash: bytes, *, bury: UUID) -> bool:
    """Gives the caller's key a new secret, unless it is dead by now; the old one stays, dead, with the id `bury`.

    If it did not, it could come back to life where any key that nobody knows makes its own user.
    """
    found = await (await tx.execute(_REPLACE, (key_hash, caller.key_id, caller.key_hash))).fetchone()
    if found is not None:
        await tx.execute(_BURY, (bury, caller.key_hash, found[0], datetime.now(UTC), caller.key_id))
    return found is not None
