"""All users and keys, for the operator; the key of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from psycopg.rows import class_row

from backend.repositories import advisory_locks
from backend.repositories.database import Tx
from backend.schemas.users import Account, AccountKey

_ACCOUNTS = """
SELECT u.id, u.name, u.created_at, u.disabled_at, (
    SELECT count(*) FROM sheaf.api_keys k
    WHERE k.user_id = u.id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
) AS keys
FROM sheaf.users u
WHERE %(id)s::uuid IS NULL AND %(name)s::text IS NULL OR u.id = %(id)s OR u.name = %(name)s ORDER BY u.id
"""
_KEYS = """
SELECT k.id, k.user_id, u.name AS user_name, k.name, k.scope, k.origin, k.created_at, k.expires_at
FROM sheaf.api_keys k JOIN sheaf.users u ON u.id = k.user_id
WHERE k.revoked_at IS NULL AND (%(user)s::uuid IS NULL OR k.user_id = %(user)s) ORDER BY k.user_id, k.id
"""


async def list_accounts(tx: Tx, *, user_id: UUID | None = None, name: str | None = None) -> Sequence[Account]:
    """The users with this id or this name, or all of them; oldest first."""
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(_ACCOUNTS, {"id": user_id, "name": name})
        return await cursor.fetchall()


async def list_keys(tx: Tx, user_id: UUID | None) -> Sequence[AccountKey]:
    """The keys that are not revoked: of this user, or of all."""
    async with tx.cursor(row_factory=class_row(AccountKey)) as cursor:
        await cursor.execute(_KEYS, {"user": user_id})
        return await cursor.fetchall()


async def disable(tx: Tx, user_id: UUID) -> None:
    """None of the user's keys works any more once this is committed; a second time changes nothing."""
    statement = "UPDATE sheaf.users SET disabled_at = %s WHERE id = %s AND disabled_at IS NULL"
    await tx.execute(statement, (datetime.now(UTC), user_id))


async def enable(tx: Tx, user_id: UUID) -> None:
    await tx.execute("UPDATE sheaf.users SET disabled_at = NULL WHERE id = %s", (user_id,))


async def lock_bootstrap(tx: Tx) -> None:
    """Processes that start together take turns until they commit."""
    await tx.execute("SELECT pg_advisory_xact_lock(%s)", (advisory_locks.BOOTSTRAP,))


async def find_bootstrap_user(tx: Tx) -> UUID | None:
    """Whose the key of the configuration was, dead or alive, when there was one."""
    statement = "SELECT user_id FROM sheaf.api_keys WHERE origin = 'bootstrap' ORDER BY id DESC LIMIT 1"
    found = await (await tx.execute(statement)).fetchone()
    return found[0] if found else None


async def adopt_key(tx: Tx, key_hash: bytes) -> None:
    """A key that was only presented is one that is trusted."""
    statement = "UPDATE sheaf.api_keys SET origin = 'bootstrap' WHERE hash = %s AND origin = 'presented'"
    await tx.execute(statement, (key_hash,))


async def revoke_former_bootstrap_keys(tx: Tx, key_hash: bytes) -> bool:
    """Revokes those of the configuration but this one. Whether there was any."""
    statement = (
        "UPDATE sheaf.api_keys SET revoked_at = %s WHERE origin = 'bootstrap' AND revoked_at IS NULL AND hash <> %s"
    )
    return (await tx.execute(statement, (datetime.now(UTC), key_hash))).rowcount > 0
