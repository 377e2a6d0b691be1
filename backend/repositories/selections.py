"""Queries over a dataset at a version: pages, counts, and the statements of streams and exports."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct, field, structs
from psycopg import ClientCursor, sql

from backend.errors import VersionPruned
from backend.query import cursor as cursors
from backend.query.compile import UNPACKED, Compiled, compile_query, csv_select, record_json
from backend.query.indexing import Access, accesses
from backend.query.nodes import Query
from backend.repositories import pages
from backend.repositories.current import Kept, check_kept, is_kept
from backend.repositories.database import BulkTx, Tx
from backend.repositories.records import AS_OF, NDJSON, NEWEST, records
from backend.repositories.remembered import Remembered
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot


class Selection(Struct, frozen=True):
    """A query over a dataset at a version, compiled once and for all: versions do not change.

    Each page checks that the version is (still) the newest one, or that it is kept at all, and answers no row where
    it is not.
    """

    scope: WorkspaceScope
    snapshot: Snapshot
    query: Query
    compiled: Compiled
    unfiltered: bool
    accesses: tuple[Access, ...]
    fingerprint: bytes
    matching: bytes
    _made: dict[tuple[bool, bool], bytes] = field(default_factory=dict)

    def page_statement(self, *, behind: bool, newest: bool) -> bytes:
        """The statement of the first page, or of one behind a record; made when it is wanted, for few of them are."""
        if (known := self._made.get((behind, newest))) is None:
            known = self._made[behind, newest] = _page(self, behind=behind, newest=newest)
        return known

    @property
    def weight(self) -> int:
        """Bytes that it takes with its statements, about: that of the newest page behind a record is the longest."""
        where = len(self.compiled.where.as_string(None))
        ranges = 8 * len(self.compiled.terms)
        return self.query.weight + (where + 600) * (ranges + 4) + 100 * len(self.compiled.columns)

    @property
    def prepared(self) -> bool | None:
        """A statement with values is planned anew with them: what they are decides which index serves."""
        return False if self.compiled.params else None


_selections = Remembered[tuple[WorkspaceScope, Snapshot, Query, str], Selection](8 * 2**20)
"""By their bytes: each version of a dataset that is asked for has its own, so what is here is seldom asked for long."""


class Page(Struct, frozen=True):
    """`records`: a JSON array; `last`: the id of its last one where more follow."""

    records: Raw
    count: int
    last: int | None


def selection(scope: WorkspaceScope, snapshot: Snapshot, query: Query, fold: str) -> Selection:
    """`query` over `snapshot`. Raises InvalidQuery and its kin for what does not fit the columns."""
    key = (scope, snapshot, query if query.cursor is None else structs.replace(query, cursor=None), fold)
    if (known := _selections.get(key)) is None:
        known = new_selection(*key)
        _selections.put(key, known, known.weight)
    return known


def new_selection(scope: WorkspaceScope, snapshot: Snapshot, query: Query, fold: str) -> Selection:
    """As `selection`, made anew and kept nowhere: for threads."""
    compiled = compile_query(query, snapshot.columns, fold=fold)
    return Selection(
        scope,
        snapshot,
        query,
        compiled,
        query.where is None and query.q is None,
        accesses(query, snapshot.columns, fold),
        cursors.fingerprint(query),
        cursors.matching(query),
    )


def _page(chosen: Selection, *, behind: bool, newest: bool) -> bytes:
    scope, snapshot, query, compiled = chosen.scope, chosen.snapshot, chosen.query, chosen.compiled
    source, heads, offset = records(scope, snapshot.store), table(scope, "datasets"), 0 if behind else query.offset
    as_of = NEWEST if newest else _as_of(snapshot.version)
    if newest:
        check: sql.Composable = sql.SQL("h.token = {}").format(snapshot.token)
    else:
        check = is_kept(scope, snapshot.dataset_id, snapshot.version, snapshot.token)
    if newest and behind:
        page = pages.page_behind(compiled, query, source=source)
    elif newest and offset and chosen.unfiltered and not query.sort:
        page = pages.page_at(compiled, query, heads, snapshot.dataset_id, source=source)
    else:
        visible = sql.SQL("{} AND ({})").format(as_of, compiled.keyset(source)) if behind else as_of
        page = pages.page(compiled, query, visible, source=source, offset=offset)
    return _named(scope, snapshot, check, page)


def _as_of(version: int) -> sql.Composed:
    """Which images a version shows. None began before version 1, and `=` passes later ones at half the cost of `<=`."""
    began = sql.SQL("r.added_in = 1" if version == 1 else "r.added_in <= {version}")
    return sql.SQL("{} AND r.removed_in > {version}").format(began.format(version=version), version=version)


def _named(scope: WorkspaceScope, snapshot: Snapshot, check: sql.Composable, page: sql.Composable) -> bytes:
    """The page in one statement with a look at the dataset's head: no row when it is gone, or called otherwise.

    PostgreSQL tests such a HAVING, without an aggregate in it, before it reads any record.
    """
    statement = sql.SQL(
        "{page} HAVING EXISTS (SELECT FROM {heads} h"
        " WHERE h.id = {id} AND h.store = {store} AND h.deleted_at IS NULL AND %(ref)s IN (h.slug, h.id::text)"
        " AND {check})"
    )
    heads = table(scope, "datasets")
    at = {"id": snapshot.dataset_id, "store": snapshot.store}
    return statement.format(heads=heads, page=page, check=check, **at).as_bytes(None)


def page_statement(chosen: Selection, ref: str, *, after: int | None, newest: bool) -> tuple[bytes, dict[str, Any]]:
    """The statement of `page`, and its values."""
    place = {"version": chosen.snapshot.version, "after": after, "offset": chosen.query.offset, "ref": ref}
    params = {**chosen.compiled.params, **place}
    return chosen.page_statement(behind=after is not None, newest=newest), params


async def page(tx: Tx, chosen: Selection, ref: str, *, after: int | None, newest: bool) -> Page | None:
    """The page behind the record `after`, or the first one; None where the version is not there, or not the `newest`.

    `ref` is what the caller calls the dataset: it must still be called so.
    """
    statement, params = page_statement(chosen, ref, after=after, newest=newest)
    row = await (await tx.execute(statement, params, prepare=chosen.prepared)).fetchone()
    return None if row is None else _to_page(row, chosen.query.page_size)


def _to_page(row: tuple[Any, ...], limit: int) -> Page:
    text, count, last = row
    if count > limit:
        return Page(Raw(f"[{text[: text.rindex(pages.BOUNDARY)]}]"), limit, last)
    return Page(Raw(f"[{text or ''}]"), count, None)


async def count(tx: Tx, chosen: Selection, *, newest: bool, at_most: int | None = None) -> int:
    """How many records match; where all do the version knows, else `at_most` stops counting there.

    Raises VersionPruned when the version is gone meanwhile, or, if it was said to be the `newest`, no longer is.
    """
    if chosen.unfiltered:
        return chosen.snapshot.rows
    query, params = count_statement(chosen, newest=newest, at_most=at_most)
    row = await (await tx.execute(query, params, prepare=chosen.prepared)).fetchone()
    if row is None:
        raise VersionPruned
    return int(row[0])


def count_statement(
    chosen: Selection, *, newest: bool, at_most: int | None = None
) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement of `count`, and its values.

    Its limit is none of them: PostgreSQL lets one process alone count to what it does not know.
    """
    scope, snapshot = chosen.scope, chosen.snapshot
    head = sql.SQL("EXISTS (SELECT FROM {} h WHERE h.id = {} AND h.token = {})")
    query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} r WHERE {} AND {} LIMIT {}) AS matching HAVING {}").format(
        records(scope, snapshot.store),
        NEWEST if newest else AS_OF,
        chosen.compiled.where,
        at_most,
        head.format(table(scope, "datasets"), snapshot.dataset_id, snapshot.token)
        if newest
        else is_kept(scope, snapshot.dataset_id, snapshot.version, snapshot.token),
    )
    return query, {**chosen.compiled.params, "version": snapshot.version}


