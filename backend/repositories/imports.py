"""The state of every import, and the queue of those that were promised.

A running import has a lease, which the worker that runs it renews; that of a queued one is the time it is to wait. Only
the holder of the lease can end it as done, in the transaction that publishes it, so that one import is never published
twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from msgspec import Raw, Struct
from psycopg.rows import class_row
from psycopg.types.json import Json

from backend.errors import WorkspaceNotFound
from backend.metrics import IMPORTS, STAGED
from backend.repositories.database import Tx
from backend.schemas.import_status import ImportStatus

_ADD = """
INSERT INTO sheaf.imports (id, user_id, upload_id, request, bytes, workspace_id, phase, answered, state)
SELECT %s, %s, %s, %s, %s, id, 'waiting', true, 'queued' FROM sheaf.workspaces WHERE id = %s AND deleted_at IS NULL
"""
_ADD_RUNNING = """
INSERT INTO sheaf.imports
    (id, user_id, request, bytes, worker, lease_until, workspace_id, phase, answered, state, started_at)
SELECT %s, %s, %s, %s, %s, now() + %s, id, 'waiting', false, 'running', now()
FROM sheaf.workspaces WHERE id = %s AND deleted_at IS NULL
"""
_STATUS = """
SELECT id, state, phase, rows, bytes, percent,
    (rows / nullif(extract(epoch FROM coalesce(finished_at, now()) - started_at), 0))::float8 AS rows_per_second,
    created_at, started_at, finished_at, answer -> 'dataset' AS dataset, answer -> 'datasets' AS datasets,
    answer -> 'import' AS report, answer -> 'changes' AS changes,
    CASE WHEN answer -> 'columns' IS NOT NULL THEN answer END AS plan, answer -> 'plans' AS plans, problem
FROM sheaf.imports WHERE id = %s AND workspace_id = ANY(%s)
"""
_LIST = """
SELECT id, state, phase, rows, bytes, percent,
    (rows / nullif(extract(epoch FROM coalesce(finished_at, now()) - started_at), 0))::float8 AS rows_per_second,
    created_at, started_at, finished_at, answer -> 'dataset' AS dataset
FROM sheaf.imports WHERE workspace_id = %s
ORDER BY created_at DESC, id DESC LIMIT %s OFFSET %s
"""
_COUNT = "SELECT count(*) FROM sheaf.imports WHERE workspace_id = %s"
_CLAIM = """
UPDATE sheaf.imports SET state = 'running', worker = %s, lease_until = now() + %s, attempts = attempts + 1,
    started_at = now(), rows = 0, percent = 0, phase = 'waiting'
WHERE id = (
    SELECT id FROM sheaf.imports
    WHERE answered AND state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < now())
    ORDER BY created_at FOR UPDATE SKIP LOCKED LIMIT 1
) RETURNING id, workspace_id, user_id, upload_id, request, attempts, cancelled
"""
_RENEW = """
UPDATE sheaf.imports i SET phase = v.phase, rows = v.rows, percent = v.percent, lease_until = now() + %s
FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::float8[]) AS v (id, phase, rows, percent)
WHERE i.id = v.id AND i.worker = %s AND i.state = 'running' RETURNING i.id, i.cancelled
"""
# The import's own transaction began when it did: now() would be that.
_DONE = """
UPDATE sheaf.imports SET state = 'done', phase = 'done', percent = 100, rows = %s, dataset_id = %s, answer = %s,
    finished_at = statement_timestamp(), lease_until = NULL
WHERE id = %s AND worker = %s AND state = 'running' AND NOT cancelled RETURNING upload_id
"""
_OURS = "SELECT 1 FROM sheaf.imports WHERE id = %s AND worker = %s AND state = 'running'"
_END = """
UPDATE sheaf.imports SET state = CASE WHEN cancelled THEN 'cancelled' ELSE %s END,
    problem = CASE WHEN cancelled THEN NULL ELSE %s::json END, finished_at = now(), lease_until = NULL
WHERE id = %s AND worker = %s AND state = 'running'
"""
_RELEASE = """
UPDATE sheaf.imports SET state = 'queued', worker = NULL, lease_until = now() + %s, attempts = attempts - %s,
    phase = 'waiting', rows = 0, percent = 0, started_at = NULL
