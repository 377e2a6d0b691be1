"""The queue of exports that are made beside the requests, and the chunks in which their files are written.

A running one has a lease, which its worker renews. Each attempt writes chunks of its own, so that a worker that has
lost the lease without noticing cannot spoil what another one makes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from msgspec import Raw, Struct
from psycopg.rows import class_row
from psycopg.types.json import Json

from backend.repositories.database import Tx
from backend.repositories.prepared_exports import COLUMNS, LIVE
from backend.schemas.prepared_exports import PreparedExport

_ADD = f"""
INSERT INTO sheaf.exports
    (id, user_id, dataset_id, version, token, fingerprint, request, filename, media_type, rows, workspace_id)
VALUES (%(id)s, %(user_id)s, %(dataset_id)s, %(version)s, %(token)s, %(fingerprint)s, %(request)s, %(filename)s,
    %(media_type)s, %(rows)s, %(workspace_id)s) RETURNING {COLUMNS}
"""  # noqa: S608
_SAME = f"""
UPDATE sheaf.exports SET expires_at = CASE WHEN state = 'done' THEN now() + %s END WHERE id = (
    SELECT id FROM sheaf.exports
    WHERE workspace_id = %s AND fingerprint = %s AND state <> 'failed' AND {LIVE} ORDER BY created_at LIMIT 1
) RETURNING {COLUMNS}
"""  # noqa: S608
_COUNT = f"""
SELECT count(*) FILTER (WHERE workspace_id = %(workspace)s), count(*) FILTER (WHERE user_id = %(user)s)
FROM sheaf.exports WHERE (workspace_id = %(workspace)s OR user_id = %(user)s) AND {LIVE}
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