def stream_statement(tx: BulkTx, chosen: Selection, query: Query) -> bytes:
    """`COPY (SELECT …) TO STDOUT`, a record's JSON a line: the bytes that would be quoted never stand in JSON raw.

    Raises VersionPruned, DatasetNotFound.
    """
    line = sql.SQL("'{{\"id\":' || r.id || ',\"version\":' || r.added_in || ',\"data\":' || {} || '}}'")
    rows = _matching(chosen, sql.SQL("r.id, r.added_in, r.data"), check_kept(tx, chosen.scope, chosen.snapshot))
    select = sql.SQL("SELECT {} FROM ({}) AS r").format(line.format(record_json(chosen.compiled.columns)), rows)
    return _copy_to(tx, chosen, query, select, NDJSON)


def export_statement(tx: BulkTx, chosen: Selection, query: Query, *, delimiter: str | None, ids: bool = False) -> bytes:
    """`COPY (SELECT …) TO STDOUT (FORMAT csv)`, or without a delimiter a JSON object a line; `ids`: with their ids.

    Raises VersionPruned, DatasetNotFound.
    """
    kept = check_kept(tx, chosen.scope, chosen.snapshot)
    columns = chosen.compiled.columns
    if delimiter is None:
        rows = _matching(chosen, sql.SQL("r.id, r.data"), kept)
        select = sql.SQL("SELECT {} FROM ({}) AS r").format(record_json(columns, ids=ids), rows)
        return _copy_to(tx, chosen, query, select, NDJSON)
    rows = _matching(chosen, sql.SQL("r.id, ") + UNPACKED if ids else UNPACKED, kept)
    select = sql.SQL("SELECT {} FROM ({}) AS x").format(csv_select(columns, ids=ids), rows)
    form = sql.SQL("(FORMAT csv, DELIMITER {}, ENCODING 'UTF8')").format(delimiter)
    return _copy_to(tx, chosen, query, select, form)


def _matching(chosen: Selection, wanted: sql.Composable, kept: Kept) -> sql.Composed:
    """The rows in their order; a sub-select of its own, so that text is made of those alone that leave."""
    return sql.SQL("SELECT {} FROM {} r WHERE {} AND {} ORDER BY {} LIMIT %(limit)s OFFSET %(offset)s").format(
        wanted,
        records(chosen.scope, kept.store),
        NEWEST if kept.newest else AS_OF,
        chosen.compiled.where,
        chosen.compiled.order_by,
    )


def rows_statement(chosen: Selection, query: Query, *, newest: bool) -> tuple[sql.Composed, dict[str, Any]]:
    """What streams and exports copy, without the form that it gets, and its values."""
    params = {"version": chosen.snapshot.version, "limit": query.limit, "offset": query.offset}
    kept = Kept(newest, chosen.snapshot.store)
    return _matching(chosen, sql.SQL("r.id, r.data"), kept), {**chosen.compiled.params, **params}


def _copy_to(tx: BulkTx, chosen: Selection, query: Query, select: sql.Composed, form: sql.Composable) -> bytes:
    """COPY takes no parameters, so the driver writes them as literals."""
    params = {"version": chosen.snapshot.version, "limit": query.limit, "offset": query.offset}
    with ClientCursor(tx) as cursor:
        rendered = cursor.mogrify(select, {**chosen.compiled.params, **params})
    return sql.SQL("COPY ({}) TO STDOUT {}").format(sql.SQL(rendered), form).as_bytes(tx)
