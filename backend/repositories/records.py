"""The record table of a dataset: images of records, each visible from `added_in` until before `removed_in`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from uuid import UUID

import msgspec
from msgspec import Raw
from psycopg import sql

from backend.query.compile import record_json
from backend.repositories import datasets
from backend.repositories.current import is_kept
from backend.repositories.database import Tx
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Snapshot, Store
from backend.schemas.records import Image, Record

AS_OF = sql.SQL("r.added_in <= %(version)s AND r.removed_in > %(version)s")
NEWEST = sql.SQL("r.removed_in = {}").format(LIVE)
"""What the newest version shows; with the constant spelled out PostgreSQL sees that the index on live images serves."""
NDJSON = sql.SQL("(FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')")
FROZEN = sql.SQL("(FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02', FREEZE)")
ROOMY = "SET LOCAL work_mem = '64MB'"
"""For a join of a million images, whose hash table takes twice as long from disk."""
HASHED = "SET LOCAL enable_nestloop = off"
"""For a join with images that the transaction has just closed: PostgreSQL thinks that there are none."""
MARK = "SAVEPOINT mark"
BACK_TO_MARK = "ROLLBACK TO SAVEPOINT mark"
"""Takes back what the transaction did since the mark."""

_TABLE = sql.SQL(
    "CREATE TABLE {table} (id bigint NOT NULL, added_in integer NOT NULL,"
    " removed_in integer NOT NULL DEFAULT {live}, data jsonb NOT NULL)"
)
_CHANGES = (
    sql.SQL("CREATE INDEX {added} ON {table} (added_in) WHERE added_in > 1"),
    sql.SQL("CREATE INDEX {removed} ON {table} (removed_in) WHERE removed_in < {live}"),
)
_NEWEST = (
    sql.SQL("ALTER TABLE {table} ADD CONSTRAINT {pk} PRIMARY KEY (id, added_in, removed_in)"),
    sql.SQL("CREATE INDEX {newest} ON {table} (id) WHERE removed_in = {live}"),
)


def records(scope: WorkspaceScope, store: Store) -> sql.Identifier:
    """The quoted name of a record table."""
    return table(scope, f"records_{store.hex}")


async def create_table(tx: Tx, scope: WorkspaceScope, store: Store, *, history: bool = False) -> None:
    """An empty record table with two indexes: images that came after version 1, and images that are gone.

    They are what a diff needs, and a first load puts nothing into them; one that loads `history` does, and gets them
    after it. All others are made faster after a load.
    """
    names = _names(scope, store)
    for statement in (_TABLE,) if history else (_TABLE, *_CHANGES):
        await tx.execute(statement.format(**names))


async def add_indexes(tx: Tx, scope: WorkspaceScope, store: Store, *, history: bool = False) -> None:
    """The primary key, and the index by which the newest version is read, however many images others have.

    The latter is not unique: for a moment within a write a record may have its old image and its new one. The key has
    `removed_in` in it, so that who reads an older version need not look at images that had ended by then.
    """
    names = _names(scope, store)
    for statement in (*_CHANGES, *_NEWEST) if history else _NEWEST:
        await tx.execute(statement.format(**names))


def _names(scope: WorkspaceScope, store: Store) -> dict[str, sql.Composable]:
    name = f"records_{store.hex}"
    return {
        "table": records(scope, store),
        "pk": sql.Identifier(f"pk_{name}"),
        "added": sql.Identifier(f"ix_{name}_added"),
        "removed": sql.Identifier(f"ix_{name}_removed"),
        "newest": sql.Identifier(f"ix_{name}_live"),
        "live": sql.Literal(LIVE),
    }


async def load(tx: Tx, scope: WorkspaceScope, store: Store, lines: AsyncIterable[bytes]) -> None:
    """Fills a table made or emptied in this transaction: lines of `id \\x02 added_in \\x02 {json}`.

    Rows are frozen: nobody else can see the table, and its first readers need not mark each row as committed.
    """
    query = sql.SQL("COPY {} (id, added_in, data) FROM STDIN {}").format(records(scope, store), FROZEN)
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        async for chunk in lines:
            await copy.write(chunk)


async def append(tx: Tx, scope: WorkspaceScope, store: Store, lines: AsyncIterable[bytes]) -> None:
    """More images, as `load` takes them, into a table that others read."""
    query = sql.SQL("COPY {} (id, added_in, data) FROM STDIN {}").format(records(scope, store), NDJSON)
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        async for chunk in lines:
            await copy.write(chunk)


async def close_before(tx: Tx, scope: WorkspaceScope, store: Store, version: int) -> None:
    """Every record that was there before `version` is gone from it on."""
    query = sql.SQL("UPDATE {} SET removed_in = %s WHERE removed_in = %s AND added_in < %s")
    await tx.execute(query.format(records(scope, store)), (version, LIVE, version))


async def interrupt_builds(tx: Tx, scope: WorkspaceScope, store: Store) -> None:
    """Ends the building of an index beside the requests, which would keep out who makes or drops one at once.

    It is tried again later.
    """
    name = records(scope, store).as_string(tx)
    await tx.execute(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index"
        " WHERE relid = to_regclass(%s) AND command LIKE '%%CONCURRENTLY'",
        (name,),
    )


async def drop_table(tx: Tx, scope: WorkspaceScope, store: Store) -> None:
    await interrupt_builds(tx, scope, store)
    await tx.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(records(scope, store)))


async def empty(tx: Tx, scope: WorkspaceScope, store: Store) -> None:
    """Takes back what this transaction loaded into a table of its own making."""
    await tx.execute(sql.SQL("TRUNCATE {}").format(records(scope, store)))


async def analyze(tx: Tx, scope: WorkspaceScope, store: Store) -> None:
    """Statistics from a small sample: the columns are as plain as can be."""
    await tx.execute("SET LOCAL default_statistics_target = 10")
    await tx.execute(sql.SQL("ANALYZE {} (id, added_in, removed_in)").format(records(scope, store)))


async def total_bytes(tx: Tx, scope: WorkspaceScope, store: Store) -> int:
    """What the record table and its indexes take on disk."""
    name = records(scope, store).as_string(tx)
    row = await (await tx.execute("SELECT pg_total_relation_size(%s::regclass)", (name,))).fetchone()
    return int(row[0]) if row else 0


async def find(
    tx: Tx, scope: WorkspaceScope, snapshot: Snapshot, record_id: int, *, ref: str | None = None, newest: bool = False
) -> tuple[Record, str] | None:
    """One record and the ETag of its image as this schema shows it.

    `ref`: what the dataset must still be called, and its version be kept or, if so said, the `newest`; None as well
    where that is not so. Raises DatasetNotFound where its record table, as it was found, is gone.
    """
    params = {"id": record_id, "version": snapshot.version, "ref": ref, "token": snapshot.token, "newest": newest}
    statement = _find(scope, snapshot.dataset_id, snapshot.store, snapshot.columns)
    row = await (await tx.execute(statement, params)).fetchone()
    if row is None:
        return None
    return Record(row[0], row[1], Raw(row[2])), record_etag(row[3], row[0], snapshot.columns)


@lru_cache(maxsize=256)
def _find(scope: WorkspaceScope, dataset_id: UUID, store: Store, columns: tuple[Column, ...]) -> bytes:
    """Images of a record do not overlap: the last that began by then is the one, or none is, however many there are."""
    query = sql.SQL(
        "SELECT r.id, r.added_in, {json}, (SELECT token FROM {versions} WHERE dataset_id = {dataset}"
        " AND version = r.added_in)"
        " FROM (SELECT * FROM {table} WHERE id = %(id)s AND added_in <= %(version)s ORDER BY added_in DESC LIMIT 1) r"
        " WHERE r.removed_in > %(version)s AND (%(ref)s::text IS NULL OR EXISTS (SELECT FROM {datasets} h"
        " WHERE h.id = {dataset} AND h.store = {store} AND h.deleted_at IS NULL AND %(ref)s IN (h.slug, h.id::text)"
        " AND CASE WHEN %(newest)s"
        " THEN h.token = %(token)s ELSE {kept} END))"
    )
    return query.format(
        json=record_json(columns),
        versions=table(scope, "versions"),
        datasets=table(scope, "datasets"),
        table=records(scope, store),
        dataset=dataset_id,
        store=store,
        kept=is_kept(scope, dataset_id, sql.Placeholder("version"), sql.Placeholder("token")),
    ).as_bytes()


def record_etag(token: str, record_id: int, columns: tuple[Column, ...]) -> str:
    """`token`: of the version that the record's image came with."""
    return f'"{token}.{record_id}.{_schema_tag(columns)}"'


