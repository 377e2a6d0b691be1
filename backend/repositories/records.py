"""The record table of a dataset: images of records, each visible from `added_in` until before `removed_in`."""

from __future__ import annotations

from collections.abc import AsyncIterable
from uuid import UUID

from psycopg import sql

from backend.repositories.database import Tx
from backend.repositories.tables import LIVE
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope

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
