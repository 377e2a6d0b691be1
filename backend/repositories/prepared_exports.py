"""Exports that are made beside the requests: their state, their queue, and their files in chunks of one size.

A running one has a lease, which its worker renews. Each attempt writes chunks of its own, so that a worker that has
lost the lease without noticing cannot spoil what another one makes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from msgspec import Raw, Struct
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Json

from backend.repositories.database import Database, Tx
from backend.repositories.workspaces import has_schema, table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.prepared_exports import PreparedExport

CHUNK = 2**20
"""Bytes of each chunk of a file but its last one."""

_LIVE = "(expires_at IS NULL OR expires_at > now())"
_COLUMNS = (
    "id, state, percent, rows, bytes, filename, media_type, dataset_id AS dataset, version, created_at, finished_at,"
    " expires_at, problem"
)
_ADD = f"""
INSERT INTO sheaf.exports
    (id, user_id, dataset_id, version, token, fingerprint, request, filename, media_type, rows, workspace_id)
VALUES (%(id)s, %(user_id)s, %(dataset_id)s, %(version)s, %(token)s, %(fingerprint)s, %(request)s, %(filename)s,
    %(media_type)s, %(rows)s, %(workspace_id)s) RETURNING {_COLUMNS}
"""  # noqa: S608
_READABLE = sql.SQL(
    "EXISTS (SELECT FROM {} d JOIN {} v ON v.dataset_id = d.id WHERE d.id = e.dataset_id AND d.deleted_at IS NULL"
    " AND v.version = e.version AND v.pruned_at IS NULL)"
)
"""What the file shows can still be read from its dataset."""
_STATUS = sql.SQL(
    f"SELECT {_COLUMNS} FROM sheaf.exports e WHERE id = %s AND workspace_id = %s AND {_LIVE} AND {{}}"  # noqa: S608
)
_LISTED = f"FROM sheaf.exports e WHERE workspace_id = %s AND {_LIVE} AND {{}}"
_LIST = sql.SQL(f"SELECT {_COLUMNS} {_LISTED} ORDER BY created_at DESC, id DESC LIMIT %s OFFSET %s")
_COUNT_LISTED = sql.SQL(f"SELECT count(*) {_LISTED}")
_SENT = f"SELECT workspace_id, user_id FROM sheaf.exports WHERE id = %s AND workspace_id = ANY(%s) AND {_LIVE}"  # noqa: S608
_SWEEP = sql.SQL("DELETE FROM sheaf.exports e WHERE workspace_id = %s AND NOT {}")
_SAME = f"""
UPDATE sheaf.exports SET expires_at = CASE WHEN state = 'done' THEN now() + %s END WHERE id = (
    SELECT id FROM sheaf.exports
    WHERE workspace_id = %s AND fingerprint = %s AND state <> 'failed' AND {_LIVE} ORDER BY created_at LIMIT 1
) RETURNING {_COLUMNS}
"""  # noqa: S608
_COUNT = f"""
SELECT count(*) FILTER (WHERE workspace_id = %(workspace)s), count(*) FILTER (WHERE user_id = %(user)s)
FROM sheaf.exports WHERE (workspace_id = %(workspace)s OR user_id = %(user)s) AND {_LIVE}
"""  # noqa: S608
_STORED = "SELECT coalesce(sum(bytes), 0)::bigint FROM sheaf.exports WHERE workspace_id = %s"
_CLAIM = """
UPDATE sheaf.exports e SET state = 'running', worker = %s, lease_until = now() + %s, attempts = attempts + 1,
    percent = 0, bytes = 0
WHERE id = (
    SELECT x.id FROM sheaf.exports x JOIN sheaf.workspaces w ON w.id = x.workspace_id AND w.deleted_at IS NULL
    WHERE x.state IN ('queued', 'running') AND (x.lease_until IS NULL OR x.lease_until < now())
    ORDER BY (
        SELECT max(coalesce(y.finished_at, y.lease_until)) FROM sheaf.exports y WHERE y.user_id = x.user_id
    ) NULLS FIRST, x.created_at FOR UPDATE OF x SKIP LOCKED LIMIT 1
) RETURNING id, workspace_id, dataset_id, version, token, request, rows, attempts
"""
_OURS = "id = %(id)s AND worker = %(worker)s AND attempts = %(attempt)s AND state = 'running'"
_RENEW = f"UPDATE sheaf.exports SET percent = %(percent)s, lease_until = now() + %(lease)s WHERE {_OURS}"  # noqa: S608
_ADD_CHUNK = f"""
WITH ours AS (UPDATE sheaf.exports SET bytes = bytes + %(size)s WHERE {_OURS} RETURNING id)
INSERT INTO sheaf.export_chunks (export_id, attempt, number, data)
SELECT id, %(attempt)s, %(number)s, %(data)b FROM ours
"""  # noqa: S608
_DONE = f"""
UPDATE sheaf.exports SET state = 'done', percent = 100, lease_until = NULL, finished_at = now(),
    expires_at = now() + %(keep)s WHERE {_OURS}
"""  # noqa: S608
_FAIL = f"""
UPDATE sheaf.exports SET state = 'failed', lease_until = NULL, finished_at = now(), expires_at = now() + %(keep)s,
    bytes = 0, problem = %(problem)s WHERE {_OURS}
