"""Who belongs to which workspace, as what, and which one is whose default."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.rows import class_row

from backend.repositories.database import Tx
from backend.schemas.users import Role
from backend.schemas.workspaces import Member

_MEMBERS = """
SELECT u.id, u.name, m.role, m.created_at FROM sheaf.memberships m JOIN sheaf.users u ON u.id = m.user_id
WHERE m.workspace_id = %s
"""
_PAGE = f"{_MEMBERS} ORDER BY m.created_at, u.id LIMIT %s OFFSET %s"
_ONE = f"{_MEMBERS} AND m.user_id = %s"
_COUNT = "SELECT count(*) FROM sheaf.memberships WHERE workspace_id = %s"
_OWNERS = """
SELECT m.user_id FROM sheaf.memberships m JOIN sheaf.users u ON u.id = m.user_id
WHERE m.workspace_id = %s AND m.role = 'owner' AND u.disabled_at IS NULL
"""
_ADD = "INSERT INTO sheaf.memberships (user_id, workspace_id, role, is_default, invited) VALUES (%s, %s, %s, %s, %s)"
_BELONGS = """
SELECT count(*) FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id
WHERE m.user_id = %s AND m.invited = %s AND w.deleted_at IS NULL
"""
_CHANGE = "UPDATE sheaf.memberships SET role = %s WHERE workspace_id = %s AND user_id = %s"
_REMOVE = "DELETE FROM sheaf.memberships WHERE workspace_id = %s AND user_id = %s"
_LOCK_USERS = "SELECT id FROM sheaf.users WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_OF_WORKSPACE = "SELECT user_id FROM sheaf.memberships WHERE workspace_id = %s"
_NOBODYS_DEFAULT = "UPDATE sheaf.memberships SET is_default = false WHERE workspace_id = %s AND is_default"
_CHOOSE = """
UPDATE sheaf.memberships SET is_default = (workspace_id = %(workspace)s)
WHERE user_id = %(user)s AND is_default <> (workspace_id = %(workspace)s)
"""
_NEXT_DEFAULT = """
UPDATE sheaf.memberships m SET is_default = true FROM (
    SELECT DISTINCT ON (o.user_id) o.user_id, o.workspace_id
    FROM sheaf.memberships o JOIN sheaf.workspaces w ON w.id = o.workspace_id
    WHERE o.user_id = ANY(%s) AND w.deleted_at IS NULL AND (o.is_default OR NOT o.invited)
    ORDER BY o.user_id, o.is_default DESC, o.created_at, o.workspace_id
) AS first WHERE m.user_id = first.user_id AND m.workspace_id = first.workspace_id AND NOT m.is_default
"""
_HOMELESS = """
SELECT u.id, u.name FROM sheaf.users u WHERE u.id = ANY(%s) AND NOT EXISTS (
    SELECT FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id
    WHERE m.user_id = u.id AND w.deleted_at IS NULL AND m.is_default
)
"""


async def list_page(tx: Tx, workspace_id: UUID, *, limit: int, offset: int) -> tuple[list[Member], int]:
    """One page of a workspace's members, the oldest first, and how many there are."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(_PAGE, (workspace_id, limit, offset))
        found = await cursor.fetchall()
    row = await (await tx.execute(_COUNT, (workspace_id,))).fetchone()
    return found, row[0] if row else 0


async def find(tx: Tx, workspace_id: UUID, user_id: UUID) -> Member | None:
    """None: no member of it."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(_ONE, (workspace_id, user_id))
        return await cursor.fetchone()


async def owners(tx: Tx, workspace_id: UUID) -> set[UUID]:
    """Its owners who are not disabled."""
    return {row[0] for row in await (await tx.execute(_OWNERS, (workspace_id,))).fetchall()}


async def is_user(tx: Tx, user_id: UUID) -> bool:
    """Whether there is such a user, not disabled."""
    query = "SELECT FROM sheaf.users WHERE id = %s AND disabled_at IS NULL"
    return await (await tx.execute(query, (user_id,))).fetchone() is not None


async def add(
    tx: Tx, workspace_id: UUID, user_id: UUID, role: Role, *, default: bool = False, invited: bool = False
) -> None:
    """`invited`: by somebody else."""
    await tx.execute(_ADD, (user_id, workspace_id, role, default, invited))


async def count_of(tx: Tx, user_id: UUID, *, invited: bool) -> int:
    """How many workspaces the user belongs to: those that others added them to, or the others."""
    row = await (await tx.execute(_BELONGS, (user_id, invited))).fetchone()
    return row[0] if row else 0


async def change(tx: Tx, workspace_id: UUID, user_id: UUID, role: Role) -> None:
    await tx.execute(_CHANGE, (role, workspace_id, user_id))


async def remove(tx: Tx, workspace_id: UUID, user_id: UUID) -> None:
    await tx.execute(_REMOVE, (workspace_id, user_id))


async def remove_all(tx: Tx, workspace_id: UUID) -> None:
    """Nobody belongs to the workspace any more."""
    await tx.execute("DELETE FROM sheaf.memberships WHERE workspace_id = %s", (workspace_id,))


async def list_ids(tx: Tx, workspace_id: UUID) -> list[UUID]:
    """Every member's user id."""
    return [row[0] for row in await (await tx.execute(_OF_WORKSPACE, (workspace_id,))).fetchall()]


async def lock_users(tx: Tx, user_ids: Sequence[UUID]) -> None:
    """Until the transaction ends, nobody else decides which is their default workspace.

    A lock on a workspace is taken before, never after.
    """
    await tx.execute(_LOCK_USERS, (list(user_ids),))


async def choose_default(tx: Tx, workspace_id: UUID, user_id: UUID) -> None:
    """Makes a workspace of the user's, who is locked, their default one."""
    await tx.execute(_CHOOSE, {"workspace": workspace_id, "user": user_id})


async def nobodys_default(tx: Tx, workspace_id: UUID) -> None:
    """A workspace is no member's default any more; they are locked."""
    await tx.execute(_NOBODYS_DEFAULT, (workspace_id,))


async def next_defaults(tx: Tx, user_ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    """Gives those of these users who have no default workspace the oldest one that they were not invited to; they are
    locked.

    Answers id and name of those who have none.
    """
    await tx.execute(_NEXT_DEFAULT, (list(user_ids),))
    return [(row[0], row[1]) for row in await (await tx.execute(_HOMELESS, (list(user_ids),))).fetchall()]
