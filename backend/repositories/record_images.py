"""Images of records that a write closes and adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self
from uuid import UUID

import msgspec
from msgspec import Raw, Struct
from psycopg import sql

from backend.query.compile import record_json
from backend.repositories.database import Tx
from backend.repositories.records import records
from backend.repositories.tables import LIVE
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Store
from backend.schemas.records import Record


class Edit(Struct, frozen=True):
    """What becomes of a record: these keys lose their values, those get new ones (column key → JSON text)."""

    id: int
    gone: Sequence[str]
    values: Mapping[str, Raw]

    @classmethod
    def whole(cls, record_id: int, values: Mapping[str, Raw], columns: Sequence[Column]) -> Self:
        """The record holds just these values."""
        return cls(record_id, [column.key for column in columns if column.key not in values], values)


class Target(Struct, frozen=True):
    """Where a write puts images: a dataset, the version that it makes, and the columns that its answer shows."""

    scope: WorkspaceScope
    dataset_id: UUID
    store: Store
    version: int
    columns: tuple[Column, ...]

    @property
    def table(self) -> sql.Identifier:
        return records(self.scope, self.store)


async def live(tx: Tx, target: Target, ids: Sequence[int]) -> dict[int, int]:
    """Record id → the version that last changed it, of those that are there."""
    query = sql.SQL("SELECT id, added_in FROM {} WHERE id = ANY(%s) AND removed_in = {}").format(target.table, LIVE)
    return dict(await (await tx.execute(query, (list(ids),))).fetchall())


async def values(tx: Tx, target: Target, ids: Sequence[int]) -> dict[int, dict[str, Raw]]:
    """Record id → what is stored of it: column key → JSON text."""
    query = sql.SQL("SELECT id, data FROM {} WHERE id = ANY(%s) AND removed_in = {}").format(target.table, LIVE)
    rows = await (await tx.execute(query, (list(ids),))).fetchall()
    return {record_id: msgspec.json.decode(data, type=dict[str, Raw]) for record_id, data in rows}


async def canonical(tx: Tx, items: Sequence[Mapping[str, Raw]]) -> list[dict[str, Raw]]:
    """As PostgreSQL would write these JSON values: column key → JSON text."""
    query = "SELECT text::jsonb FROM unnest(%s::text[]) WITH ORDINALITY AS given (text, n) ORDER BY n"
    rows = await (await tx.execute(query, ([json_text(item) for item in items],))).fetchall()
    return [msgspec.json.decode(data, type=dict[str, Raw]) for (data,) in rows]


async def close(tx: Tx, target: Target, ids: Sequence[int]) -> None:
    """The live images of these records are no longer visible from the target's version on."""
    query = sql.SQL("UPDATE {} SET removed_in = %s WHERE id = ANY(%s) AND removed_in = {}")
    await tx.execute(query.format(target.table, LIVE), (target.version, list(ids)))


async def edit(tx: Tx, target: Target, edits: Sequence[Edit], *, answer: bool) -> dict[int, Record]:
    """New images for the records that become something else, to the digit: 0.1 and 0.10 are two values.

    All old images are closed before the first new one is added, so that records may swap unique values. Without
    `answer` the records come without their data.
    """
    query = sql.SQL(
        "WITH closed AS (UPDATE {table} r SET removed_in = %(version)s"
        " FROM unnest(%(ids)s::bigint[], %(gone)s::text[], %(set)s::text[]) AS g (id, gone, set)"
        " WHERE r.id = g.id AND r.removed_in = {live} AND ({new} <> r.data OR {new}::text <> r.data::text)"
        " RETURNING r.id, {new} AS data)"
        " INSERT INTO {table} AS r (id, added_in, data)"
        " SELECT id, %(version)s::integer, data FROM closed ORDER BY id RETURNING r.id, r.added_in, {json}"
    ).format(
        table=target.table,
        live=LIVE,
        new=sql.SQL("((r.data - g.gone::text[]) || g.set::jsonb)"),
        json=_shown(target, answer=answer),
    )
    params = {
        "version": target.version,
        "ids": [each.id for each in edits],
        "gone": [array_text(each.gone) for each in edits],
        "set": [json_text(each.values) for each in edits],
    }
    rows = await (await tx.execute(query, params)).fetchall()
    return {row[0]: Record(row[0], row[1], Raw(row[2])) for row in rows}


async def insert(
    tx: Tx, target: Target, first_id: int, rows: Sequence[Mapping[str, Raw]], *, answer: bool
) -> list[Record]:
    """Images of new records, with ids counted up from `first_id`: column key → JSON text."""
    query = sql.SQL(
        "INSERT INTO {} AS r (id, added_in, data) SELECT %s::bigint + n - 1, %s::integer, data::jsonb"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS new (data, n) ORDER BY n RETURNING r.id, r.added_in, {}"
    ).format(target.table, _shown(target, answer=answer))
    made = await (await tx.execute(query, (first_id, target.version, [json_text(row) for row in rows]))).fetchall()
    return [Record(row[0], row[1], Raw(row[2])) for row in made]


def _shown(target: Target, *, answer: bool) -> sql.SQL:
    return record_json(target.columns) if answer else sql.SQL("''")


def array_text(keys: Sequence[str]) -> str:
    """An array literal of PostgreSQL's."""
    return "{" + ",".join('"' + key.replace("\\", r"\\").replace('"', r"\"") + '"' for key in keys) + "}"


def json_text(values: Mapping[str, Raw]) -> str:
    """The JSON text of column key → JSON text."""
    return msgspec.json.encode(values).decode()
