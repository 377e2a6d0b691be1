"""What nothing refers to any more, what is referred to and missing, and what should have been swept."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from msgspec import Struct
from psycopg import sql

from backend.repositories.backups import OURS, list_schemas
from backend.repositories.database import BulkTx

_WORKSPACES = "SELECT id, deleted_at IS NULL FROM sheaf.workspaces WHERE has_schema"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, 'records_')"
_DIRECTORY = "SELECT dataset_id FROM sheaf.directory WHERE workspace_id = %s"
_INVALID = f"""
SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {OURS} AND NOT (i.indisvalid AND i.indisready)
    AND i.indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index) ORDER BY 1, 2
"""  # noqa: S608
_LATE = {
    "kept files past their time": "sheaf.uploads WHERE kept AND expires_at < now() - %(late)s::interval",
    "prepared exports past their time": "sheaf.exports WHERE expires_at < now() - %(late)s::interval",
    "answers for retries past their time": (
        "sheaf.idempotency WHERE created_at < now() - interval '24 hours' - %(late)s::interval"
    ),
    "workspaces to be removed for good": (
        "sheaf.workspaces WHERE deleted_at < now() - %(undelete)s::interval - %(late)s::interval"
    ),
}
_WAITING = "WHERE state IN ('queued', 'running') AND coalesce(lease_until, created_at) < now() - %(stuck)s::interval"
_STUCK = {
    "imports that no worker goes on with": f"sheaf.imports {_WAITING}",
    "exports that no worker goes on with": f"sheaf.exports {_WAITING}",
}


class Orphans(Struct, frozen=True):
    """`schemas` without a workspace, `tables` (`schema.table`) that no dataset has or had, `listed` in the directory
    without a dataset, `indexes` that a killed build left; and what is gone: `lost_schemas` of workspaces,
    `lost_tables` and `unlisted` datasets (`schema.id`).
    """

    schemas: list[str]
    lost_schemas: list[str]
    tables: list[str]
    lost_tables: list[str]
    listed: list[str]
    unlisted: list[str]
    indexes: list[str]


def find(tx: BulkTx) -> Orphans:
    """Looks through every workspace, in a transaction that sees one state of all."""
    there = set(list_schemas(tx)) - {"sheaf"}
    named = {f"ws_{workspace.hex}": (workspace, lives) for workspace, lives in tx.execute(_WORKSPACES)}
    found = Orphans(sorted(there - set(named)), sorted(set(named) - there), [], [], [], [], _indexes(tx))
    for schema in sorted(there & set(named)):
        _look_into(tx, schema, *named[schema], found)
    return found


def _look_into(tx: BulkTx, schema: str, workspace: UUID, lives: bool, found: Orphans) -> None:
    """One that is deleted loses its datasets step by step, and its entries of the directory at the end."""
    heads, retired = sql.Identifier(schema, "datasets"), sql.Identifier(schema, "retired_stores")
    datasets, stores = set[str](), set[str]()
    for dataset, store in tx.execute(sql.SQL("SELECT id, store FROM {}").format(heads)):
        datasets.add(dataset.hex)
        stores.add(store.hex)
    olds = {each.hex for (each,) in tx.execute(sql.SQL("SELECT store FROM {}").format(retired))}
    tables = {name.removeprefix("records_") for (name,) in tx.execute(_TABLES, (schema,))}
    listed = {each.hex for (each,) in tx.execute(_DIRECTORY, (workspace,))}
    for target, ids, before in (
        (found.tables, tables - stores - olds, f"{schema}.records_"),
        (found.lost_tables, stores - tables, f"{schema}.records_"),
        (found.listed, listed - datasets if lives else set(), ""),
        (found.unlisted, datasets - listed, f"{schema}."),
    ):
        target += [f"{before}{each}" for each in sorted(ids)]


def _indexes(tx: BulkTx) -> list[str]:
    return [f"{schema}.{name}" for schema, name in tx.execute(_INVALID)]


def unswept(tx: BulkTx, *, undelete_days: int) -> Iterator[tuple[str, int]]:
    """What the hourly upkeep should have removed two hours ago, and how much of it."""
    yield from _counted(tx, _LATE, {"late": "2 hours", "undelete": f"{undelete_days} days"})


def stuck(tx: BulkTx) -> Iterator[tuple[str, int]]:
    """What waits for a worker for ten minutes."""
    yield from _counted(tx, _STUCK, {"stuck": "10 minutes"})


def _counted(tx: BulkTx, places: dict[str, str], times: dict[str, str]) -> Iterator[tuple[str, int]]:
    for what, place in places.items():
        if count := tx.execute(f"SELECT count(*) FROM {place}", times).fetchall()[0][0]:  # noqa: S608
            yield what, count
