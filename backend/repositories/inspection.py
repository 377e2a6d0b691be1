"""How a database is: its version, its settings, who is at work in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from backend.repositories.database import BulkTx
from backend.repositories.folding import FOLDING, FOLDS, THERE, quoted

_SETTINGS = "SELECT name, CASE WHEN unit IS NULL THEN setting ELSE setting || ' ' || unit END FROM pg_settings"
_DATABASE = """
SELECT current_database(), pg_encoding_to_char(encoding), pg_database_size(oid), age(datfrozenxid),
    has_database_privilege(oid, 'CREATE'), pg_is_in_recovery(),
    coalesce(datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid), false),
    least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        nullif(datconnlimit, -1), (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
    )
FROM pg_database WHERE datname = current_database()
"""
_LONG = """
SELECT pid, coalesce(nullif(application_name, ''), usename, 'unnamed'), state,
    extract(epoch FROM clock_timestamp() - xact_start)::bigint
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND clock_timestamp() - xact_start > interval '1 hour'
ORDER BY xact_start
"""
_MAY_LOOK = """
SELECT bool_and(has_function_privilege(name, 'EXECUTE')) AND NOT EXISTS (SELECT FROM pg_prepared_xacts)
FROM unnest(ARRAY['pg_ls_dir(text)', 'pg_stat_file(text, boolean)']) AS name
"""
_OLDEST = "SELECT least(min(xact_start), clock_timestamp()) - interval '2 seconds' FROM pg_stat_activity"
_FORGOTTEN = """
SELECT place || number, sum(size)::bigint
FROM (SELECT 'base/' || oid || '/' AS place FROM pg_database WHERE datname = current_database()) AS folder,
    pg_ls_dir(place) AS file, substring(file from '^[0-9]+') AS number, pg_stat_file(place || file, true) AS told
WHERE number IS NOT NULL AND number::oid NOT IN
    (SELECT pg_relation_filenode(oid) FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL)
GROUP BY place, number HAVING sum(size) > 0 AND max(modification) < %s ORDER BY 2 DESC
"""
_EXTENSION = "SELECT installed_version FROM pg_available_extensions WHERE name = %s"


class Server(Struct, frozen=True):
    """`version` is such as 180006; `size` in bytes; `connections`: so many can be open; `age`: transactions since the
    oldest row was frozen; `stale_collation`: the system's library has another version than when text was indexed.
    """

    version: int
    database: str
    encoding: str
    size: int
    age: int
    may_create: bool
    is_standby: bool
    stale_collation: bool
    connections: int
    is_pooled: bool


class LongTransaction(Struct, frozen=True):
    """One that has been open for `seconds`."""

    pid: int
    name: str
    state: str
    seconds: int


def server(tx: BulkTx) -> Server:
    """A pooler shows itself by another process id than the server's own."""
    name, encoding, size, age, may_create, standby, stale, connections = _row(tx, _DATABASE)
    pooled = tx.info.backend_pid != _row(tx, "SELECT pg_backend_pid()")[0]
    return Server(
        tx.info.server_version, name, encoding, size, age, may_create, standby, stale, connections, pooled
    )  # fmt: skip


def settings(tx: BulkTx) -> dict[str, str]:
    """Every setting as it is for a session of ours, with its unit."""
    return dict(tx.execute(_SETTINGS).fetchall())


def folds_case(tx: BulkTx) -> bool:
    """Whether one of the collations that we try knows É and é."""
    return any(
        tx.execute(THERE, (quoted(name).as_string(),)).fetchone() == (True,)
        and tx.execute(FOLDS.format(quoted(name))).fetchone() == (True,)
        for name in FOLDING
    )


def extension(tx: BulkTx, name: str) -> tuple[bool, str | None]:
    """Whether the server has it at hand, and its version where it is installed in this database."""
    found = tx.execute(_EXTENSION, (name,)).fetchone()
    return found is not None, found[0] if found else None


def now(tx: BulkTx) -> datetime:
    """The server's clock."""
    moment: datetime = _row(tx, "SELECT clock_timestamp()")[0]
    return moment


def long_transactions(tx: BulkTx) -> Sequence[LongTransaction]:
    return [LongTransaction(*row) for row in tx.execute(_LONG)]


def forgotten_files(tx: BulkTx) -> list[tuple[str, int]]:
    """Files below the server's folder, with their bytes, of tables that were being made when it was killed.

    Nothing refers to them, and PostgreSQL removes them never. None are told to a user who may not look. Not inside a
    transaction: what was written since the oldest one that runs began may be of a table that we cannot see yet.
    """
    if not _row(tx, _MAY_LOOK)[0]:
        return []
    (oldest,) = _row(tx, _OLDEST)
    return [(name, size) for name, size in tx.execute(_FORGOTTEN, (oldest,))]


def _row(tx: BulkTx, query: str) -> tuple[Any, ...]:
    return tx.execute(query).fetchall()[0]
