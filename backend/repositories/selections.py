"""Queries over a dataset at a version: pages, counts, and the statements of streams and exports."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct
from psycopg import ClientCursor, sql

from backend.query.compile import Compiled, compile_query, csv_select, record_json
from backend.query.nodes import Query
from backend.repositories.database import BulkTx, Tx
from backend.repositories.records import AS_OF, NDJSON, records
from backend.repositories.remembered import Remembered
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot


class Selection(Struct, frozen=True):
    """A query over a dataset at a version, compiled once and for all: versions do not change."""

    scope: WorkspaceScope
    snapshot: Snapshot
    compiled: Compiled
    unfiltered: bool
    first_page: bytes
    next_page: bytes
    newest_page: bytes


_selections = Remembered[tuple[WorkspaceScope, Snapshot, Query, str], Selection](32 * 2**20)
"""By the bytes of their statements."""


class Page(Struct, frozen=True):
    """`records`: a JSON array; `last`: the id of its last one where more follow."""

    records: Raw
    count: int
    last: int | None


def selection(scope: WorkspaceScope, snapshot: Snapshot, query: Query, fold: str) -> Selection:
    """`query` over `snapshot`. Raises InvalidQuery and its kin for what does not fit the columns."""
    key = (scope, snapshot, query, fold)
    if (known := _selections.get(key)) is None:
        known = _selection(*key)
        weight = len(known.first_page) + len(known.next_page) + len(known.newest_page)
        _selections.put(key, known, weight)
    return known


def _selection(scope: WorkspaceScope, snapshot: Snapshot, query: Query, fold: str) -> Selection:
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
        " FROM (SELECT r.id, r.added_in, {data} AS data, row_number() OVER () AS n, count(*) OVER () > {limit} AS more"
        " FROM (SELECT r.id, r.added_in, r.data FROM {source} r"
        " WHERE r.added_in <= {version} AND r.removed_in > {version} AND {where}{behind}"
        " ORDER BY {order} LIMIT {more} OFFSET {offset}) AS r) AS p"
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
        records(chosen.scope, chosen.snapshot.dataset_id), AS_OF, chosen.compiled.where
    )
    params = {**chosen.compiled.params, "version": chosen.snapshot.version, "at_most": at_most}
    row = await (await tx.execute(query, params)).fetchone()
    return int(row[0]) if row else 0


async def first_long_cell(tx: Tx, chosen: Selection, longest: int) -> tuple[int, str] | None:
    """Id and column key of the first matching cell of more than `longest` UTF-16 code units.

    Only images that PostgreSQL has compressed or moved out of line can hold one: the others are never unpacked.
    """
    query = sql.SQL(
        "SELECT r.id, cell.key FROM {} r CROSS JOIN LATERAL jsonb_each_text(r.data) AS cell WHERE {} AND {}"
        " AND (pg_column_compression(r.data) IS NOT NULL OR pg_column_size(r.data) > %(longest)s)"
        " AND cell.key = ANY(%(keys)s) AND length(cell.value) + regexp_count(cell.value, '[\\U00010000-\\U0010ffff]')"
        " > %(longest)s ORDER BY r.id LIMIT 1"
    ).format(records(chosen.scope, chosen.snapshot.dataset_id), AS_OF, chosen.compiled.where)
    keys = [column.key for column in chosen.compiled.columns]
    params = {**chosen.compiled.params, "version": chosen.snapshot.version, "longest": longest, "keys": keys}
    row = await (await tx.execute(query, params)).fetchone()
    return (row[0], row[1]) if row else None


def stream_statement(tx: BulkTx, chosen: Selection, query: Query) -> bytes:
    """`COPY (SELECT …) TO STDOUT`, a record's JSON a line: the bytes that would be quoted never stand in JSON raw."""
    line = sql.SQL("'{{\"id\":' || r.id || ',\"version\":' || r.added_in || ',\"data\":' || {} || '}}'")
    return _copy_to(tx, chosen, query, line.format(record_json(chosen.compiled.columns)), sql.SQL(""), NDJSON)


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
        AS_OF,
        chosen.compiled.where,
        chosen.compiled.order_by,
    )
    params = {"version": chosen.snapshot.version, "limit": query.limit, "offset": query.offset}
    with ClientCursor(tx) as cursor:
        rendered = cursor.mogrify(statement, {**chosen.compiled.params, **params})
    return sql.SQL("COPY ({}) TO STDOUT {}").format(sql.SQL(rendered), form).as_bytes(tx)
