"""A workspace's own PostgreSQL schema, and the directory that says which workspace a dataset is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from psycopg import sql
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable

from backend.errors import WorkspaceNotFound
from backend.repositories import advisory_locks
from backend.repositories.database import Tx
from backend.repositories.store_tables import workspace
from backend.schemas.callers import WorkspaceScope

_LOCK = "SELECT has_schema FROM sheaf.workspaces WHERE id = %s AND deleted_at IS NULL FOR NO KEY UPDATE"
_ADD = "INSERT INTO sheaf.workspaces (id, slug, name, description) VALUES (%s, %s, %s, %s)"
_DELETE = "UPDATE sheaf.workspaces SET deleted_at = %s WHERE id = %s RETURNING has_schema"
_RESTORE = """
UPDATE sheaf.workspaces SET deleted_at = NULL, slug = %s, updated_at = %s, revision = revision + 1 WHERE id = %s
"""
_CLAIM = """
SELECT FROM sheaf.workspaces WHERE id = %s AND deleted_at <= %s FOR NO KEY UPDATE SKIP LOCKED
"""
_SCOPE = "SELECT id, slug, name, 'owner', has_schema FROM sheaf.workspaces"

_PATIENCE = "2s"
_ANY = f"ws_{UUID(int=0).hex}"


def in_schema(schema: str) -> MetaData:
    """The workspace tables as they are in one workspace's schema."""
    metadata = MetaData(naming_convention=workspace.naming_convention)
    for table in workspace.sorted_tables:
        table.to_metadata(metadata, schema=schema)
    return metadata


def table(scope: WorkspaceScope, name: str) -> sql.Identifier:
    """The quoted name of one of the workspace's tables."""
    return sql.Identifier(scope.schema, name)


@cache
def _ddl() -> list[str]:
    """What makes the schema `_ANY` with its tables: to work that out for each workspace takes longer than to do it."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = [str(CreateSchema(_ANY, if_not_exists=True).compile(dialect=dialect))]
    for each in in_schema(_ANY).sorted_tables:
        statements.append(str(CreateTable(each, if_not_exists=True).compile(dialect=dialect)))
        statements += [
            str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect))
            for index in sorted(each.indexes, key=lambda index: str(index.name))
        ]
    return statements


async def ensure_schema(tx: Tx, scope: WorkspaceScope) -> None:
    """Makes the workspace's schema and tables if this is its first dataset. Raises WorkspaceNotFound.

    Otherwise not a word of it is said: even `CREATE INDEX IF NOT EXISTS` locks out whoever writes to the table.
    """
    if await lock(tx, scope):
        return
    for statement in _ddl():
        await tx.execute(statement.replace(_ANY, scope.schema).encode())
    await tx.execute("UPDATE sheaf.workspaces SET has_schema = true WHERE id = %s", (scope.id,))


async def has_schema(tx: Tx, scope: WorkspaceScope) -> bool:
    """As it is now: a scope may be remembered from before the workspace's first dataset."""
    if scope.has_schema:
        return True
    return (await tx.execute("SELECT FROM sheaf.workspaces WHERE id = %s AND has_schema", (scope.id,))).rowcount == 1


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


async def find(tx: Tx, workspace_id: UUID) -> WorkspaceScope | None:
    """One that holds datasets and is not deleted, for what was promised in it."""
    found = await tx.execute(f"{_SCOPE} WHERE id = %s AND has_schema AND deleted_at IS NULL", (workspace_id,))
    row = await found.fetchone()
    return None if row is None else WorkspaceScope(*row)


async def add(tx: Tx, workspace_id: UUID, slug: str, name: str, description: str | None = None) -> None:
    """A workspace that nobody belongs to yet."""
    await tx.execute(_ADD, (workspace_id, slug, name, description))


async def set_slug(tx: Tx, scope: WorkspaceScope, slug: str) -> None:
    """Of a workspace that nobody has seen yet: it stays at its first revision."""
    await tx.execute("UPDATE sheaf.workspaces SET slug = %s WHERE id = %s", (slug, scope.id))


async def take_turn(tx: Tx) -> None:
    """Waits until nobody else makes many datasets in one transaction; further ones wait until this one ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(%s)", (advisory_locks.MANY_DATASETS,))


async def patch(tx: Tx, scope: WorkspaceScope, values: Mapping[str, object]) -> None:
    """Sets columns of a workspace; its revision goes up."""
    named = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values]
    query = sql.SQL("UPDATE sheaf.workspaces SET {}, revision = revision + 1 WHERE id = %(id)s")
    await tx.execute(query.format(sql.SQL(", ").join(named)), {**values, "id": scope.id})


async def delete(tx: Tx, scope: WorkspaceScope, at: datetime) -> None:
    """Hides a workspace that is locked, and with it all its datasets that are not deleted already."""
    found = await (await tx.execute(_DELETE, (at, scope.id))).fetchone()
    if found == (True,):
        query = sql.SQL("UPDATE {} SET deleted_at = %s WHERE deleted_at IS NULL").format(table(scope, "datasets"))
        await tx.execute(query, (at,))


async def lock_datasets(tx: Tx, scope: WorkspaceScope) -> None:
    """Waits for the writes to its datasets that have begun; further ones wait. To be called before `lock`, never after:
    who renames a dataset locks in this order, too.
    """
    if await has_schema(tx, scope):
        query = sql.SQL("SELECT FROM {} WHERE deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE")
        await tx.execute(query.format(table(scope, "datasets")))


async def restore(tx: Tx, scope: WorkspaceScope, deleted_at: datetime, slug: str, at: datetime) -> None:
    """Brings back a workspace that was deleted then, and is locked, with the datasets that were deleted with it."""
    if scope.has_schema:
        query = sql.SQL("UPDATE {} SET deleted_at = NULL WHERE deleted_at = %s").format(table(scope, "datasets"))
        await tx.execute(query, (deleted_at,))
    await tx.execute(_RESTORE, (slug, at, scope.id))


async def list_expired(tx: Tx, before: datetime) -> list[WorkspaceScope]:
    """The workspaces that were deleted before then."""
    found = await tx.execute(f"{_SCOPE} WHERE deleted_at <= %s", (before,))
    return [WorkspaceScope(*row) for row in await found.fetchall()]


async def claim_expired(tx: Tx, scope: WorkspaceScope, before: datetime) -> bool:
    """Locks a workspace that was deleted before then; False where it is not there, or somebody else has it.

    Who waits for more than a few seconds for somebody who still reads from it gives up: raises Unavailable.
    """
    await tx.execute("SELECT set_config('lock_timeout', %s, true)", (_PATIENCE,))
    return (await tx.execute(_CLAIM, (scope.id, before))).rowcount == 1


async def remove(tx: Tx, scope: WorkspaceScope) -> None:
    """The workspace with all that is left of it, for good; most of its tables are to be gone by then, since each that
    is dropped takes room for its locks.
    """
    await tx.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(scope.schema)))
    await tx.execute("DELETE FROM sheaf.workspaces WHERE id = %s", (scope.id,))


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