@lru_cache(maxsize=64)
def _schema_tag(columns: tuple[Column, ...]) -> str:
    """Changes with whatever makes a record look different while its image stays."""
    return blake2b(msgspec.json.encode(columns), digest_size=6).hexdigest()


async def history(
    tx: Tx, scope: WorkspaceScope, head: Head, record_id: int, *, limit: int, offset: int
) -> tuple[list[Image], int]:
    """A page of a record's images, the oldest first, and how many there are; each with its own version's columns.

    Images that no kept version shows are left out, whether they are removed already or not.
    """
    dataset_id, source, versions = head.dataset.id, records(scope, head.store), table(scope, "versions")
    shown = sql.SQL(
        "r.id = %(id)s AND EXISTS (SELECT FROM {} k WHERE k.dataset_id = %(dataset)s AND k.pruned_at IS NULL"
        " AND k.version >= r.added_in AND k.version < r.removed_in)"
    ).format(versions)
    params = {"dataset": dataset_id, "id": record_id, "limit": limit, "offset": offset}
    counted = await tx.execute(sql.SQL("SELECT count(*) FROM {} r WHERE {}").format(source, shown), params)
    total = (await counted.fetchone() or (0,))[0]
    query = sql.SQL(
        "SELECT r.added_in, nullif(r.removed_in, {live}), v.created_at, v.author, v.operation FROM {source} r"
        " JOIN {versions} v ON v.dataset_id = %(dataset)s AND v.version = r.added_in WHERE {shown}"
        " ORDER BY r.added_in LIMIT %(limit)s OFFSET %(offset)s"
    ).format(live=LIVE, source=source, versions=versions, shown=shown)
    rows = await (await tx.execute(query, params)).fetchall()
    data: dict[int, Raw] = {}
    for columns, numbers in await _by_schema(tx, scope, dataset_id, [row[0] for row in rows]):
        image = sql.SQL("SELECT r.added_in, {} FROM {} r WHERE r.id = %s AND r.added_in = ANY(%s)")
        images = await tx.execute(image.format(record_json(columns), source), (record_id, numbers))
        data |= {version: Raw(text) for version, text in await images.fetchall()}
    return [Image(row[0], row[1], row[2], row[3], row[4], data[row[0]]) for row in rows], total


async def _by_schema(
    tx: Tx, scope: WorkspaceScope, dataset_id: UUID, numbers: Sequence[int]
) -> list[tuple[tuple[Column, ...], list[int]]]:
    """The versions of these numbers, in order, grouped by what the columns were."""
    changes = await datasets.list_schema_changes(tx, scope, dataset_id)
    groups = groupby(numbers, key=lambda number: bisect_right(changes, number))
    listed = [list(group) for _, group in groups]
    return [(await datasets.list_columns(tx, scope, dataset_id, group[0]), group) for group in listed]


async def filled(tx: Tx, scope: WorkspaceScope, store: Store, keys: Sequence[str]) -> set[str]:
    """Those of the columns, by key, that hold a value in any image of any record."""
    asked = sql.SQL("SELECT key FROM unnest(%s::text[]) key WHERE EXISTS (SELECT FROM {} r WHERE r.data ? key)")
    rows = await (await tx.execute(asked.format(records(scope, store)), (list(keys),))).fetchall()
    return {key for (key,) in rows}
