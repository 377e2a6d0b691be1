"""Records that differ between two versions; what it costs goes by what changed, not by what there is."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Raw, Struct, structs
from psycopg import sql

from backend.repositories import datasets
from backend.repositories.current import check_kept
from backend.repositories.database import BulkTx, Tx
from backend.repositories.records import NDJSON, records
from backend.repositories.tables import LIVE
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot

_GONE = sql.SQL(
    "SELECT ctid AS place, id, data FROM {records} WHERE removed_in > {low} AND removed_in <= {high}"
    " AND removed_in < {live} AND added_in <= {low} AND id > {behind}"
)
"""Images of version `low` that version `high` does not have. The index on `removed_in` is of those below `live`."""
_COME = sql.SQL(
    "SELECT ctid AS place, id, data FROM {records} WHERE added_in > {low} AND added_in <= {high}"
    " AND added_in > 1 AND removed_in > {high} AND id > {behind}"
)
"""Images of version `high` that version `low` does not have. The index on `added_in` is of those above 1."""
_COUNTS = sql.SQL(
    "SELECT count(*) FILTER (WHERE b.id IS NULL), count(*) FILTER (WHERE a.id IS NOT NULL AND b.id IS NOT NULL),"
    " count(*) FILTER (WHERE a.id IS NULL) FROM {source}"
)


class Images(Struct, frozen=True):
    """A record in both versions, its values by column key; None where it was not there."""

    id: int
    before: Raw | None
    after: Raw | None


class Between(Struct, frozen=True):
    """Two versions of a dataset. `used`: every column key that it ever had."""

    scope: WorkspaceScope
    before: Snapshot
    after: Snapshot
    used: frozenset[str]


async def between(tx: Tx, scope: WorkspaceScope, before: Snapshot, after: Snapshot) -> Between:
    return Between(scope, before, after, frozenset(await datasets.list_keys(tx, scope, before.dataset_id)))


def different(pair: Between, *, behind: int = 0) -> sql.Composed:
    """FROM and WHERE of the records that differ: `b` is the image before, `a` the one after, each null without one.

    `behind`: those with greater ids. Both sides say so: PostgreSQL takes it into neither from behind the join.

    A record that is in both versions is compared by what the later one's columns show, to the digit.
    """
    low, high = sorted((pair.before.version, pair.after.version))
    names = {
        "behind": behind,
        "low": low,
        "high": high,
        "live": LIVE,
        "records": records(pair.scope, pair.before.store),
    }
    sides = [_GONE.format(**names), _COME.format(**names)]
    before, after = sides if low == pair.before.version else reversed(sides)
    later = {column.key for column in pair.after.columns}
    both = later & {column.key for column in pair.before.columns}
    b, a = _shown(sql.SQL("b.data"), pair.used - both), _shown(sql.SQL("a.data"), pair.used - later)
    return sql.SQL(
        "({before}) b FULL JOIN ({after}) a ON a.id = b.id WHERE (a.id IS NULL OR b.id IS NULL"
        " OR NOT record_image_eq(ROW({b}), ROW({a})) AND ({b} <> {a} OR {b}::text <> {a}::text))"
    ).format(before=before, after=after, b=b, a=a)


def _shown(data: sql.SQL, hidden: Collection[str]) -> sql.Composable:
    """What is left of an image without the values that its version does not show."""
    return sql.SQL("({} - {}::text[])").format(data, sorted(hidden)) if hidden else data


async def summary(tx: Tx, pair: Between) -> tuple[int, int, int]:
    """How many records were added, changed, removed."""
    row = await (await tx.execute(_COUNTS.format(source=different(pair)))).fetchone()
    return row or (0, 0, 0)


async def list_page(tx: Tx, pair: Between, *, behind: int, limit: int) -> list[Images]:
    """Records that differ, in order, those behind an id."""
    query = sql.SQL("SELECT coalesce(b.id, a.id), b.data, a.data FROM {} ORDER BY 1 LIMIT {}").format(
        different(pair, behind=behind), limit
    )
    rows = await (await tx.execute(query)).fetchall()
    return [Images(*row) for row in rows]


def stream_statement(tx: BulkTx, pair: Between) -> bytes:
    """`COPY … TO STDOUT` of all records that differ, in order; `read_line` reads its lines.

    Raises VersionPruned, DatasetNotFound.
    """
    kept = [check_kept(tx, pair.scope, version) for version in (pair.before, pair.after)]
    pair = structs.replace(pair, before=structs.replace(pair.before, store=kept[0].store))
    query = sql.SQL("COPY (SELECT coalesce(b.id, a.id), b.data, a.data FROM {} ORDER BY 1) TO STDOUT {}").format(
        different(pair), NDJSON
    )
    return query.as_bytes(tx)


def read_line(line: bytes) -> Images:
    """One line of the stream. Its separators never stand in JSON raw."""
    number, before, after = line.rstrip(b"\n").split(b"\x02")
    return Images(int(number), Raw(before) if before else None, Raw(after) if after else None)
