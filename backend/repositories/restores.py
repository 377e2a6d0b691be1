"""Records brought back to what they were in an older version; what it costs goes by what was touched since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct
from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.diffs import Between, different
from backend.repositories.records import ROOMY, add_indexes, create_table, records
from backend.repositories.tables import LIVE
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot, Store

_DIFFERENT = sql.Identifier("pg_temp", "restored")
_BY_PLACE = ("SET LOCAL enable_hashjoin = off", "SET LOCAL enable_mergejoin = off")
"""To go from place to place costs less than the scans and sorts that the planner would take for many of them."""
_AS_USUAL = ("SET LOCAL enable_hashjoin TO DEFAULT", "SET LOCAL enable_mergejoin TO DEFAULT")
_CLOSE = sql.SQL("UPDATE {records} r SET removed_in = {version} FROM {different} d WHERE r.ctid = d.now")
_CLOSE_ALL = sql.SQL("UPDATE {records} r SET removed_in = {version} WHERE r.removed_in = {live}")
_BRING_BACK = sql.SQL(
    "INSERT INTO {new} (id, added_in, data) SELECT r.id, {version}, r.data FROM {different} d"
    " JOIN {records} r ON r.ctid = d.before"
)
_BRING_BACK_ALL = sql.SQL(
    "INSERT INTO {new} (id, added_in, data) SELECT r.id, {version}, r.data FROM {records} r"
    " WHERE r.added_in <= {then} AND r.removed_in > {then}"
)
_COPY = sql.SQL(
    "INSERT INTO {new} (id, added_in, removed_in, data) SELECT r.id, r.added_in,"
    " CASE WHEN d.now IS NULL THEN r.removed_in ELSE {version} END, r.data"
    " FROM {records} r LEFT JOIN {different} d ON d.now = r.ctid"
)
_COPY_ALL = sql.SQL(
    "INSERT INTO {new} (id, added_in, removed_in, data) SELECT r.id, r.added_in,"
    " CASE WHEN r.removed_in = {live} THEN {version} ELSE r.removed_in END, r.data FROM {records} r"
)


class Counts(Struct, frozen=True):
    added: int
    changed: int
    removed: int

    @property
    def written(self) -> int:
        """Images that end or begin."""
        return self.added + 2 * self.changed + self.removed


class Then(Struct, frozen=True):
    """A record's live image and that of an older version, by column key; None where it is not there."""

    id: int
    now: Raw | None
    then: Raw | None


async def count_touched(tx: Tx, scope: WorkspaceScope, target: Snapshot, *, most: int) -> int:
    """How many images came or went since a version, and may have to come back or go: `most` at most."""
    query = sql.SQL(
        "SELECT count(*) FROM ((SELECT FROM {records} WHERE removed_in > {version} AND removed_in < {live}"
        " AND added_in <= {version} LIMIT {most}) UNION ALL (SELECT FROM {records} WHERE added_in > {version}"
        " AND added_in > 1 AND removed_in = {live} LIMIT {most}) LIMIT {most}) x"
    ).format(records=records(scope, target.store), version=target.version, live=LIVE, most=most)
    row = await (await tx.execute(query)).fetchone()
    return row[0] if row else 0


async def compare(tx: Tx, pair: Between) -> Counts:
    """Finds the records that are not what they were; `pair` goes from the newest version to the older one.

    Kept are the places of their images: they stay while the transaction holds the table and the dataset its versions.
    """
    query = sql.SQL(
        "CREATE TEMPORARY TABLE restored ON COMMIT DROP AS SELECT b.place AS now, a.place AS before FROM {}"
    ).format(different(pair))
    await tx.execute(ROOMY)
    await tx.execute(query)
    await tx.execute(sql.SQL("ANALYZE {}").format(_DIFFERENT))
    counted = await tx.execute(
        sql.SQL("SELECT count(*) FILTER (WHERE now IS NULL), count(now), count(before) FROM {}").format(_DIFFERENT)
    )
    added, live, then = await counted.fetchone() or (0, 0, 0)
    return Counts(added, then - added, live - (then - added))


async def has_more(tx: Tx, scope: WorkspaceScope, store: Store, most: int) -> bool:
    """Whether a record table holds more images than that."""
    query = sql.SQL("SELECT FROM {} LIMIT {}").format(records(scope, store), most + 1)
    counted = await tx.execute(sql.SQL("SELECT count(*) FROM ({}) x").format(query))
    return int((await counted.fetchone() or (0,))[0]) > most


async def close(tx: Tx, pair: Between, version: int, *, every: bool) -> None:
    """The records found by `compare`, `every` live one, are no longer what they are, from `version` on."""
    await _by_place(tx, pair, version, _CLOSE_ALL if every else _CLOSE, pair.before.store)


async def bring_back(tx: Tx, pair: Between, version: int, store: Store, *, every: bool) -> None:
    """The records found by `compare`, and closed, are what they were again, from `version` on, in `store`."""
    await _by_place(tx, pair, version, _BRING_BACK_ALL if every else _BRING_BACK, store)


async def _by_place(tx: Tx, pair: Between, version: int, statement: sql.SQL, store: Store) -> None:
    for each in _BY_PLACE:
        await tx.execute(each)
    await _run(tx, pair, version, statement, store)
    for each in _AS_USUAL:
        await tx.execute(each)


async def _run(tx: Tx, pair: Between, version: int, statement: sql.SQL, store: Store) -> None:
    names = {"records": records(pair.scope, pair.before.store), "new": records(pair.scope, store)}
    numbers = {"version": version, "then": pair.after.version, "live": LIVE}
    await tx.execute(statement.format(different=_DIFFERENT, **names, **numbers))


async def write_anew(tx: Tx, pair: Between, version: int, store: Store, *, every: bool) -> None:
    """What `close` and `bring_back` make of the record table, as a new one, its indexes made after it was filled."""
    await create_table(tx, pair.scope, store, history=True)
    await _run(tx, pair, version, _COPY_ALL if every else _COPY, store)
    await bring_back(tx, pair, version, store, every=every)
    await add_indexes(tx, pair.scope, store, history=True)


async def list_images(tx: Tx, scope: WorkspaceScope, target: Snapshot, ids: Sequence[int]) -> list[Then]:
    """These records now and in an older version, without those that never were."""
    query = sql.SQL(
        "SELECT k.id, n.data, t.data FROM unnest(%(ids)s::bigint[]) k (id)"
        " LEFT JOIN {records} n ON n.id = k.id AND n.removed_in = %(live)s"
        " LEFT JOIN {records} t ON t.id = k.id AND t.added_in <= %(version)s AND t.removed_in > %(version)s"
        " WHERE n.id IS NOT NULL OR t.id IS NOT NULL OR EXISTS (SELECT FROM {records} e WHERE e.id = k.id)"
    ).format(records=records(scope, target.store))
    params = {"ids": list(ids), "version": target.version, "live": LIVE}
    return [Then(*row) for row in await (await tx.execute(query, params)).fetchall()]


async def insert(
    tx: Tx, scope: WorkspaceScope, store: Store, version: int, rows: Mapping[int, Mapping[str, Raw]]
) -> None:
    """Images that begin at `version`: record id → column key → JSON text."""
    query = sql.SQL(
        "INSERT INTO {} (id, added_in, data) SELECT id, %s::integer, data::jsonb"
        " FROM unnest(%s::bigint[], %s::text[]) AS new (id, data)"
    ).format(records(scope, store))
    texts = [msgspec.json.encode(row).decode() for row in rows.values()]
    await tx.execute(query, (version, list(rows), texts))
