"""Writes of one record: the image closed, the new one added and the version published by a single statement.

It also locks the head and checks that the newest version is the one that the caller knows, so it may run by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec import Raw, Struct
from psycopg import sql
from psycopg.pq import TransactionStatus

from backend.errors import RecordIdsUsedUp
from backend.metrics import ROWS_WRITTEN, STAGED, VERSIONS
from backend.query.compile import record_json
from backend.repositories import pruning
from backend.repositories.database import Tx
from backend.repositories.record_images import Edit, Target, array_text, json_text
from backend.repositories.records import record_etag, records
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import LAST_ID, Column
from backend.schemas.datasets import Dataset, Store
from backend.schemas.records import Record

_HEAD = sql.SQL(
    "head AS MATERIALIZED (SELECT d.id, d.rows, d.next_id FROM {datasets} d WHERE d.id = {dataset}"
    " AND d.token = %(known)s AND d.deleted_at IS NULL AND %(ref)s IN (d.slug, d.id::text)"
    " AND (d.busy_import IS NULL OR d.busy_until <= statement_timestamp())"
    " AND (%(pruned)s OR d.keep_versions IS NULL OR d.keep_days IS NOT NULL) FOR NO KEY UPDATE SKIP LOCKED)"
)
"""When the row has changed since the statement began, PostgreSQL looks at the conditions again once it has the lock:
so all that the statement sees belongs to the version of this token, or there is no row and nothing is written. Nor is
there one while somebody else has the lock: to wait for it here, with the table in use, is to be in the way of who makes
an index under it.
"""
_PUBLISHED = sql.SQL(
    "size AS MATERIALIZED (SELECT pg_total_relation_size({name}::regclass) AS bytes),"
    " told AS (INSERT INTO {versions}"
    " (dataset_id, version, token, author, operation, rows, added, changed, removed, created_at)"
    " SELECT head.id, %(version)s, %(token)s, %(author)s, %(operation)s, head.rows + {added} - {removed},"
    " {added}, {changed}, {removed}, %(at)s FROM written, head),"
    " published AS (UPDATE {datasets} d SET version = %(version)s, token = %(token)s,"
    " rows = head.rows + {added} - {removed}, columns = {columns}, next_id = head.next_id + {added},"
    " bytes = size.bytes, updated_at = %(at)s FROM written, head, size WHERE d.id = head.id)"
)
_ADD = sql.SQL(
    "WITH {head}, written AS (INSERT INTO {table} AS r (id, added_in, data)"
    " SELECT head.next_id, %(version)s, %(set)s::text::jsonb FROM head WHERE head.next_id <= {last}"
    " RETURNING r.id, r.data), {published}"
    " SELECT r.id, {json} FROM head LEFT JOIN written r ON true"
)
_CHANGE = sql.SQL(
    "WITH {head}, was AS (SELECT r.id, r.added_in, r.data, (r.data - g.gone::text[]) || g.set::jsonb AS wanted"
    " FROM {table} r, head, (SELECT %(gone)s::text AS gone, %(set)s::text AS set) g"
    " WHERE r.id = %(id)s AND r.removed_in = {live} AND (%(image)s::text IS NULL OR %(image)s = (SELECT token"
    " FROM {versions} WHERE dataset_id = {dataset} AND version = r.added_in))),"
    " closed AS (UPDATE {table} r SET removed_in = %(version)s FROM was WHERE r.id = was.id"
    " AND r.added_in = was.added_in AND (was.wanted <> was.data OR was.wanted::text <> was.data::text)"
    " RETURNING was.id, was.wanted),"
    " written AS (INSERT INTO {table} AS r (id, added_in, data)"
    " SELECT id, %(version)s, wanted FROM closed RETURNING r.added_in, r.data), {published}"
    " SELECT r.added_in, {json}, (SELECT token FROM {versions} WHERE dataset_id = {dataset}"
    " AND version = r.added_in) FROM (SELECT COALESCE(written.added_in, was.added_in) AS added_in,"
    " COALESCE(written.data, was.data) AS data FROM was LEFT JOIN written ON true) r"
)
_REMOVE = sql.SQL(
    "WITH {head}, written AS (UPDATE {table} r SET removed_in = %(version)s FROM head"
    " WHERE r.id = %(id)s AND r.removed_in = {live} RETURNING r.id), {published} SELECT id FROM written"
)
_TEXTS = {"add": _ADD, "change": _CHANGE, "remove": _REMOVE}


class Publication(Struct, frozen=True):
    """The version that a write makes: its token, author, moment and what it is called.

    `ref`, `known`: what the dataset must be called, and the token of the version that must be the newest; where they
    are not, nothing is written. `dataset`: given within a transaction, in which a version may end an older one;
    without it nothing is written where that may be.
    """

    ref: str
    known: str
    token: str
    author: UUID
    at: datetime
    operation: str
    dataset: Dataset | None = None


async def add(tx: Tx, target: Target, made: Publication, values: Mapping[str, Raw]) -> tuple[Record, str] | None:
    """A new record (column key → JSON text) and its ETag. Raises RecordIdsUsedUp."""
    params = {**_params(target, made), "set": json_text(values)}
    row = await _row(tx, "add", target, params)
    if row is not None:
        if row[0] is None:
            raise RecordIdsUsedUp
        await _after(tx, target, made)
    return row and (Record(row[0], target.version, Raw(row[1])), record_etag(made.token, row[0], target.columns))


async def change(
    tx: Tx, target: Target, made: Publication, edit: Edit, *, if_match: str | None = None
) -> tuple[Record, str] | None:
    """The record's new image and its ETag, or those that it has where nothing changes, to the digit; then no version
    is made. None: there is no such record, or it has another ETag than `if_match`, which here is one and no list.
    """
    image = if_match and if_match[1:].partition(".")[0]
    if image is not None and if_match != record_etag(image, edit.id, target.columns):
        return None
    params = _params(target, made)
    params |= {"image": image, "id": edit.id, "gone": array_text(edit.gone), "set": json_text(edit.values)}
    row = await _row(tx, "change", target, params)
    if row is None:
        return None
    if row[0] == target.version:
        await _after(tx, target, made)
    token = made.token if row[0] == target.version else row[2]
    return Record(edit.id, row[0], Raw(row[1])), record_etag(token, edit.id, target.columns)


async def remove(tx: Tx, target: Target, made: Publication, record_id: int) -> bool:
    """Whether there was such a record."""
    removed = await _row(tx, "remove", target, {**_params(target, made), "id": record_id})
    if removed is not None:
        await _after(tx, target, made)
    return removed is not None


async def _after(tx: Tx, target: Target, made: Publication) -> None:
    """Counts the version and ends what it ends."""
    for counter in (VERSIONS.labels(made.operation), ROWS_WRITTEN.labels(made.operation)):
        if tx.info.transaction_status is TransactionStatus.IDLE:  # committed by itself
            counter.inc()
        else:
            STAGED.add(tx, counter, 1)
    if made.dataset is not None:
        await pruning.published(tx, target.scope, made.dataset, newest=target.version, at=made.at)


def _params(target: Target, made: Publication) -> dict[str, Any]:
    return {
        "ref": made.ref,
        "known": made.known,
        "pruned": made.dataset is not None,
        "version": target.version,
        "token": made.token,
        "author": made.author,
        "operation": made.operation,
        "at": made.at,
    }


async def _row(tx: Tx, kind: str, target: Target, params: Mapping[str, Any]) -> tuple[Any, ...] | None:
    statement = _statement(kind, target.scope, target.dataset_id, target.store, target.columns)
    return await (await tx.execute(statement, params)).fetchone()


@lru_cache(maxsize=256)
def _statement(kind: str, scope: WorkspaceScope, dataset_id: UUID, store: Store, columns: tuple[Column, ...]) -> bytes:
    """Put together once: that takes Python longer than the rest of a small write."""
    source = records(scope, store)
    parts = {
        "table": source,
        "name": source.as_string(),
        "versions": table(scope, "versions"),
        "datasets": table(scope, "datasets"),
        "live": LIVE,
        "last": LAST_ID,
        "json": record_json(columns),
        "dataset": dataset_id,
        "columns": len(columns),
        "added": int(kind == "add"),
        "changed": int(kind == "change"),
        "removed": int(kind == "remove"),
    }
    head, published = _HEAD.format(**parts), _PUBLISHED.format(**parts)
    return _TEXTS[kind].format(head=head, published=published, **parts).as_bytes()
