"""The record table of a dataset: images of records, each visible from `added_in` until before `removed_in`."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw, Struct
from psycopg import ClientCursor, sql

from backend.query.compile import Compiled, compile_query, csv_select, record_json
from backend.query.nodes import Query
from backend.repositories.database import BulkTx, Tx
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot
from backend.schemas.records import Record

_AS_OF = sql.SQL("r.added_in <= %(version)s AND r.removed_in > %(version)s")
_NDJSON = sql.SQL("(FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')")


def records(scope: WorkspaceScope, dataset_id: UUID) -> sql.Identifier:
    """The quoted name of a dataset's record table."""
    return table(scope, f"records_{dataset_id.hex}")


async def create_table(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    """An empty record table, still without its indexes."""
    query = sql.SQL(
        "CREATE TABLE {} (id bigint NOT NULL, added_in integer NOT NULL,"
        " removed_in integer NOT NULL DEFAULT {}, data jsonb NOT NULL)"
    ).format(records(scope, dataset_id), sql.Literal(LIVE))
    await tx.execute(query)


async def add_indexes(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    """The primary key, and what a diff needs: images that came after version 1, images that are gone."""
    name = f"records_{dataset_id.hex}"
    statements = (
        sql.SQL("ALTER TABLE {table} ADD CONSTRAINT {pk} PRIMARY KEY (id, added_in)"),
        sql.SQL("CREATE INDEX {added} ON {table} (added_in) WHERE added_in > 1"),
        sql.SQL("CREATE INDEX {removed} ON {table} (removed_in) WHERE removed_in < {live}"),
    )
    for statement in statements:
        await tx.execute(
            statement.format(
                table=records(scope, dataset_id),
                pk=sql.Identifier(f"pk_{name}"),
                added=sql.Identifier(f"ix_{name}_added"),
                removed=sql.Identifier(f"ix_{name}_removed"),
                live=sql.Literal(LIVE),
            )
        )


async def copy_in(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, lines: AsyncIterable[bytes]) -> None:
    """Adds images: lines of `id \\x02 added_in \\x02 {json}`."""
    query = sql.SQL("COPY {} (id, added_in, data) FROM STDIN {}").format(records(scope, dataset_id), _NDJSON)
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        async for chunk in lines:
            await copy.write(chunk)


async def empty(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    """Takes back what this transaction loaded into a table of its own making."""
    await tx.execute(sql.SQL("TRUNCATE {}").format(records(scope, dataset_id)))


async def analyze(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    await tx.execute(sql.SQL("ANALYZE {} (id, added_in, removed_in)").format(records(scope, dataset_id)))


async def total_bytes(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> int:
    """What the record table and its indexes take on disk."""
    name = records(scope, dataset_id).as_string(tx)
    row = await (await tx.execute("SELECT pg_total_relation_size(%s::regclass)", (name,))).fetchone()
    return int(row[0]) if row else 0


class Selection(Struct, frozen=True):
    """A query over a dataset at a version, compiled once and for all: versions do not change."""

    scope: WorkspaceScope
    snapshot: Snapshot
    compiled: Compiled
    unfiltered: bool
    first_page: bytes
    next_page: bytes
    newest_page: bytes


class Page(Struct, frozen=True):
    """`records`: a JSON array; `last`: the id of its last one where more follow."""

    records: Raw
    count: int
    last: int | None


@lru_cache(maxsize=2048)
def selection(scope: WorkspaceScope, snapshot: Snapshot, query: Query, fold: str) -> Selection:
    """`query` over `snapshot`. Raises InvalidQuery and its kin for what does not fit the columns."""
    compiled = compile_query(query, snapshot.columns, fold=fold)
    source = records(scope, snapshot.dataset_id)
    behind = sql.SQL(" AND ({})").format(compiled.keyset(source))
    first = _page_statement(snapshot, compiled, query, sql.SQL(""), source=source, offset=query.offset)
    newest = sql.SQL(
        "SELECT p.* FROM {heads} h LEFT JOIN LATERAL ({page}) p ON true"
        " WHERE h.id = {id} AND h.token = {token} AND h.deleted_at IS NULL AND %(ref)s IN (h.slug, h.id::text)"
    ).format(heads=table(scope, "datasets"), page=first, id=snapshot.dataset_id, token=snapshot.token)
    return Selection(
        scope,
        snapshot,
        compiled,
        query.where is None and query.q is None,
        first.as_bytes(None),
        _page_statement(snapshot, compiled, query, behind, source=source, offset=0).as_bytes(None),
        newest.as_bytes(None),
    )


def _page_statement(
    snapshot: Snapshot, compiled: Compiled, query: Query, behind: sql.Composable, *, source: sql.Composable, offset: int
) -> sql.Composed:
    """One row: the page's records as JSON text, how many there are, the last one's id where one more follows.

    Version and limit are spelled out: with nothing left to guess PostgreSQL keeps one plan for a prepared statement.
    """
    line = sql.SQL("'{\"id\":'||p.id||',\"version\":'||p.added_in||',\"data\":'||p.data||'}'")
    return sql.SQL(
        "SELECT string_agg({line}, ',') FILTER (WHERE p.n <= {limit}), count(*) FILTER (WHERE p.n <= {limit}),"
        " max(p.id) FILTER (WHERE p.n = {limit} AND p.more)"
        " FROM (SELECT page.*, row_number() OVER () AS n, count(*) OVER () > {limit} AS more FROM ("
        "SELECT r.id, r.added_in, {data} AS data FROM {source} r"
        " WHERE r.added_in <= {version} AND r.removed_in > {version} AND {where}{behind}"
        " ORDER BY {order} LIMIT {more} OFFSET {offset}) AS page) AS p"
    ).format(
        line=line,
        limit=query.page_size,
        data=record_json(compiled.columns),
        source=source,
        version=snapshot.version,
        where=compiled.where,
        behind=behind,
        order=compiled.order_by,
        more=query.page_size + 1,
        offset=offset,
    )


async def page(tx: Tx, chosen: Selection, *, after: int | None) -> Page:
    """The first matching records in the query's order, or those behind the record `after`."""
    statement = chosen.first_page if after is None else chosen.next_page
    row = await (
        await tx.execute(statement, {**chosen.compiled.params, "version": chosen.snapshot.version, "after": after})
    ).fetchone()
    return _to_page(row or (None, 0, None))


async def newest_page(tx: Tx, chosen: Selection, ref: str) -> Page | None:
    """The first page, if the selection is still over the newest version of the dataset called `ref`; else None."""
    row = await (await tx.execute(chosen.newest_page, {**chosen.compiled.params, "ref": ref})).fetchone()
    return None if row is None else _to_page(row)


def _to_page(row: tuple[Any, ...]) -> Page:
    text, count, last = row
    return Page(Raw(f"[{text or ''}]"), count, last)


async def count(tx: Tx, chosen: Selection, *, at_most: int | None = None) -> int:
    """How many records match; where all do the version knows, else `at_most` stops counting there."""
    if chosen.unfiltered:
        return chosen.snapshot.rows
    query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} r WHERE {} AND {} LIMIT %(at_most)s) AS matching").format(
        records(chosen.scope, chosen.snapshot.dataset_id), _AS_OF, chosen.compiled.where
    )
    params = {**chosen.compiled.params, "version": chosen.snapshot.version, "at_most": at_most}
    row = await (await tx.execute(query, params)).fetchone()
    return int(row[0]) if row else 0


async def find(tx: Tx, scope: WorkspaceScope, snapshot: Snapshot, record_id: int) -> tuple[Record, str] | None:
    """One record and the ETag of its image as this schema shows it."""
    query = sql.SQL(
        "SELECT r.id, r.added_in, {}, (SELECT token FROM {} WHERE dataset_id = %(dataset)s AND version = r.added_in)"
        " FROM {} r WHERE {} AND r.id = %(id)s"
    ).format(record_json(snapshot.columns), table(scope, "versions"), records(scope, snapshot.dataset_id), _AS_OF)
    params = {"dataset": snapshot.dataset_id, "version": snapshot.version, "id": record_id}
    row = await (await tx.execute(query, params)).fetchone()
    if row is None:
        return None
    return Record(row[0], row[1], Raw(row[2])), f'"{row[3]}.{row[0]}.{schema_tag(snapshot.columns)}"'


@lru_cache(maxsize=1024)
def schema_tag(columns: tuple[Column, ...]) -> str:
    """Changes with whatever makes a record look different while its image stays."""
    return blake2b(msgspec.json.encode(columns), digest_size=6).hexdigest()


async def list_range(tx: Tx, scope: WorkspaceScope, snapshot: Snapshot, first: int, end: int) -> list[Record]:
    """The records with ids from `first` until before `end`, in order."""
    query = sql.SQL(
        "SELECT r.id, r.added_in, {} FROM {} r WHERE {} AND r.id >= %(first)s AND r.id < %(end)s ORDER BY r.id"
    ).format(record_json(snapshot.columns), records(scope, snapshot.dataset_id), _AS_OF)
    rows = await (await tx.execute(query, {"version": snapshot.version, "first": first, "end": end})).fetchall()
    return [Record(row[0], row[1], Raw(row[2])) for row in rows]


async def insert(
    tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int, first_id: int, rows: Sequence[Mapping[str, Raw]]
) -> None:
    """Images that begin at `version`, with ids counted up from `first_id`: column key → JSON text."""
    query = sql.SQL(
        "INSERT INTO {} (id, added_in, data) SELECT %s::bigint + n - 1, %s::integer, data::jsonb"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS new (data, n)"
    ).format(records(scope, dataset_id))
    await tx.execute(query, (first_id, version, [_json(row) for row in rows]))


async def close(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int, ids: Sequence[int]) -> None:
    """The live images of these records are no longer visible from `version` on."""
    query = sql.SQL("UPDATE {} SET removed_in = %s WHERE id = ANY(%s) AND removed_in = %s")
    await tx.execute(query.format(records(scope, dataset_id)), (version, list(ids), LIVE))


async def is_image(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, record_id: int, values: Mapping[str, Raw]) -> bool:
    """Whether the record's live image is this to the digit: 0.1 and 0.10 are two images."""
    query = sql.SQL("SELECT data::text = (%s::jsonb)::text FROM {} WHERE id = %s AND removed_in = %s")
    row = await (
        await tx.execute(query.format(records(scope, dataset_id)), (_json(values), record_id, LIVE))
    ).fetchone()
    return row == (True,)


def _json(values: Mapping[str, Raw]) -> str:
    return msgspec.json.encode(values).decode()


async def first_long_cell(tx: Tx, chosen: Selection, longest: int) -> tuple[int, str] | None:
    """Id and column key of the first matching cell of more than `longest` UTF-16 code units.

    Only images that PostgreSQL has compressed or moved out of line can hold one: the others are never unpacked.
    """
    query = sql.SQL(
        "SELECT r.id, cell.key FROM {} r CROSS JOIN LATERAL jsonb_each_text(r.data) AS cell WHERE {} AND {}"
        " AND (pg_column_compression(r.data) IS NOT NULL OR pg_column_size(r.data) > %(longest)s)"
        " AND cell.key = ANY(%(keys)s) AND length(cell.value) + regexp_count(cell.value, '[\\U00010000-\\U0010ffff]')"
        " > %(longest)s ORDER BY r.id LIMIT 1"
    ).format(records(chosen.scope, chosen.snapshot.dataset_id), _AS_OF, chosen.compiled.where)
    keys = [column.key for column in chosen.compiled.columns]
    params = {**chosen.compiled.params, "version": chosen.snapshot.version, "longest": longest, "keys": keys}
    row = await (await tx.execute(query, params)).fetchone()
    return (row[0], row[1]) if row else None


def stream_statement(tx: BulkTx, chosen: Selection, query: Query) -> bytes:
    """`COPY (SELECT …) TO STDOUT`, a record's JSON a line: the bytes that would be quoted never stand in JSON raw."""
    line = sql.SQL("'{{\"id\":' || r.id || ',\"version\":' || r.added_in || ',\"data\":' || {} || '}}'")
    return _copy_to(tx, chosen, query, line.format(record_json(chosen.compiled.columns)), sql.SQL(""), _NDJSON)


def export_statement(tx: BulkTx, chosen: Selection, query: Query, *, delimiter: str) -> bytes:
    """`COPY (SELECT …) TO STDOUT (FORMAT csv)`."""
    texts, unpacked = csv_select(chosen.compiled.columns)
    form = sql.SQL("(FORMAT csv, DELIMITER {}, ENCODING 'UTF8')").format(sql.Literal(delimiter))
    return _copy_to(tx, chosen, query, texts, sql.SQL(", {}").format(unpacked), form)


def _copy_to(
    tx: BulkTx, chosen: Selection, query: Query, select: sql.Composable, beside: sql.Composable, form: sql.Composable
) -> bytes:
    """COPY takes no parameters, so the driver writes them as literals."""
    statement = sql.SQL("SELECT {} FROM {} r{} WHERE {} AND {} ORDER BY {} LIMIT %(limit)s OFFSET %(offset)s").format(
        select,
        records(chosen.scope, chosen.snapshot.dataset_id),
        beside,
        _AS_OF,
        chosen.compiled.where,
        chosen.compiled.order_by,
    )
    params = {"version": chosen.snapshot.version, "limit": query.limit, "offset": query.offset}
    with ClientCursor(tx) as cursor:
        rendered = cursor.mogrify(statement, {**chosen.compiled.params, **params})
    return sql.SQL("COPY ({}) TO STDOUT {}").format(sql.SQL(rendered), form).as_bytes(tx)