WHERE id = %s AND worker = %s AND state = 'running'
"""
_CANCEL = """
UPDATE sheaf.imports SET cancelled = true, state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
    finished_at = CASE state WHEN 'queued' THEN now() END
WHERE id = %s AND workspace_id = %s AND state IN ('queued', 'running') RETURNING state
"""
_CANCEL_ALL = """
UPDATE sheaf.imports SET cancelled = true, state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
    finished_at = CASE state WHEN 'queued' THEN now() END
WHERE workspace_id = %s AND state IN ('queued', 'running')
"""
_STOP = "UPDATE sheaf.imports SET cancelled = true WHERE workspace_id = %s AND user_id = %s AND state = 'running'"
_DROP = "DELETE FROM sheaf.imports WHERE id = %s AND worker = %s AND state = 'running'"
_DROP_ABANDONED = "DELETE FROM sheaf.imports WHERE state = 'running' AND NOT answered AND lease_until < now()"
_DROP_OLD = "DELETE FROM sheaf.imports WHERE finished_at < now() - %s"
_DROP_UPLOAD = """
DELETE FROM sheaf.uploads u USING sheaf.imports i WHERE i.id = %s AND u.id = i.upload_id AND NOT u.kept
"""


class Claimed(Struct, frozen=True):
    """A promised import that this worker has taken on; `attempts` counts this one too."""

    id: UUID
    workspace_id: UUID
    user_id: UUID
    upload_id: UUID | None
    request: Raw
    attempts: int
    cancelled: bool


class Beat(Struct, frozen=True):
    """What a worker tells of an import that it runs."""

    id: UUID
    phase: str
    rows: int
    percent: float


def _json(encoded: bytes) -> Json:
    return Json(encoded, dumps=bytes)


async def add(
    tx: Tx, import_id: UUID, workspace_id: UUID, user_id: UUID, upload_id: UUID, request: bytes, size: int
) -> None:
    """A promised import, which waits for a worker. `request` is JSON, `size` the file's, in bytes.

    Raises WorkspaceNotFound where the workspace was deleted meanwhile.
    """
    added = await tx.execute(_ADD, (import_id, user_id, upload_id, _json(request), size, workspace_id))
    if added.rowcount == 0:
        raise WorkspaceNotFound


async def add_running(
    tx: Tx,
    import_id: UUID,
    workspace_id: UUID,
    user_id: UUID,
    request: bytes,
    size: int,
    *,
    worker: UUID,
    lease: timedelta,
) -> None:
    """An import whose caller waits for it. Raises WorkspaceNotFound where the workspace was deleted meanwhile."""
    added = await tx.execute(_ADD_RUNNING, (import_id, user_id, _json(request), size, worker, lease, workspace_id))
    if added.rowcount == 0:
        raise WorkspaceNotFound


async def get(tx: Tx, import_id: UUID, workspace_id: UUID) -> ImportStatus:
    """An import that this transaction has added."""
    async with tx.cursor(row_factory=class_row(ImportStatus)) as cursor:
        await cursor.execute(_STATUS, (import_id, [workspace_id]))
        (status,) = await cursor.fetchall()
        return status


async def find(tx: Tx, workspace_ids: Sequence[UUID], import_id: UUID) -> ImportStatus | None:
    """An import of one of these workspaces."""
    async with tx.cursor(row_factory=class_row(ImportStatus)) as cursor:
        await cursor.execute(_STATUS, (import_id, list(workspace_ids)))
        return await cursor.fetchone()


async def workspace_id_of(tx: Tx, workspace_ids: Sequence[UUID], import_id: UUID) -> UUID | None:
    """Which of these workspaces an import belongs to."""
    query = "SELECT workspace_id FROM sheaf.imports WHERE id = %s AND workspace_id = ANY(%s)"
    row = await (await tx.execute(query, (import_id, list(workspace_ids)))).fetchone()
    return row[0] if row else None


async def list_page(tx: Tx, workspace_id: UUID, *, limit: int, offset: int) -> tuple[list[ImportStatus], int]:
    """One page of a workspace's imports, the newest first and without their reports, and how many there are."""
    async with tx.cursor(row_factory=class_row(ImportStatus)) as cursor:
        await cursor.execute(_LIST, (workspace_id, limit, offset))
        found = await cursor.fetchall()
    row = await (await tx.execute(_COUNT, (workspace_id,))).fetchone()
    return found, row[0] if row else 0


