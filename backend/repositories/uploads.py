"""Files that wait in the database: for their import, or because their sender asked for it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row

from backend.errors import WorkspaceNotFound
from backend.repositories.database import Database, Tx

_ADD = """
INSERT INTO sheaf.uploads
    (id, user_id, filename, media_type, charset, format, size, sha256, kept, expires_at, workspace_id)
SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s, id
FROM sheaf.workspaces WHERE id = %s AND deleted_at IS NULL RETURNING expires_at
"""
_FIND = """
SELECT id, workspace_id, filename, media_type, charset, format, size, sha256, expires_at
FROM sheaf.uploads WHERE id = %s AND workspace_id = ANY(%s) AND (%s OR expires_at > now())
FOR KEY SHARE
"""
_STORED = "SELECT coalesce(sum(size), 0)::bigint FROM sheaf.uploads WHERE workspace_id = %s"
_EXPIRE = """
UPDATE sheaf.uploads SET expires_at = now()
WHERE id = %s AND workspace_id = %s AND kept AND expires_at > now()
"""
_SWEEP = """
DELETE FROM sheaf.uploads u WHERE (NOT u.kept OR u.expires_at <= now()) AND NOT EXISTS (
    SELECT 1 FROM sheaf.imports i WHERE i.upload_id = u.id AND i.state IN ('queued', 'running')
)
"""


class FileFacts(Struct, frozen=True):
    """What was told of a file when it came; `size` in bytes."""

    filename: str | None
    media_type: str | None
    charset: str | None
    format: str | None
    size: int
    sha256: str


class Stored(FileFacts, frozen=True, kw_only=True):
    """A file in the database."""

    id: UUID
    workspace_id: UUID
    expires_at: datetime


async def add(
    tx: Tx, upload_id: UUID, workspace_id: UUID, user_id: UUID, facts: FileFacts, *, kept: bool, keep: timedelta
) -> datetime:
    """Adds a file without its bytes; answers when it expires.

    Raises WorkspaceNotFound where the workspace was deleted meanwhile.
    """
    values = (facts.filename, facts.media_type, facts.charset, facts.format, facts.size, facts.sha256)
    added = await (await tx.execute(_ADD, (upload_id, user_id, *values, kept, keep, workspace_id))).fetchone()
    if added is None:
        raise WorkspaceNotFound
    moment: datetime = added[0]
    return moment


async def stored(tx: Tx, workspace_id: UUID) -> int:
    """The bytes of a workspace's files."""
    row = await (await tx.execute(_STORED, (workspace_id,))).fetchone()
    return int(row[0]) if row else 0


async def take_turn(tx: Tx, workspace_id: UUID) -> None:
    """Until the transaction ends, nobody else who does this adds files to the workspace."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"uploads {workspace_id}",))


async def add_chunks(tx: Tx, upload_id: UUID, chunks: AsyncIterable[bytes]) -> None:
    """The bytes of a file, in order."""
    query = "COPY sheaf.upload_chunks (upload_id, number, data) FROM STDIN (FORMAT binary)"
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["uuid", "int4", "bytea"])
        number = 0
        async for chunk in chunks:
            await copy.write_row((upload_id, number, chunk))
            number += 1


async def find(tx: Tx, workspace_ids: Sequence[UUID], upload_id: UUID, *, even_expired: bool = False) -> Stored | None:
    """A file in one of these workspaces, which stays until the transaction ends; None when it is not there."""
    async with tx.cursor(row_factory=class_row(Stored)) as cursor:
        await cursor.execute(_FIND, (upload_id, list(workspace_ids), even_expired))
        return await cursor.fetchone()


async def chunks(database: Database, upload_id: UUID) -> AsyncIterator[bytes]:
    """The bytes of a file in order; between two of them no connection is held."""
    query, number = "SELECT data FROM sheaf.upload_chunks WHERE upload_id = %s AND number = %s", 0
    while True:
        async with database.read() as tx, tx.cursor(binary=True) as cursor:
            row = await (await cursor.execute(query, (upload_id, number))).fetchone()
        if row is None:
            return
        yield row[0]
        number += 1


async def expire(tx: Tx, workspace_id: UUID, upload_id: UUID) -> bool:
    """Nobody finds it from now on; whether there was one."""
    return (await tx.execute(_EXPIRE, (upload_id, workspace_id))).rowcount == 1


async def sweep(tx: Tx) -> None:
    """Removes the files that nobody can ask for and no open import needs."""
    await tx.execute(_SWEEP)
