"""`sheaf doctor` finds what was broken on purpose, says what to do, and finds nothing where all is well."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url
from support.beside import Beside
from support.client import Client
from support.databases import own_database
from support.server import Server

from alembic import command
from backend.repositories.migrate import alembic_config, upgrade

_ORPHANS = """
CREATE SCHEMA ws_00000000000000000000000000000000;
INSERT INTO sheaf.workspaces (id, slug, name, has_schema) VALUES
    ('01890000-0000-7000-8000-000000000001', 'a', 'a', true), ('01890000-0000-7000-8000-000000000002', 'b', 'b', true);
CREATE SCHEMA ws_01890000000070008000000000000001;
CREATE TABLE ws_01890000000070008000000000000001.datasets (id uuid, store uuid);
INSERT INTO ws_01890000000070008000000000000001.datasets VALUES
    ('01890000-0000-7000-8000-00000000000a', '01890000-0000-7000-8000-00000000000d');
CREATE TABLE ws_01890000000070008000000000000001.retired_stores (store uuid);
INSERT INTO ws_01890000000070008000000000000001.retired_stores VALUES ('01890000-0000-7000-8000-00000000000e');
CREATE TABLE ws_01890000000070008000000000000001.records_0189000000007000800000000000000e (id int);
CREATE TABLE ws_01890000000070008000000000000001.records_0189000000007000800000000000000b (id int);
INSERT INTO ws_01890000000070008000000000000001.records_0189000000007000800000000000000b VALUES (1), (1);
INSERT INTO sheaf.directory VALUES
    ('01890000-0000-7000-8000-00000000000c', '01890000-0000-7000-8000-000000000001');
"""
_LATE = """
INSERT INTO sheaf.users (id, name) VALUES ('01890000-0000-7000-8000-000000000003', 'Ann');
INSERT INTO sheaf.workspaces (id, slug, name, deleted_at) VALUES
    ('01890000-0000-7000-8000-000000000004', 'c', 'c', now() - interval '31 days');
INSERT INTO sheaf.uploads (id, workspace_id, user_id, size, sha256, kept, expires_at) VALUES
    (gen_random_uuid(), '01890000-0000-7000-8000-000000000004', '01890000-0000-7000-8000-000000000003', 1, '', true,
    now() - interval '3 hours');
INSERT INTO sheaf.imports (id, workspace_id, user_id, request, answered, state, phase, bytes, lease_until) VALUES
    (gen_random_uuid(), '01890000-0000-7000-8000-000000000004', '01890000-0000-7000-8000-000000000003', '{}', true,
    'running', 'loading', 1, now() - interval '1 hour');
