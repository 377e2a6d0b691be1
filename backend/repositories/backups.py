"""What `pg_dump` and `psql` are told about a database that is backed up or restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from backend.repositories.database import BulkTx
from backend.repositories.migrate import migration_of

SCHEMAS = ("sheaf", "ws_[0-9a-f]{32}")
"""The schemas that are ours, as `pg_dump` takes patterns."""
OURS = "(n.nspname = 'sheaf' OR n.nspname ~ '^ws_[0-9a-f]{32}$')"
"""The same, as a condition on `pg_namespace n`."""
_LIST_OURS = f"SELECT n.nspname FROM pg_namespace n WHERE {OURS} ORDER BY 1"  # noqa: S608
_LOCKED_BY_DROP = f"SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS}"  # noqa: S608
_TABLES = f"""
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {OURS} AND c.relkind = 'r'
"""  # noqa: S608
_CONTENTS = """
SELECT (SELECT count(*) FROM sheaf.workspaces), (SELECT count(*) FROM sheaf.directory),
    (SELECT count(*) FROM sheaf.users)
"""
_OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'unnamed'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1 ORDER BY 1
"""
_ROOM = """
SELECT current_setting('max_locks_per_transaction')::int
    * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)
"""
_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'"
_SECRETS = ("password", "sslpassword", "oauth_client_secret")


class Contents(Struct, frozen=True):
    """How much a database holds, deleted things that can be brought back included."""

    workspaces: int
    datasets: int
    users: int


class Source(Struct, frozen=True):
    """What is to be backed up; `snapshot` is its name for `pg_dump`, `postgres` such as 180006.

    `extensions`: those that indexes of ours may use.
    """

    snapshot: str
    postgres: int
    migration: str | None
    extensions: tuple[str, ...]
    contents: Contents


@contextmanager
def connected(url: str) -> Iterator[BulkTx]:
    """One connection beside any pool; each statement stands by itself."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None, connect_timeout=10) as connection:
        yield connection


@contextmanager
def one_state(tx: BulkTx) -> Iterator[None]:
    """A transaction that sees what is committed when it begins; nothing is written."""
    tx.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        tx.rollback()


@contextmanager
def snapshot(url: str) -> Iterator[Source]:
    """What is committed when the block begins, for as long as it lasts."""
    with connected(url) as tx, one_state(tx):
        migration = migration_of(tx)
        contents = Contents(0, 0, 0) if migration is None else _contents(tx)
        extensions = tuple(name for (name,) in tx.execute(_EXTENSIONS))
        name = _one(tx, "SELECT pg_export_snapshot()")
        yield Source(name, tx.info.server_version, migration, extensions, contents)


def list_schemas(tx: BulkTx) -> list[str]:
    """The schemas of ours that are there already."""
    return [name for (name,) in tx.execute(_LIST_OURS)]


def holds_anything(tx: BulkTx) -> bool:
    """Whether there is something to lose: a migrated database without a user or a workspace has nothing."""
    if migration_of(tx) is None:
        return bool(list_schemas(tx))
    found = _contents(tx)
    return bool(found.workspaces or found.users or found.datasets)


def list_others(tx: BulkTx) -> list[tuple[str, int]]:
    """Who else is connected: application names, with the number of connections."""
    return [(name, count) for name, count in tx.execute(_OTHERS)]


def room_for_locks(tx: BulkTx) -> tuple[int, int]:
    """On so many tables and indexes at once there is room for locks, and so many would be dropped."""
    return _one(tx, _ROOM), _one(tx, _LOCKED_BY_DROP)


def dropping(tx: BulkTx) -> str:
    """Statements that drop all that is ours."""
    drop = sql.SQL("DROP SCHEMA {} CASCADE;\n")
    return "".join(drop.format(sql.Identifier(name)).as_string(tx) for name in list_schemas(tx))


def analyze(tx: BulkTx) -> None:
    """Statistics, which no backup holds and without which the first queries would be slow."""
    tables = [sql.Identifier(*row) for row in tx.execute(_TABLES)]
    tx.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(tables)))


def for_programs(url: str) -> tuple[str, dict[str, str]]:
    """An address for a command line, which everyone on the machine can read, and the variables with its password."""
    told = conninfo_to_dict(url)
    password = told.get("password")
    plain = {name: value for name, value in told.items() if name not in _SECRETS}
    return make_conninfo("", **plain), {"PGPASSWORD": str(password)} if password else {}


def _contents(tx: BulkTx) -> Contents:
    return Contents(*tx.execute(_CONTENTS).fetchall()[0])


def _one(tx: BulkTx, query: str) -> Any:
    return tx.execute(query).fetchall()[0][0]
