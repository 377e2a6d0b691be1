"""The declared key of a dataset: a unique index over its live images, on just what filters compare.

While a record's old image and its new one both live, their key is there twice: who writes closes the old ones first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from secrets import token_hex
from uuid import UUID

from msgspec import Raw
from psycopg import errors, sql

from backend.errors import DatasetBusy
from backend.query.fields import bound_type, value_expression
from backend.query.sqltext import literal
from backend.query.values import Bound
from backend.repositories.database import Tx
from backend.repositories.records import interrupt_builds, records
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot, Store

SHOWN = 20
"""Records that are named where they have no key, or the same one."""
_PATIENCE = "SET LOCAL lock_timeout = '2s'"
_NO_LIMIT = "SET LOCAL lock_timeout = DEFAULT"


def same_index(one: Column, other: Column) -> bool:
    """Whether an index on the one column is one on the other."""
    return value_expression(one) == value_expression(other)


async def build(tx: Tx, scope: WorkspaceScope, store: Store, column: Column) -> None:
    """From now on no two live records have the same value in the column.

    Raises DuplicateKeys, and InvalidRecord for values that are too long.
    """
    statement = sql.SQL("CREATE UNIQUE INDEX {} ON {} (({})) WHERE removed_in = {}").format(
        sql.Identifier(f"uq_records_{store.hex}_key_{token_hex(4)}"),
        records(scope, store),
        sql.SQL(value_expression(column, "data")),
        sql.Literal(LIVE),
    )
    await interrupt_builds(tx, scope, store)
    await tx.execute(statement, {})


async def list_indexes(tx: Tx, scope: WorkspaceScope, store: Store) -> list[str]:
    """The names of the indexes that `build` made: one, or none."""
    name = records(scope, store).as_string(tx)
    query = (
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = %s::regclass AND starts_with(c.relname, %s)"
    )
    rows = await (await tx.execute(query, (name, f"uq_records_{store.hex}_key_"))).fetchall()
    return [row[0] for row in rows]


async def drop(tx: Tx, scope: WorkspaceScope, store: Store, names: Collection[str]) -> None:
    """Two records may have the same value again.

    Those who read go on until they are done, and new ones do not wait long: raises DatasetBusy after two seconds.
    """
    if not names:
        return
    await interrupt_builds(tx, scope, store)
    await tx.execute(_PATIENCE)
    try:
        for name in names:
            await tx.execute(sql.SQL("DROP INDEX {}").format(table(scope, name)))
    except errors.LockNotAvailable as error:
        text = "Somebody reads all of the dataset, an export for one; its key can be changed when that is done."
        raise DatasetBusy(text, headers={"Retry-After": "5"}) from error
    await tx.execute(_NO_LIMIT)


async def require(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, column: Column) -> None:
    """The column, as this transaction has just begun it, takes no nulls."""
    query = sql.SQL("UPDATE {} SET nullable = false WHERE dataset_id = %s AND key = %s AND removed_in = %s")
    await tx.execute(query.format(table(scope, "columns")), (dataset_id, column.key, LIVE))


async def without(tx: Tx, scope: WorkspaceScope, store: Store, column: Column) -> list[int]:
    """The first live records that have no value in the column."""
    query = sql.SQL("SELECT r.id FROM {} r WHERE r.removed_in = {} AND ({}) IS NULL ORDER BY r.id LIMIT {}").format(
        records(scope, store), sql.Literal(LIVE), sql.SQL(value_expression(column)), sql.Literal(SHOWN)
    )
    return [row[0] for row in await (await tx.execute(query, {})).fetchall()]


async def repeated(tx: Tx, scope: WorkspaceScope, store: Store, column: Column) -> list[tuple[list[int], str]]:
    """The first values that several live records have in the column: the first of these records, and the value."""
    query = sql.SQL(
        "SELECT (array_agg(r.id ORDER BY r.id))[:{shown}], min(r.data->>{key}) FROM {source} r"
        " WHERE r.removed_in = {live} GROUP BY {value} HAVING count(*) > 1 ORDER BY min(r.id) LIMIT {shown}"
    ).format(
        shown=sql.Literal(SHOWN),
        key=sql.SQL(literal(column.key)),
        source=records(scope, store),
        live=sql.Literal(LIVE),
        value=sql.SQL(value_expression(column)),
    )
    return [(row[0], row[1]) for row in await (await tx.execute(query, {})).fetchall()]


async def find(tx: Tx, scope: WorkspaceScope, store: Store, column: Column, value: Bound) -> int | None:
    """The live record with this key, found by the index."""
    query = sql.SQL("SELECT r.id FROM {} r WHERE r.removed_in = {} AND {}").format(
        records(scope, store), sql.Literal(LIVE), _is(column)
    )
    row = await (await tx.execute(query, {"value": value})).fetchone()
    return row[0] if row else None


async def find_at(tx: Tx, scope: WorkspaceScope, snapshot: Snapshot, column: Column, value: Bound) -> list[int]:
    """The first records with this value at a version, which may be older than the key."""
    query = sql.SQL(
        "SELECT r.id FROM {} r WHERE r.added_in <= %(version)s AND r.removed_in > %(version)s AND {}"
        " ORDER BY r.id LIMIT {}"
    ).format(records(scope, snapshot.store), _is(column), sql.Literal(SHOWN))
    params = {"value": value, "version": snapshot.version}
    return [row[0] for row in await (await tx.execute(query, params)).fetchall()]


def _is(column: Column) -> sql.SQL:
    return sql.SQL(f"{value_expression(column)} = %(value)s::{bound_type(column)}")


async def pair(
    tx: Tx, scope: WorkspaceScope, store: Store, columns: Sequence[Column], items: Sequence[Raw]
) -> list[tuple[int, list[int]]]:
    """For each item, an object of values by column key: the first item with the same values in these columns, and the
    first live records with them.
    """
    mine = [sql.SQL(value_expression(column, "n.data")) for column in columns]
    theirs = [sql.SQL(value_expression(column)) for column in columns]
    query = sql.SQL(
        "SELECT n.first, (array_agg(r.id ORDER BY r.id) FILTER (WHERE r.id IS NOT NULL))[:{shown}]"
        " FROM (SELECT n.at, n.data, min(n.at) OVER (PARTITION BY {mine}) AS first FROM"
        " (SELECT at, text::jsonb AS data FROM unnest(%s::text[]) WITH ORDINALITY AS sent (text, at) OFFSET 0) n) n"
        " LEFT JOIN {source} r ON r.removed_in = {live} AND {same} GROUP BY n.at, n.first ORDER BY n.at"
    ).format(
        shown=sql.Literal(SHOWN),
        mine=sql.SQL(", ").join(mine),
        source=records(scope, store),
        live=sql.Literal(LIVE),
        same=sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*each) for each in zip(theirs, mine, strict=True)),
    )
    rows = await (await tx.execute(query, ([bytes(item).decode() for item in items],))).fetchall()
    return [(row[0] - 1, row[1] or []) for row in rows]
