"""Records that differ between two versions; what it costs goes by what changed, not by what there is."""

from __future__ import annotations

from msgspec import Raw, Struct
from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.records import records
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot
from backend.schemas.diffs import DiffSummary

_DIFFERENT = sql.SQL(
    " FROM (SELECT id FROM {records} WHERE added_in > %(low)s AND added_in <= %(high)s"
    " UNION SELECT id FROM {records} WHERE removed_in > %(low)s AND removed_in <= %(high)s) touched"
    " LEFT JOIN {records} b ON b.id = touched.id AND b.added_in <= %(before)s AND b.removed_in > %(before)s"
    " LEFT JOIN {records} a ON a.id = touched.id AND a.added_in <= %(after)s AND a.removed_in > %(after)s"
    " WHERE ((a.id IS NULL) <> (b.id IS NULL)"
    " OR (a.id IS NOT NULL AND NOT record_image_eq(ROW(b.data), ROW(a.data)) AND b.data::text <> a.data::text))"
)


class Images(Struct, frozen=True):
    """A record in both versions, its values by column key; None where it was not there."""

    id: int
    before: Raw | None
    after: Raw | None


async def summary(tx: Tx, scope: WorkspaceScope, before: Snapshot, after: Snapshot) -> DiffSummary:
    """How many records differ, and how."""
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE b.id IS NULL), count(*) FILTER (WHERE a.id IS NOT NULL AND b.id IS NOT NULL),"
        " count(*) FILTER (WHERE a.id IS NULL)"
    )
    source = _DIFFERENT.format(records=records(scope, before.dataset_id))
    row = await (await tx.execute(query + source, _between(before, after))).fetchone()
    return DiffSummary(*(row or (0, 0, 0)))


async def list_page(
    tx: Tx, scope: WorkspaceScope, before: Snapshot, after: Snapshot, *, behind: int, limit: int
) -> list[Images]:
    """Records that differ, in order, those behind an id."""
    source = _DIFFERENT.format(records=records(scope, before.dataset_id))
    query = sql.SQL("SELECT touched.id, b.data, a.data {} AND touched.id > %(behind)s ORDER BY 1 LIMIT %(limit)s")
    params = {**_between(before, after), "behind": behind, "limit": limit}
    rows = await (await tx.execute(query.format(source), params)).fetchall()
    return [Images(*row) for row in rows]


def _between(before: Snapshot, after: Snapshot) -> dict[str, int]:
    low, high = sorted((before.version, after.version))
    return {"before": before.version, "after": after.version, "low": low, "high": high}