"""


@pytest.fixture
def database(empty_postgres_url: str) -> Iterator[str]:
    """An empty database of its own."""
    with own_database(empty_postgres_url) as url:
        yield url


def look(database: str, *arguments: str | Path, **environment: str) -> tuple[dict[str, list[dict[str, Any]]], object]:
    """The findings by what was looked at, and the exit code."""
    printed, code = Beside(database).run("doctor", "--json", *arguments, **environment)
    told = json.loads(printed)
    assert (code == 1) == (told["status"] == "error")
    assert all((each["status"] == "ok") == (each["advice"] is None) for each in told["findings"])
    found: dict[str, list[dict[str, Any]]] = {}
    for each in told["findings"]:
        found.setdefault(each["check"], []).append(each)
    return found, code


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, who may look everywhere, where these tests have them."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def states(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {name: each[0]["status"] for name, each in found.items()}


class TestWhereAllIsWell:
    def test_beside_a_running_service_and_without_it(self, tmp_path: Path) -> None:
        with Server(tmp_path) as server, Client.register(server.base) as ann:
            ann.made(ann.send("a\n1\n", name="one"))
            ann.made(ann.send("a\n1\n", name="two"))
            ann.http.delete("/datasets/two")
            for told in (look("", "--data", tmp_path / "data"), look(server.database_url, "--data", tmp_path / "data")):
                assert set(states(told[0]).values()) == {"ok"}
                assert told[1] is None
        found, code = look("", "--data", tmp_path / "data")
        assert set(states(found).values()) == {"ok"}
        assert code is None
        text = Beside()("doctor", "--data", tmp_path / "data")
        assert text.endswith("0 warnings, 0 errors.\n")
        assert "ok       orphans" in text
        assert not (tmp_path / "data/postgres/postmaster.pid").exists()

    def test_a_folder_without_a_database_gets_none(self, tmp_path: Path) -> None:
        for place, said in ((tmp_path / "none", "There is no data folder"), (tmp_path, "There is no database in")):
            found, code = look("", "--data", place)
            assert found["database"][0]["status"] == "error"
            assert said in found["database"][0]["found"]
            assert code == 1
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_of_somebody_else(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir(mode=0)
        with as_nobody():
            found, code = look("", "--data", tmp_path / "data")
            said = Beside().refused("backup", "-", "--data", tmp_path / "data")
        assert "Run it as the user that the service runs as" in found["data folder"][0]["advice"]
        assert "is closed to this user" in found["database"][0]["found"]
        assert "is closed to this user" in said
        assert code == 1


class TestTheDatabase:
    def test_that_does_not_answer(self, tmp_path: Path) -> None:
        found, code = look("postgresql://me:hunter2@127.0.0.1:1/x", "--data", tmp_path)
        assert found["database"][0]["status"] == "error"
        assert "Connection refused" in found["database"][0]["found"]
        assert "hunter2" not in json.dumps(found)
        assert code == 1

    def test_migrations(self, database: str) -> None:
        found, _ = look(database)
        assert (found["migrations"][0]["status"], found["migrations"][0]["found"]) == (
            "warning",
            "The database is empty.",
        )
        upgrade(database)
        command.downgrade(alembic_config(database), "-1")
        assert "sheaf migrate" in look(database)[0]["migrations"][0]["advice"]
        with psycopg.connect(database) as tx:
            tx.execute("UPDATE sheaf.alembic_version SET version_num = '9999'")
        (found,) = look(database)[0]["migrations"]
        assert "which this release does not know" in found["found"]
        assert found["status"] == "error"

    def test_orphans(self, database: str) -> None:
        upgrade(database)
        with psycopg.connect(database, autocommit=True) as tx:
            tx.execute(_ORPHANS)
            with pytest.raises(psycopg.errors.UniqueViolation):
                tx.execute(
                    "CREATE UNIQUE INDEX CONCURRENTLY broken"
                    " ON ws_01890000000070008000000000000001.records_0189000000007000800000000000000b (id)"
                )
        found, code = look(database)
        told = {each["found"].split(":")[0]: each for each in found["orphans"]}
        assert {name: each["status"] for name, each in told.items()} == {
            "Indexes that a build left unfinished": "warning",
            "Schemas that belong to no workspace": "warning",
            "Tables that belong to no dataset": "warning",
            "Entries of the directory without a dataset": "warning",
            "Workspaces without their schema": "error",
            "Datasets without their table of records": "error",
            "Datasets that are not in the directory": "error",
        }
        assert code == 1
        with psycopg.connect(database, autocommit=True) as tx:
            for each in told.values():  # what it says is what helps
                for statement in each["advice"].partition("in the database: ")[2].split(";"):
                    tx.execute(statement.strip())
        assert {each["status"] for each in look(database)[0]["orphans"]} == {"error"}

    def test_what_is_late(self, database: str) -> None:
        upgrade(database)
        with psycopg.connect(database) as tx:
            tx.execute(_LATE)
        found, _ = look(database)
        assert "1 kept files past their time, 1 workspaces to be removed for good" in found["upkeep"][0]["found"]
        assert "1 imports that no worker goes on with" in found["queues"][0]["found"]

    def test_settings_of_the_server(self, database: str) -> None:
        name = sql.Identifier(str(make_url(database).database))
        with psycopg.connect(database, autocommit=True) as tx:
            for setting in ("statement_timeout = '5s'", "work_mem = '1MB'", "synchronous_commit = off"):
                tx.execute(sql.SQL("ALTER DATABASE {} SET {}").format(name, sql.SQL(setting)))
            tx.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 30").format(name))
        found, code = look(database, "--workers", "2")
        assert states(found) | {
            "timeouts": "warning", "work_mem": "warning", "synchronous_commit": "warning", "connections": "error",
        } == states(found)  # fmt: skip
        assert "up to 48 connections; the server gives it 30" in found["connections"][0]["found"]
        assert code == 1

    def test_files_that_were_forgotten_in_a_crash(self, database: str) -> None:
        with psycopg.connect(database, autocommit=True) as tx:
            place = "SELECT setting || '/base/' || oid FROM pg_settings, pg_database"
            place += " WHERE name = 'data_directory' AND datname = current_database()"
            (folder,) = tx.execute(place.encode()).fetchall()[0]
            ours = folder.replace("/proc/self/", f"/proc/{tx.info.backend_pid}/")
            for name in ("4000000000", "4000000000.1", "4000000001"):
                tx.execute(sql.SQL("COPY (VALUES (1234567)) TO {}").format(f"{folder}/{name}"))
            for name in ("4000000000", "4000000000.1"):
                os.utime(Path(ours, name), (0, 0))
            tx.execute("CREATE TABLE there (id int); INSERT INTO there VALUES (1)")
            (found,) = look(database)[0]["files"]
        assert "forgotten 1 of their files, 0.0 MiB, in its folder: base/" in found["found"]
        assert found["found"].endswith("/4000000000.")


class TestAround:
    def test_redis(self, tmp_path: Path, redis_url: str) -> None:
        place = ("--data", tmp_path / "none")
        assert look("", *place, SHEAF_REDIS_URL=redis_url)[0]["redis"][0]["found"].startswith("Valkey ")
        found, _ = look("", *place, SHEAF_REDIS_URL="redis://:hunter2@127.0.0.1:1/0")
        assert found["redis"][0]["status"] == "warning"
        assert "hunter2" not in json.dumps(found)

    def test_disk(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        found, _ = look("", "--data", tmp_path, SHEAF_MAX_UPLOAD="1000000GiB")
        assert found["disk"][0]["status"] == "warning"
        assert found["data folder"][0]["advice"] == f"chmod 700 {tmp_path}"

    def test_settings(self, tmp_path: Path) -> None:
        place = ("--data", tmp_path / "none")
        open_to_all = {"SHEAF_REGISTRATION": "open", "SHEAF_KEY_POLICY": "any", "SHEAF_CORS_ORIGINS": "*"}
        assert states(look("", *place, **open_to_all)[0])["keys"] == "warning"
        found, code = look("", *place, **open_to_all, SHEAF_HOST="0.0.0.0", SHEAF_WORKERS="999")
        told = {"keys": "error", "registration": "warning", "rate limit": "warning", "origins": "warning"}
        assert states(found) | told | {"workers": "warning"} == states(found)
        assert code == 1
        limited, _ = look(
            "", *place, SHEAF_HOST="0.0.0.0", SHEAF_RATE_LIMIT="600/minute", SHEAF_WORKBOOK_MEMORY="9000GiB"
        )
        assert "rate limit" not in limited
        assert states(limited)["workbooks"] == "warning"
