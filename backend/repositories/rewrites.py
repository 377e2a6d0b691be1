"""Values of many records rewritten at once: read in chunks, written by COPY, put in place by two statements."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backend.query.compile import UNPACKED, csv_select
from backend.repositories.database import Tx
from backend.repositories.records import AS_OF, HASHED, NDJSON, ROOMY, records
from backend.repositories.tables import LIVE
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Store

_AT_ONCE = 1_000
"""Columns that one SELECT returns."""
_REWRITTEN = sql.SQL("pg_temp.rewritten")

Texts = list[list[str | None]]


async def read_texts(
    tx: Tx, scope: WorkspaceScope, store: Store, version: int, columns: Sequence[Column], first: int, most: int
) -> tuple[Sequence[int], Texts]:
    """The ids of a version's next records from `first` on, and for each column the text of their values."""
    ids: Sequence[int] = ()
    texts: Texts = []
    for start in range(0, len(columns), _AT_ONCE):
        query = sql.SQL(
            "SELECT x.id, {} FROM (SELECT r.id, {} FROM {} r WHERE {} AND r.id >= %(first)s"
            " ORDER BY r.id LIMIT %(most)s) AS x"
        ).format(csv_select(columns[start : start + _AT_ONCE]), UNPACKED, records(scope, store), AS_OF)
        rows = await (await tx.execute(query, {"version": version, "first": first, "most": most})).fetchall()
        ids = [row[0] for row in rows]
        texts += [[row[place] for row in rows] for place in range(1, len(columns[start : start + _AT_ONCE]) + 1)]
    return ids, texts


async def begin(tx: Tx) -> None:
    """A place for new values, until the transaction ends."""
    await tx.execute(
        "CREATE TEMPORARY TABLE rewritten (id bigint NOT NULL, added_in integer NOT NULL, data jsonb NOT NULL)"
        " ON COMMIT DROP"
    )


async def write(tx: Tx, lines: bytes) -> None:
    """Keeps new values: lines of `id \\x02 added_in \\x02 {json}`."""
    query = sql.SQL("COPY {} (id, added_in, data) FROM STDIN {}").format(_REWRITTEN, NDJSON)
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        await copy.write(lines)


async def finish(
    tx: Tx, scope: WorkspaceScope, store: Store, version: int, *, emptied: Sequence[str], every: bool, keyed: bool
) -> None:
    """The records with new values get new images from `version` on: what they were, and the new values over it.

    `emptied`: keys under which values may have become null. `every`: all live records have new values. `keyed`: old
    images have to be closed before new ones begin, or a value of the key column would be there twice in between.
    """
    names = {
        "source": records(scope, store),
        "rewritten": _REWRITTEN,
        "live": sql.Literal(LIVE),
        "version": sql.Literal(version),
        "until": sql.Literal(version if keyed else LIVE),
    }
    insert = sql.SQL(
        "INSERT INTO {source} (id, added_in, data) SELECT r.id, n.added_in, {kept} || n.data"
        " FROM {rewritten} n JOIN {source} r ON r.id = n.id AND r.removed_in = {until}"
    ).format(kept=sql.SQL("(r.data - %(emptied)s::text[])" if emptied else "r.data"), **names)
    chosen = sql.SQL("WHERE" if every else "FROM {rewritten} n WHERE r.id = n.id AND").format(**names)
    close = sql.SQL(
        "UPDATE {source} r SET removed_in = {version} {chosen} r.removed_in = {live} AND r.added_in < {version}"
    ).format(chosen=chosen, **names)
    await tx.execute(ROOMY)
    await tx.execute(sql.SQL("ANALYZE {}").format(_REWRITTEN))
    if keyed:
        await tx.execute(HASHED)
        await tx.execute(close)
    await tx.execute(insert, {"emptied": list(emptied)} if emptied else None)
    if not keyed:
        await tx.execute(close)


async def list_nulls(
    tx: Tx, scope: WorkspaceScope, store: Store, version: int, key: str, *, most: int
) -> tuple[list[int], int]:
    """The first records of a version without a value under this key, and how many there are."""
    where = sql.SQL("FROM {} r WHERE {} AND NOT r.data ? %(key)s").format(records(scope, store), AS_OF)
    params = {"version": version, "key": key, "most": most}
    listed = await tx.execute(sql.SQL("SELECT r.id {} ORDER BY r.id LIMIT %(most)s").format(where), params)
    ids = [row[0] for row in await listed.fetchall()]
    if len(ids) < most:
        return ids, len(ids)
    counted = await tx.execute(sql.SQL("SELECT count(*) {}").format(where), params)
    return ids, (await counted.fetchone() or (0,))[0]
