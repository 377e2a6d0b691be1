"""Heads and columns of a workspace's datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from backend.repositories.database import Tx
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import has_schema, table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Dataset, Head

_HEAD = sql.SQL(
    "id, slug, name, description, kind, owner, version, rows, columns, bytes, created_at, updated_at,"
    " (SELECT c.name FROM {columns} c WHERE c.dataset_id = d.id AND c.key = d.key AND c.removed_in = {live})"
    " AS key_name, keep_versions, keep_days,"
    " token, revision, store, open_schema, next_id,"
    " CASE WHEN busy_until > statement_timestamp() THEN busy_import END, key"
)
_COLUMN = sql.SQL("key, name, type, format, nullable, description")


def _to_head(scope: WorkspaceScope, row: Sequence[Any]) -> Head:
    dataset = Dataset(
        id=row[0],
        slug=row[1],
        name=row[2],
        description=row[3],
        kind=row[4],
        workspace=scope.id,
        owner=row[5],
        version=row[6],
        rows=row[7],
        columns=row[8],
        bytes=row[9],
        created_at=row[10],
        updated_at=row[11],
        key=row[12],
        keep_versions=row[13],
        keep_days=row[14],
    )
    return Head(dataset, *row[15:])


def _head(scope: WorkspaceScope) -> sql.Composed:
    """What `_to_head` reads, of heads called `d`."""
    return _HEAD.format(columns=table(scope, "columns"), live=LIVE)


async def find(
    tx: Tx, scope: WorkspaceScope, ref: UUID | str, *, deleted_since: datetime | None = None, lock: bool = False
) -> Head | None:
    """The dataset with this id or slug, or one that was deleted since then.

    `lock` holds its head row until the transaction ends.
    """
    if not await has_schema(tx, scope):
        return None
    query = sql.SQL("SELECT {} FROM {} d WHERE {} = %(ref)s AND {} {}").format(
        _head(scope),
        table(scope, "datasets"),
        sql.Identifier("id" if isinstance(ref, UUID) else "slug"),
        sql.SQL("deleted_at > %(since)s" if deleted_since else "deleted_at IS NULL"),
        sql.SQL("FOR NO KEY UPDATE OF d" if lock else ""),
    )
    row = await (await tx.execute(query, {"ref": ref, "since": deleted_since})).fetchone()
    return _to_head(scope, row) if row else None


async def list_page(
    tx: Tx, scope: WorkspaceScope, *, q: str | None, sort: Sequence[tuple[str, bool]], limit: int, offset: int
) -> tuple[list[Head], int]:
    """One page of the workspace's datasets and how many there are; `sort` holds (column, descending)."""
    if not await has_schema(tx, scope):
        return [], 0
    order = [
        sql.SQL("{} {}").format(sql.Identifier("d", name), sql.SQL("DESC" if desc else "ASC")) for name, desc in sort
    ]
    matching = sql.SQL(
        "FROM {} d WHERE deleted_at IS NULL AND (%(q)s::text IS NULL OR position(lower(%(q)s) IN"
    ).format(table(scope, "datasets")) + sql.SQL(" lower(concat_ws(' ', name, slug, description))) > 0)")
    counted = await tx.execute(sql.SQL("SELECT count(*) ") + matching, {"q": q})
    total = (await counted.fetchone() or (0,))[0]
    page = await tx.execute(
        sql.SQL("SELECT {} {} ORDER BY {} LIMIT %(limit)s OFFSET %(offset)s").format(
            _head(scope), matching, sql.SQL(", ").join([*order, sql.Identifier("d", "id")])
        ),
        {"q": q, "limit": limit, "offset": offset},
    )
    return [_to_head(scope, row) for row in await page.fetchall()], total


async def list_all(tx: Tx, scope: WorkspaceScope) -> list[Head]:
    """Every dataset of the workspace, by slug."""
    if not await has_schema(tx, scope):
        return []
    query = sql.SQL('SELECT {} FROM {} d WHERE deleted_at IS NULL ORDER BY slug COLLATE "C"')
    found = await tx.execute(query.format(_head(scope), table(scope, "datasets")))
    return [_to_head(scope, row) for row in await found.fetchall()]


async def taken(tx: Tx, scope: WorkspaceScope, *, name: str, slug: str) -> tuple[set[str], set[str]]:
    """Names (lower case) and slugs in use that begin like these."""
    if not await has_schema(tx, scope):
        return set(), set()
    query = sql.SQL(
        "SELECT lower(name), slug FROM {} WHERE deleted_at IS NULL"
        " AND (starts_with(lower(name), lower(%s)) OR starts_with(slug, %s))"
    ).format(table(scope, "datasets"))
    rows = await (await tx.execute(query, (name, slug))).fetchall()
    return {row[0] for row in rows}, {row[1] for row in rows}


