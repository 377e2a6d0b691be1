"""What must not be left when nothing runs: tables, leases, uploads, temporary things, connections, spooled files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from backend import assembly
from backend.settings import Settings
from scripts.trials.service import WORKERS, Service

POOL = 10
"""SHEAF_DATABASE_POOL as it is from the start."""
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ws\\_%'"
_TABLES = """
SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND nspname = %s
"""
_OWN = {"datasets", "columns", "retired_stores", "versions"}
_OTHERS = {
    "temporary tables": "SELECT relname FROM pg_class WHERE relpersistence = 't'",
    "schemas of no workspace": (
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ws\\_%' AND NOT EXISTS"
        " (SELECT FROM sheaf.workspaces WHERE 'ws_' || replace(id::text, '-', '') = nspname)"
    ),
    "imports under way": "SELECT id FROM sheaf.imports WHERE state IN ('queued', 'running')",
    "uploads of no import": "SELECT id FROM sheaf.uploads WHERE NOT kept",
    "parts of uploads": "SELECT upload_id FROM sheaf.upload_chunks c LEFT JOIN sheaf.uploads u ON u.id = c.upload_id"
    " WHERE u.id IS NULL",
    "open transactions": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' AND state <> 'idle'"
    ),
    "prepared transactions": "SELECT gid FROM pg_prepared_xacts",
    "advisory locks": "SELECT pid FROM pg_locks WHERE locktype = 'advisory'",
}
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
_ORPHANS = """
SELECT size FROM (SELECT 'base/' || oid || '/' AS place FROM pg_database WHERE datname = current_database()) d,
    pg_ls_dir(place) f, pg_stat_file(place || f)
WHERE f ~ '^[0-9]+$' AND size > 0 AND f::oid NOT IN (SELECT pg_relation_filenode(oid) FROM pg_class
    WHERE pg_relation_filenode(oid) IS NOT NULL)
"""


def left_over(service: Service) -> list[str]:
    """Each thing that should not be there, in words."""
    with service.connect() as connection:
        found = [*_tables(connection), *_busy(connection)]
        for what, query in _OTHERS.items():
            if rows := connection.execute(query.encode()).fetchall():
                found.append(f"{what}: {len(rows)}, such as {rows[0][0]}")
        if (count := connections(connection)) > most_connections(POOL):
            found.append(f"database connections: {count}")
    return [*found, *_files(service)]


def most_connections(pool: int) -> int:
    """Of all workers, with so many of each for requests."""
    return WORKERS * assembly.most_connections(Settings(database_pool=pool))


def connections(connection: psycopg.Connection[Any]) -> int:
    """Database connections besides this one."""
    row = connection.execute(_CONNECTIONS).fetchone()
    return int(row[0]) if row else 0


def busy(connection: psycopg.Connection[Any]) -> int:
    """Database connections, besides this one, that somebody has to himself."""
    return len(connection.execute(_OTHERS["open transactions"].encode()).fetchall())


def orphans(service: Service) -> int:
    """Files that PostgreSQL itself has forgotten in a crash: those of tables whose transaction had not ended."""
    with service.connect() as connection:
        connection.execute("CHECKPOINT")
        return len(connection.execute(_ORPHANS).fetchall())


def _schemas(connection: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in connection.execute(_SCHEMAS).fetchall()]


def _tables(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Tables of no dataset, and datasets without their table."""
    for schema in _schemas(connection):
        there = {name for (name,) in connection.execute(_TABLES, (schema,)).fetchall()} - _OWN
        places = (sql.Identifier(schema, "datasets"), sql.Identifier(schema, "retired_stores"))
        ids = connection.execute(sql.SQL("SELECT store FROM {} UNION SELECT store FROM {}").format(*places)).fetchall()
        wanted = {f"records_{each.hex}" for (each,) in ids}
        yield from (f"table of no dataset: {schema}.{name}" for name in there - wanted)
        yield from (f"dataset without a table: {schema}.{name}" for name in wanted - there)


def _busy(connection: psycopg.Connection[Any]) -> Iterator[str]:
    for schema in _schemas(connection):
        query = sql.SQL("SELECT id FROM {} WHERE busy_until > statement_timestamp()")
        for (found,) in connection.execute(query.format(sql.Identifier(schema, "datasets"))).fetchall():
            yield f"dataset that is still leased: {found}"


def _files(service: Service) -> Iterator[str]:
    """Spooled files with a name, and those without one that a worker still holds."""
    yield from (f"spooled file: {path.name}" for path in (service.data / "spool").iterdir())
    for pid in service.workers:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if str(handle.readlink()).endswith(" (deleted)") and handle.stat().st_size:
                    yield f"spooled file without a name in worker {pid}: {handle.stat().st_size} bytes"
            except OSError:
                continue