"""  # noqa: S608
_RELEASE = f"""
UPDATE sheaf.exports SET state = 'queued', worker = NULL, lease_until = now() + %(wait)s, bytes = 0,
    attempts = attempts - %(uncounted)s WHERE {_OURS}
"""  # noqa: S608
_DROP_CHUNKS = "DELETE FROM sheaf.export_chunks WHERE export_id = %(id)s AND attempt <> %(kept)s"


class NewExport(Struct, frozen=True):
    """What an export is made of. `fingerprint` is equal for those whose files are equal; `request` is JSON."""

    id: UUID
    workspace_id: UUID
    user_id: UUID
    dataset_id: UUID
    version: int
    token: str
    fingerprint: str
    request: bytes
    filename: str
    media_type: str
    rows: int


class Claimed(Struct, frozen=True):
    """An export that this worker makes; `attempts` counts this one too."""

    id: UUID
    workspace_id: UUID
    dataset_id: UUID
    version: int
    token: str
    request: Raw
    rows: int
    attempts: int


class Lease(Struct, frozen=True):
    """Who makes an export, in which attempt."""

    id: UUID
    worker: UUID
    attempt: int

    def params(self, **more: Any) -> dict[str, Any]:
        return {"id": self.id, "worker": self.worker, "attempt": self.attempt, **more}


async def add(tx: Tx, new: NewExport) -> PreparedExport:
    """One that waits for a worker."""
    params = {name: getattr(new, name) for name in NewExport.__struct_fields__}
    async with tx.cursor(row_factory=class_row(PreparedExport)) as cursor:
        await cursor.execute(_ADD, params | {"request": Json(new.request, dumps=bytes)})
        return cast("PreparedExport", await cursor.fetchone())


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


async def find_same(tx: Tx, workspace_id: UUID, fingerprint: str, keep: timedelta) -> PreparedExport | None:
    """One that makes, or made, the same file; that is kept for so long from now on."""
    async with tx.cursor(row_factory=class_row(PreparedExport)) as cursor:
        await cursor.execute(_SAME, (keep, workspace_id, fingerprint))
        return await cursor.fetchone()


async def count(tx: Tx, workspace_id: UUID, user_id: UUID) -> tuple[int, int]:
    """How many a workspace has, and how many a user has sent to any workspace, finished or not."""
    row = await (await tx.execute(_COUNT, {"workspace": workspace_id, "user": user_id})).fetchone()
    return (row[0], row[1]) if row else (0, 0)


async def stored(tx: Tx, workspace_id: UUID) -> int:
    """The bytes of a workspace's files, as far as they are there."""
    row = await (await tx.execute(_STORED, (workspace_id,))).fetchone()
    return int(row[0]) if row else 0


async def sent(tx: Tx, workspace_ids: Sequence[UUID], export_id: UUID) -> tuple[UUID, UUID] | None:
    """Which of these workspaces an export belongs to, and who has sent for it."""
    row = await (await tx.execute(_SENT, (export_id, list(workspace_ids)))).fetchone()
    return (row[0], row[1]) if row else None


async def claim(tx: Tx, worker: UUID, lease: timedelta) -> Claimed | None:
    """A new one, or one whose worker renews its lease no more: the oldest of the user who was served longest ago."""
    async with tx.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(_CLAIM, (worker, lease))
        return await cursor.fetchone()


async def renew(tx: Tx, lease: Lease, time: timedelta, percent: float) -> bool:
    """Whether it still is this worker's, for another while; tells how far it is."""
    return (await tx.execute(_RENEW, lease.params(lease=time, percent=percent))).rowcount == 1


async def add_chunk(tx: Tx, lease: Lease, number: int, data: bytes) -> bool:
    """The next bytes of the file; false where it is not this worker's any more."""
    added = await tx.execute(_ADD_CHUNK, lease.params(number=number, data=data, size=len(data)))
    return added.rowcount == 1


async def finish(tx: Tx, lease: Lease, keep: timedelta) -> None:
    """All chunks are there: the file can be had, unless it is not this worker's any more."""
    done = await tx.execute(_DONE, lease.params(keep=keep))
    if done.rowcount == 1:
        await tx.execute(_DROP_CHUNKS, {"id": lease.id, "kept": lease.attempt})


async def fail(tx: Tx, lease: Lease, problem: bytes, keep: timedelta) -> None:
    """There will be no file; `problem` (JSON) says why."""
    failed = await tx.execute(_FAIL, lease.params(problem=Json(problem, dumps=bytes), keep=keep))
    if failed.rowcount == 1:
        await tx.execute(_DROP_CHUNKS, {"id": lease.id, "kept": 0})


async def release(tx: Tx, lease: Lease, *, counts: bool, wait: timedelta) -> None:
    """Back into the queue, from which nobody takes it before the `wait` is over; `counts`: as one attempt more."""
    released = await tx.execute(_RELEASE, lease.params(wait=wait, uncounted=0 if counts else 1))
    if released.rowcount == 1:
        await tx.execute(_DROP_CHUNKS, {"id": lease.id, "kept": 0})


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
