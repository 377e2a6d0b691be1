"""A workspace's own PostgreSQL schema, and the directory that says which workspace a dataset is in."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg import sql
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable

from backend.errors import WorkspaceNotFound
from backend.repositories.database import Tx
from backend.repositories.tables import workspace
from backend.schemas.callers import WorkspaceScope

_LOCK = "SELECT has_schema FROM sheaf.workspaces WHERE id = %s AND deleted_at IS NULL FOR NO KEY UPDATE"
_SCOPE = "SELECT id, slug, name, 'owner', has_schema FROM sheaf.workspaces"


def in_schema(schema: str) -> MetaData:
    """The workspace tables as they are in one workspace's schema."""
    metadata = MetaData(naming_convention=workspace.naming_convention)
    for table in workspace.sorted_tables:
        table.to_metadata(metadata, schema=schema)
    return metadata


def table(scope: WorkspaceScope, name: str) -> sql.Identifier:
    """The quoted name of one of the workspace's tables."""
    return sql.Identifier(scope.schema, name)


def _ddl(schema: str) -> list[bytes]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = [str(CreateSchema(schema, if_not_exists=True).compile(dialect=dialect))]
    for each in in_schema(schema).sorted_tables:
        statements.append(str(CreateTable(each, if_not_exists=True).compile(dialect=dialect)))
        statements += [
            str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect))
            for index in sorted(each.indexes, key=lambda index: str(index.name))
        ]
    return [statement.encode() for statement in statements]


async def ensure_schema(tx: Tx, scope: WorkspaceScope) -> None:
    """Makes the workspace's schema and tables if this is its first dataset. Raises WorkspaceNotFound.

    Otherwise not a word of it is said: even `CREATE INDEX IF NOT EXISTS` locks out whoever writes to the table.
    """
    if await lock(tx, scope):
        return
    for statement in _ddl(scope.schema):
        await tx.execute(statement)
    await tx.execute("UPDATE sheaf.workspaces SET has_schema = true WHERE id = %s", (scope.id,))


async def lock(tx: Tx, scope: WorkspaceScope) -> bool:
    """Until the transaction ends, nobody else makes, names or removes a dataset of this workspace, changes its members
    or deletes it.

    Whether the workspace has a schema by now. Raises WorkspaceNotFound where it was deleted meanwhile.
    """
    found = await (await tx.execute(_LOCK, (scope.id,))).fetchone()
    if found is None:
        raise WorkspaceNotFound
    return found == (True,)


async def list_scopes(tx: Tx) -> list[WorkspaceScope]:
    """Every workspace that holds datasets and is not deleted, for the service's own upkeep."""
    found = await tx.execute(f"{_SCOPE} WHERE has_schema AND deleted_at IS NULL")
    return [WorkspaceScope(*row) for row in await found.fetchall()]


async def remove_from_directory(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    await tx.execute("DELETE FROM sheaf.directory WHERE dataset_id = %s AND workspace_id = %s", (dataset_id, scope.id))


async def add_to_directory(tx: Tx, scope: WorkspaceScope, dataset_id: UUID) -> None:
    await tx.execute("INSERT INTO sheaf.directory (dataset_id, workspace_id) VALUES (%s, %s)", (dataset_id, scope.id))


async def find_scope(tx: Tx, scopes: Sequence[WorkspaceScope], dataset_id: UUID) -> WorkspaceScope | None:
    """Which of these workspaces the dataset is in."""
    found = await tx.execute(
        "SELECT workspace_id FROM sheaf.directory WHERE dataset_id = %s AND workspace_id = ANY(%s)",
        (dataset_id, [scope.id for scope in scopes]),
    )
    row = await found.fetchone()
    return next((scope for scope in scopes if row and scope.id == row[0]), None)