async def claim(tx: Tx, worker: UUID, lease: timedelta) -> Claimed | None:
    """The promised import that has waited longest: a new one, or one whose worker renews its lease no more."""
    async with tx.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(_CLAIM, (worker, lease))
        return await cursor.fetchone()


async def renew(tx: Tx, worker: UUID, lease: timedelta, beats: Sequence[Beat]) -> dict[UUID, bool]:
    """Renews this worker's leases and tells its progress; for each that it still has, whether it was cancelled."""
    columns = ([each.id for each in beats], [each.phase for each in beats], [each.rows for each in beats])
    renewed = await tx.execute(_RENEW, (lease, *columns, [each.percent for each in beats], worker))
    return dict(await renewed.fetchall())


async def finish(tx: Tx, worker: UUID, import_id: UUID, *, rows: int, dataset_id: UUID | None, answer: bytes) -> bool:
    """Done; false where it was cancelled or the lease is another's by now. Its file goes, unless it is kept."""
    ended = await tx.execute(_DONE, (rows, dataset_id, _json(answer), import_id, worker))
    row = await ended.fetchone()
    if row is not None and row[0] is not None:
        await tx.execute(_DROP_UPLOAD, (import_id,))
    if row is not None:
        STAGED.add(tx, IMPORTS.labels("done"), 1)
    return row is not None


async def is_ours(tx: Tx, worker: UUID, import_id: UUID) -> bool:
    """Whether this worker still has the lease of a running import."""
    return await (await tx.execute(_OURS, (import_id, worker))).fetchone() is not None


async def end(tx: Tx, worker: UUID, import_id: UUID, problem: bytes | None) -> None:
    """Failed, or cancelled without a `problem` (JSON) or when told to stop. Its file goes, unless it is kept."""
    state, told = ("cancelled", None) if problem is None else ("failed", _json(problem))
    if (await tx.execute(_END, (state, told, import_id, worker))).rowcount == 1:
        STAGED.add(tx, IMPORTS.labels(state), 1)
        await tx.execute(_DROP_UPLOAD, (import_id,))


async def release(tx: Tx, worker: UUID, import_id: UUID, *, counts: bool, wait: timedelta) -> None:
    """Back into the queue, from which nobody takes it before the `wait` is over; `counts`: as one attempt more."""
    await tx.execute(_RELEASE, (wait, 0 if counts else 1, import_id, worker))


async def cancel(tx: Tx, workspace_id: UUID, import_id: UUID) -> str | None:
    """`cancelled` where nobody has begun with it, `running` where its worker is to stop; None where it has ended."""
    row = await (await tx.execute(_CANCEL, (import_id, workspace_id))).fetchone()
    if row is not None and row[0] == "cancelled":
        await tx.execute(_DROP_UPLOAD, (import_id,))
    return None if row is None else str(row[0])


async def cancel_all(tx: Tx, workspace_id: UUID) -> None:
    """Ends those of a workspace that wait or run; their files go with the next sweep."""
    await tx.execute(_CANCEL_ALL, (workspace_id,))


async def stop(tx: Tx, workspace_id: UUID, user_id: UUID) -> None:
    """Cancels those of one member that run; those that wait find out by themselves that they may not."""
    await tx.execute(_STOP, (workspace_id, user_id))


async def drop(tx: Tx, worker: UUID, import_id: UUID) -> None:
    """Removes one whose caller will get no answer."""
    await tx.execute(_DROP, (import_id, worker))


async def drop_abandoned(tx: Tx) -> None:
    """Removes those whose caller waited for a process that is gone."""
    await tx.execute(_DROP_ABANDONED)


async def drop_old(tx: Tx, age: timedelta) -> None:
    """Removes those that ended this long ago."""
    await tx.execute(_DROP_OLD, (age,))
