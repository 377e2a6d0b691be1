"""Versions that are no longer kept, and the images that only they showed.

A version is pruned for good: what lies between two neighbouring kept versions is nobody's, whoever writes or reads.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.records import records
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Dataset, Store


class Gap(Struct, frozen=True):
    """Pruned versions whose images are still there, and the kept ones right before (0: none) and behind them."""

    before: int
    after: int
    versions: list[int]


async def mark(tx: Tx, scope: WorkspaceScope, dataset: Dataset, *, newest: int, at: datetime) -> None:
    """From now on nobody can read the versions that the dataset's rules do not keep; the caller holds its head's lock.

    Kept are the newest one, tagged ones, and what any rule keeps: the last so many; those of the last so many days
    and the one that was the newest when these began.
    """
    if dataset.keep_versions is None and dataset.keep_days is None:
        return
    query = sql.SQL(
        "UPDATE {versions} SET pruned_at = %(at)s"
        " WHERE dataset_id = %(id)s AND pruned_at IS NULL AND tag IS NULL AND version < %(newest)s"
        " AND (%(last)s::integer IS NULL OR version <= %(newest)s - %(last)s)"
        " AND (%(since)s::timestamptz IS NULL OR created_at <= %(since)s AND version <"
        " (SELECT max(version) FROM {versions} WHERE dataset_id = %(id)s AND created_at <= %(since)s))"
    ).format(versions=table(scope, "versions"))
    since = None if dataset.keep_days is None else at - timedelta(days=dataset.keep_days)
    params = {"id": dataset.id, "newest": newest, "last": dataset.keep_versions, "since": since, "at": at}
    await tx.execute(query, params)


async def published(tx: Tx, scope: WorkspaceScope, dataset: Dataset, *, newest: int, at: datetime) -> None:
    """Where only so many versions are kept, a new one ends another; where age counts too, a sweep sees to it."""
    if dataset.keep_days is None:
        await mark(tx, scope, dataset, newest=newest, at=at)


async def list_due(tx: Tx, scope: WorkspaceScope) -> list[UUID]:
    """Datasets whose versions may have grown too old, or have images to be removed."""
    query = sql.SQL(
        "SELECT id FROM {} h WHERE deleted_at IS NULL AND (keep_days IS NOT NULL OR EXISTS"
        " (SELECT FROM {} v WHERE v.dataset_id = h.id AND v.pruned_at IS NOT NULL AND NOT v.swept)) ORDER BY id"
    ).format(table(scope, "datasets"), table(scope, "versions"))
    return [row[0] for row in await (await tx.execute(query)).fetchall()]


async def list_gaps(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> list[Gap]:
    """None while somebody has the dataset to himself: he may read a version that was pruned meanwhile."""
    query = sql.SQL(
        "SELECT before, after, array_agg(version ORDER BY version) FROM (SELECT p.version,"
        " (SELECT coalesce(max(k.version), 0) FROM {versions} k WHERE k.dataset_id = %(id)s AND k.pruned_at IS NULL"
        " AND k.version < p.version) AS before,"
        " (SELECT min(k.version) FROM {versions} k WHERE k.dataset_id = %(id)s AND k.pruned_at IS NULL"
        " AND k.version > p.version) AS after"
        " FROM {versions} p JOIN {heads} h ON h.id = p.dataset_id"
        " WHERE p.dataset_id = %(id)s AND p.pruned_at IS NOT NULL AND NOT p.swept"
        " AND (h.busy_until IS NULL OR h.busy_until < statement_timestamp())) AS pruned GROUP BY 1, 2 ORDER BY 1"
    ).format(versions=table(scope, "versions"), heads=table(scope, "datasets"))
    return [Gap(*row) for row in await (await tx.execute(query, {"id": dataset_id})).fetchall()]


async def try_lock(tx: Tx, dataset_id: UUID) -> bool:
    """Until the transaction ends, nobody else removes images of this dataset; False when somebody already does."""
    query = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
    return await (await tx.execute(query, (_lock_name(dataset_id),))).fetchone() == (True,)


async def lock(tx: Tx, dataset_id: UUID) -> None:
    """Until the transaction ends, nobody removes images of this dataset; waits for who is at a step of it."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_lock_name(dataset_id),))


def _lock_name(dataset_id: UUID) -> str:
    return f"prune {dataset_id}"


async def remove(tx: Tx, scope: WorkspaceScope, store: Store, gap: Gap, *, most: int) -> int:
    """Removes up to so many images that only versions of the gap showed; answers how many.

    What earlier pruned versions showed is gone: what is left was seen by these ones, which bounds the search.
    """
    query = sql.SQL(
        "DELETE FROM {records} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {records} WHERE removed_in > {first}"
        " AND removed_in <= {after} AND removed_in < {live} AND added_in > {before} AND added_in <= {last}"
        " LIMIT {most}))"
    ).format(
        records=records(scope, store),
        first=gap.versions[0],
        last=gap.versions[-1],
        before=gap.before,
        after=gap.after,
        live=LIVE,
        most=most,
    )
    return (await tx.execute(query)).rowcount


async def mark_swept(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, gap: Gap) -> None:
    """The images of the gap are gone."""
    query = sql.SQL("UPDATE {} SET swept = true WHERE dataset_id = %s AND version = ANY(%s)")
    await tx.execute(query.format(table(scope, "versions")), (dataset_id, gap.versions))