async def add(tx: Tx, scope: WorkspaceScope, values: Mapping[str, object]) -> None:
    """A new head row."""
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        table(scope, "datasets"),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    await tx.execute(query, dict(values))


async def patch(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, values: Mapping[str, object]) -> None:
    """Sets columns of a head row; its revision goes up."""
    named = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values]
    query = sql.SQL("UPDATE {} SET {}, revision = revision + 1 WHERE id = %(id)s").format(
        table(scope, "datasets"), sql.SQL(", ").join(named)
    )
    await tx.execute(query, {**values, "id": dataset_id})


async def expired(tx: Tx, scope: WorkspaceScope, before: datetime) -> list[UUID]:
    """Datasets deleted before a moment, their head rows locked; those that somebody else has locked are left out."""
    query = sql.SQL("SELECT id FROM {} WHERE deleted_at < %s FOR UPDATE SKIP LOCKED").format(table(scope, "datasets"))
    return [row[0] for row in await (await tx.execute(query, (before,))).fetchall()]


async def list_some(tx: Tx, scope: WorkspaceScope, most: int) -> list[UUID]:
    """Ids of some of the workspace's datasets, deleted ones among them."""
    query = sql.SQL("SELECT id FROM {} LIMIT %s").format(table(scope, "datasets"))
    return [row[0] for row in await (await tx.execute(query, (most,))).fetchall()]


async def remove(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    """A dataset's head, columns and versions, for good."""
    await tx.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(table(scope, "datasets")), (dataset_id,))


async def list_columns(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int) -> tuple[Column, ...]:
    """The columns as of a version, in order."""
    query = sql.SQL(
        "SELECT {} FROM {} WHERE dataset_id = %(id)s AND added_in <= %(v)s AND removed_in > %(v)s ORDER BY position"
    ).format(_COLUMN, table(scope, "columns"))
    rows = await (await tx.execute(query, {"id": dataset_id, "v": version})).fetchall()
    return tuple(Column(*row) for row in rows)


async def list_schema_changes(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> list[int]:
    """The versions in which columns began or ended, in order."""
    query = sql.SQL(
        "SELECT added_in FROM {0} WHERE dataset_id = %(id)s UNION SELECT removed_in FROM {0} WHERE dataset_id = %(id)s"
        " ORDER BY 1"
    ).format(table(scope, "columns"))
    return [row[0] for row in await (await tx.execute(query, {"id": dataset_id})).fetchall()]


async def list_evidence(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int) -> dict[str, Any]:
    """Column key → evidence as raw JSON (None where there is none), as of a version."""
    query = sql.SQL(
        "SELECT key, evidence FROM {} WHERE dataset_id = %(id)s AND added_in <= %(v)s AND removed_in > %(v)s"
    ).format(table(scope, "columns"))
    return dict(await (await tx.execute(query, {"id": dataset_id, "v": version})).fetchall())


async def list_keys(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> set[str]:
    """Every column key that was ever used in the dataset."""
    query = sql.SQL("SELECT DISTINCT key FROM {} WHERE dataset_id = %s").format(table(scope, "columns"))
    return {row[0] for row in await (await tx.execute(query, (dataset_id,))).fetchall()}


async def add_columns(
    tx: Tx,
    scope: WorkspaceScope,
    dataset_id: UUID,
    version: int,
    columns: Iterable[tuple[int, Column, bytes | None]],
) -> None:
    """Columns that begin at `version`: (position, column, evidence as JSON)."""
    query = sql.SQL(
        "COPY {} (dataset_id, added_in, position, key, name, type, format, nullable, description, evidence) FROM STDIN"
    ).format(table(scope, "columns"))
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        for position, column, evidence in columns:
            told = (column.key, column.name, column.type, column.format, column.nullable, column.description)
            raw = Jsonb(evidence, dumps=_as_it_is) if evidence is not None else None
            await copy.write_row((dataset_id, version, position, *told, raw))


async def end_columns(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int, keys: Sequence[str]) -> None:
    """These columns are no longer what they were from `version` on."""
    query = sql.SQL("UPDATE {} SET removed_in = %s WHERE dataset_id = %s AND removed_in = %s AND key = ANY(%s)").format(
        table(scope, "columns")
    )
    await tx.execute(query, (version, dataset_id, LIVE, list(keys)))


def _as_it_is(raw: bytes) -> bytes:
    return raw
