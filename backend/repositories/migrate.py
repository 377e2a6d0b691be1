"""Brings a database to the newest schema."""

from pathlib import Path

import psycopg
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from alembic import command

_LOCK = 7_450_361_220


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the database at `url` (`postgresql://…`)."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "alembic").replace("%", "%%"))
    driver = make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", driver.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Runs the migrations that are missing; processes that start together take turns."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        command.upgrade(alembic_config(url), "head")


def workspace_schemas(connection: Connection) -> list[str]:
    """The PostgreSQL schema of every workspace that has one: what a migration of the workspace tables goes through."""
    found = connection.execute(text("SELECT id FROM sheaf.workspaces WHERE has_schema ORDER BY id"))
    return [f"ws_{workspace.hex}" for (workspace,) in found]
