"""The whole service behind PgBouncer in transaction mode, where each transaction may find another session."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.program import Program
from support.waiting import until

from backend.embedded.account import account_for
from backend.embedded.processes import spawn
from backend.embedded.runtime import Runtime

BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
SESSIONS = 6
"""Of the server; both workers share them."""
OWN = {"application_name", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "standard_conforming_strings"}
"""Settings of a session that PgBouncer itself keeps as each of its clients wants them."""

pytestmark = pytest.mark.skipif(BOUNCER is None, reason="pgbouncer is not installed: apt-get install pgbouncer")


@pytest.fixture(scope="module")
def database_url(empty_postgres_url: str) -> str:
    """An empty database, without PgBouncer."""
    with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE pooled")
    return empty_postgres_url.replace("/sheaf?", "/pooled?")


@pytest.fixture(scope="module")
def pooled_url(database_url: str) -> Iterator[str]:
    """The same, through PgBouncer."""
    with bouncer(database_url) as url:
        yield url


@contextmanager
def bouncer(database_url: str) -> Iterator[str]:
    runtime, told = Runtime(), conninfo_to_dict(database_url)
    account = account_for(Path("/nowhere"))
    try:
        folder = runtime.folder("bouncer", account)
        target = " ".join(f"{name}={told[name]}" for name in ("host", "dbname", "user", "password") if told.get(name))
        settings = {
            "listen_addr": "",
            "unix_socket_dir": folder,
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": SESSIONS,
            "max_client_conn": 100,
        }
        lines = ["[databases]", f"pooled = {target}", "[pgbouncer]"]
        (folder / "bouncer.ini").write_text("\n".join([*lines, *(f"{k} = {v}" for k, v in settings.items()), ""]))
        (folder / "bouncer.ini").chmod(0o644)
        command = [str(BOUNCER), "--quiet", str(folder / "bouncer.ini")]
        output = subprocess.DEVNULL
        process = spawn(command, folder=folder, account=account, output=output, last_signal=signal.SIGTERM)
        until(lambda: process.poll() is not None or (folder / ".s.PGSQL.6432").exists(), "it listens")
        yield f"postgresql://any@/pooled?host={folder}&port=6432"
        process.terminate()
        process.wait()
    finally:
        runtime.close()


@pytest.fixture(scope="module")
def program(pooled_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    environment = {
        "SHEAF_DATABASE_URL": pooled_url,
        "SHEAF_REDIS_URL": redis_url,
        "SHEAF_PREPARED_STATEMENTS": "false",
        "SHEAF_REGISTRATION": "open",
    }
    data = tmp_path_factory.mktemp("pooled")
    with Program("--data", data, environment=environment) as first:
        first.end()  # so that the second one finds the turn of migrations free
    with Program("--data", data, "--workers", "2", environment=environment) as program:
        yield program


@pytest.fixture
def http(program: Program) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{program.address}/api/v1", headers={"X-API-Key": program.key}, timeout=60) as client:
        yield client


def lines(count: int, first: int = 0) -> str:
    return "sku,amount\n" + "".join(f"s{number},{number}\n" for number in range(first, first + count))


def made(http: httpx.Client, name: str, count: int = 500) -> str:
    answer = http.post(f"/datasets?name={name}", content=lines(count), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    return name


def test_pages_filters_and_cursors(http: httpx.Client) -> None:
    name = made(http, "pages")
    asked = f"/datasets/{name}/records?limit=125&amount=gte:250&sort=-amount"
    page = http.get(asked).json()
    rest = http.get(f"{asked}&cursor={page['next']}").json()
    found = [each["data"]["amount"] for each in page["data"] + rest["data"]]
    assert found == list(range(499, 249, -1))
    assert http.get(f"/datasets/{name}/records/count?q=s49*").status_code == 200


@pytest.mark.anyio
async def test_many_at_a_time(program: Program, http: httpx.Client) -> None:
    """More readers and writers than there are sessions."""
    name = made(http, "crowd", 50)
    headers = {"X-API-Key": program.key}
    async with httpx.AsyncClient(base_url=f"{program.address}/api/v1", headers=headers, timeout=60) as crowd:

        async def work(number: int) -> set[int]:
            own = f"/datasets/{name}/records/{number + 1}"
            patched = await crowd.patch(own, json={"amount": 1000 + number})
            read = await crowd.get(own)
            page = await crowd.get(f"/datasets/{name}/records?amount=gte:{number}")
            file = await crowd.get(f"/datasets/{name}/export?format=csv")
            assert read.json()["data"]["amount"] == 1000 + number
            return {patched.status_code, read.status_code, page.status_code, file.status_code}

        assert set().union(*await asyncio.gather(*(work(number) for number in range(25)))) == {200}
        assert (await crowd.get(f"/datasets/{name}")).json()["version"] == 26


def test_writes_of_every_kind(http: httpx.Client) -> None:
    name = made(http, "writes", 20)
    assert http.post(f"/datasets/{name}/records", json=[{"sku": "n1", "amount": 1}]).status_code == 201
    batch = {"changes": [{"id": 1, "set": {"amount": 7}}], "deletes": [2], "creates": [{"sku": "n2"}]}
    assert http.patch(f"/datasets/{name}/records", json=batch).status_code == 200
    changed = http.patch(f"/datasets/{name}/records", json={"where": {"amount": {"gt": 10}}, "set": {"amount": 0}})
    assert changed.status_code == 200, changed.text
    assert http.put(f"/datasets/{name}/records?key=sku", json=[{"sku": "s5", "amount": 5}]).status_code == 200
    retyped = http.patch(f"/datasets/{name}/schema", json={"columns": [{"name": "amount", "type": "text"}]})
    assert retyped.status_code == 200, retyped.text
    assert http.patch(f"/datasets/{name}", json={"key": "sku"}).status_code == 200
    restored = http.post(f"/datasets/{name}/restore", json={"version": 1})
    assert restored.status_code in {200, 201}, restored.text
    assert http.get(f"/datasets/{name}/diff?from=1&to={restored.json()['version']}").json()["data"] == []


def test_a_write_that_is_sent_again_is_done_once(http: httpx.Client) -> None:
    name = made(http, "retries", 5)
    sent = [
        http.post(f"/datasets/{name}/records", json={"sku": "x", "amount": 1}, headers={"Idempotency-Key": "one"})
        for _ in range(3)
    ]
    assert {each.text for each in sent} == {sent[0].text}
    assert http.get(f"/datasets/{name}").json()["rows"] == 6


def test_imports_beside_the_request_are_watched(http: httpx.Client) -> None:
    name = made(http, "watched", 2_000)
    headers = {"Content-Type": "text/csv", "Prefer": "respond-async"}
    address = f"/datasets/{name}/imports?mode=sync&key=sku"
    begun = http.post(address, content=lines(2_000, first=1_000), headers=headers)
    assert begun.status_code == 202, begun.text
    with http.stream("GET", f"/imports/{begun.json()['id']}/events") as events:
        told = [json.loads(line[5:]) for line in events.iter_lines() if line.startswith("data:")]
    assert told[-1]["state"] == "done"
    changes = told[-1]["changes"]
    assert [changes[each] for each in ("added", "changed", "removed", "unchanged")] == [1000, 0, 1000, 1000]


def test_prepared_exports_and_streams(http: httpx.Client) -> None:
    name = made(http, "files", 3_000)
    assert len(http.get(f"/datasets/{name}/records/stream").text.splitlines()) == 3_000
    assert http.get(f"/datasets/{name}/export?format=xlsx").content.startswith(b"PK")
    asked = http.get(f"/datasets/{name}/export?format=csv&prepare=true")
    assert asked.status_code == 202, asked.text
    address = f"/exports/{asked.json()['id']}"
    until(lambda: http.get(address).json()["state"] == "done", "the file is made")
    assert http.get(f"{address}/file").text.count("\r\n") == 3_001


def test_versions_are_pruned(http: httpx.Client) -> None:
    name = made(http, "pruned", 5)
    assert http.patch(f"/datasets/{name}", json={"keep_versions": 2}).status_code == 200
    for amount in range(5):
        assert http.patch(f"/datasets/{name}/records/1", json={"amount": 100 + amount}).status_code == 200
    assert [each["version"] for each in http.get(f"/datasets/{name}/versions").json()["data"]] == [6, 5]
    assert http.get(f"/datasets/{name}/records?version=2").status_code == 410


def test_nothing_of_a_session_is_left(program: Program, pooled_url: str, database_url: str) -> None:
    assert program.health["status"] == "ok"
    program.end()
    with ExitStack() as stack:
        for _ in range(SESSIONS):  # open transactions, so each has a session of its own
            connection = stack.enter_context(psycopg.connect(pooled_url, prepare_threshold=None))
            set_by_someone = connection.execute("SELECT name FROM pg_settings WHERE source = 'session'").fetchall()
            assert {name for (name,) in set_by_someone} <= OWN
            assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
            assert connection.execute("SELECT * FROM pg_listening_channels()").fetchall() == []
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT * FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []
        left = "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'"
        assert connection.execute(left).fetchall() == []
