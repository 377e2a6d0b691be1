"""Brings a database to the newest schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from backend.repositories import advisory_locks
from backend.repositories.database import BulkTx
from backend.repositories.probes import SCRIPTS, newest_migration

if TYPE_CHECKING:
    from alembic.config import Config


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the database at `url` (`postgresql://…`)."""
    from alembic.config import Config  # noqa: PLC0415 a start with nothing to migrate is faster without

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    driver = make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", driver.replace("%", "%%"))
    return config


@contextmanager
def taking_turns(url: str) -> Iterator[BulkTx]:
    """A connection during whose block nobody else changes the database's schema; a service that starts waits.

    Not through a pooler.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (advisory_locks.MIGRATE,))
        yield connection


def upgrade(url: str) -> None:
    """Runs the migrations that are missing; processes that start together take turns.

    The turn ends with a transaction: a pooler may keep a session, and what it has locked, for ever.
    """
    with psycopg.connect(url, prepare_threshold=None) as connection:
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (advisory_locks.MIGRATE,))
        if migration_of(connection) != newest_migration():
            migrate(url)


def migrate(url: str) -> None:
    """Runs the migrations that are missing, within a turn."""
    from alembic import command  # noqa: PLC0415 as above

    command.upgrade(alembic_config(url), "head")


def known_migrations() -> list[str]:
    """The migrations of this program, the oldest first; a database may have newer ones from a newer program."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 as above

    scripts = ScriptDirectory.from_config(alembic_config("postgresql://"))
    return [each.revision for each in scripts.walk_revisions()][::-1]


def migration_of(tx: BulkTx) -> str | None:
    """The newest migration that a database has; None where none was ever run."""
    if tx.execute("SELECT to_regclass('sheaf.alembic_version') IS NULL").fetchone() == (True,):
        return None
    found = tx.execute("SELECT version_num FROM sheaf.alembic_version").fetchone()
    return found[0] if found else None


def workspace_schemas(connection: Connection) -> list[str]:
    """The PostgreSQL schema of every workspace that has one: what a migration of the workspace tables goes through."""
    found = connection.execute(text("SELECT id FROM sheaf.workspaces WHERE has_schema ORDER BY id"))
    return [f"ws_{workspace.hex}" for (workspace,) in found]
