"""`sheaf serve` from start to end: what it prints, what it keeps, what it leaves."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import httpx
import psycopg
import pytest
from support.processes import alive, below, descendants
from support.program import ENDS_WITHIN, Program, postmaster, refused, sheaf
from support.ready import copy_ready
from support.waiting import until

from backend.embedded.account import account_for
from backend.embedded.processes import spawn
from backend.embedded.runtime import Runtime

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve") / "data"


@pytest.fixture(scope="module")
def program(data: Path) -> Iterator[Program]:
    with Program("--data", data, "--workers", "2", "--sample") as program:
        program.wait_for("Sample datasets")
        yield program


def runtime_of(program: Program) -> Path:
    """The runtime folder, by the address of the database that a worker was given."""
    given = Path(f"/proc/{min(program.workers)}/environ").read_bytes().split(b"\0")
    address = next(each.decode() for each in given if each.startswith(b"SHEAF_DATABASE_URL="))
    return Path(unquote(address.partition("host=")[2])).parent


class TestARunningService:
    def test_the_printed_key_works(self, program: Program) -> None:
        me = program.get("/users/me")
        assert me.status_code == 200
        assert me.json()["name"] == "operator"

    def test_no_server_banner_is_sent(self, program: Program) -> None:
        assert "server" not in program.get("/users/me").headers

    def test_the_sample_datasets_are_there(self, program: Program) -> None:
        listed = program.get("/datasets?sort=name").json()["data"]
        assert [(each["name"], each["rows"]) for each in listed] == [("products", 10), ("sales", 1000), ("users", 100)]

    def test_secrets_are_closed_to_others(self, program: Program, data: Path) -> None:
        names = ("api_key", "postgres_password", "database_url", "postgres.log", "valkey.log")
        assert {name: (data / name).stat().st_mode & 0o777 for name in names} == dict.fromkeys(names, 0o600)
        assert (data / "api_key").read_text().strip() == program.key

    def test_the_operator_issues_keys_beside_it(self, program: Program, data: Path) -> None:
        said = sheaf("user", "create", "Ann", "--data", data)
        assert program.get("/users/me", key=said.stdout.strip()).json()["name"] == "Ann"

    def test_a_port_in_use_is_told(self, program: Program, tmp_path: Path) -> None:
        port = program.address.rpartition(":")[2]
        said = refused("--data", tmp_path, "--port", port)
        assert f"port {port}: Address already in use" in said

    def test_a_second_service_on_the_same_data_is_refused(self, program: Program, data: Path) -> None:
        assert "Another service is running on the data folder" in refused("--data", data)
        assert program.health["status"] == "ok"

    def test_a_killed_worker_is_replaced(self, program: Program) -> None:
        before = program.workers
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(program.workers - before) == 1 and program.health, "another worker serves")
        assert program.get("/users/me").status_code == 200

    def test_a_killed_postgres_is_restarted_with_its_data(self, program: Program, data: Path) -> None:
        killed = postmaster(data)
        os.kill(killed, signal.SIGKILL)
        until(lambda: not alive({killed}), "it is gone")
        until(lambda: program.health and postmaster(data) not in {0, killed}, "another one serves")
        assert program.get("/datasets/sales/records?limit=1").json()["total"] == 1000

    def test_a_killed_valkey_is_restarted(self, program: Program, data: Path) -> None:
        (killed,) = below(data / "valkey")
        os.kill(killed, signal.SIGKILL)
        until(lambda: program.health.get("cache") == "ok" and not alive({killed}), "another one serves")
        assert len(below(data / "valkey") - {killed}) == 1


class TestEnding:
    @pytest.mark.alone  # it may not take longer than is promised
    def test_everything_ends_although_streams_are_open(self, tmp_path: Path) -> None:
        copy_ready(tmp_path / "data")
        with Program("--data", tmp_path / "data", "--sample") as program:
            program.wait_for("Sample datasets")
            everything = descendants(program.process.pid) | below(tmp_path)
            with half_an_upload(program), half_a_download(program):
                assert program.end(within=ENDS_WITHIN) == 0
        assert not alive(everything)
        assert not below(tmp_path)
        assert {path.name for path in (tmp_path / "data").iterdir()}.isdisjoint({"database_url"})

    def test_ctrl_c_ends_an_ephemeral_service_and_removes_its_folder(self) -> None:
        with Program("--ephemeral") as program:
            made = runtime_of(program)
            assert (made / "data").is_dir()
            assert program.end(signal.SIGINT) == 0
            assert not made.exists()

    def test_after_sigkill_the_next_start_leaves_nothing_of_it(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        copy_ready(data)
        with Program("--data", data) as killed:
            key, left = killed.key, descendants(killed.process.pid) | below(tmp_path)
            assert killed.upload("kept", "a,b\n1,2\n").status_code == 201
            folder = runtime_of(killed)
            killed.process.kill()
            killed.process.wait()
        with Program("--data", data) as program:
            assert not alive(left)
            assert not folder.exists()
            assert program.key == key
            assert program.get("/datasets/kept").json()["rows"] == 1

    def test_a_second_start_finds_the_data_and_renews_a_key_that_works_no_more(self, tmp_path: Path) -> None:
        with Program("--data", tmp_path, "--sample") as first:
            first.wait_for("Sample datasets")
            rotate = f"{first.address}/api/v1/users/me/keys/rotate"
            rotated = httpx.post(rotate, headers={"X-API-Key": first.key}, timeout=60)
            assert rotated.is_success
        with Program("--data", tmp_path, "--sample") as second:
            second.wait_for("Sample datasets")
            assert second.key not in {first.key, rotated.json()["api_key"]}
            assert second.get("/datasets").json()["total"] == 3


def half_an_upload(program: Program) -> socket.socket:
    """A request whose body stops in the middle."""
    client = connected(program)
    client.sendall(
        b"POST /api/v1/datasets?name=half HTTP/1.1\r\nHost: sheaf\r\nContent-Type: text/csv\r\n"
        b"X-API-Key: " + program.key.encode() + b"\r\nContent-Length: 1000000\r\n\r\na,b\n1,2\n"
    )
    return client


def half_a_download(program: Program) -> socket.socket:
    """An export of which nothing is read but the beginning."""
    client = connected(program)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(
        b"GET /api/v1/datasets/sales/export?format=csv HTTP/1.1\r\nHost: sheaf\r\n"
        b"X-API-Key: " + program.key.encode() + b"\r\n\r\n"
    )
    assert client.recv(16).startswith(b"HTTP/1.1 200")
    return client


def connected(program: Program) -> socket.socket:
    host, _, port = program.address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=120)


INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def own_postgres(programs: Path) -> Iterator[str]:
    """A PostgreSQL that this machine brings along, running; its address."""
    runtime = Runtime()
    account = account_for(Path("/nowhere"))
    folder = runtime.folder("other", account)
    try:
        made = started([programs / "initdb", "-D", "data", "-U", "sheaf", "-A", "trust", "-E", "UTF8", "-N"], folder)
        assert made.wait() == 0
        server = started([programs / "postgres", "-D", "data", "-k", folder, "-h", "", "-F"], folder)
        url = f"postgresql://sheaf@/postgres?host={folder}"
        until(lambda: server.poll() is not None or answers(url), "it takes connections")
        yield url
        server.send_signal(signal.SIGINT)
        server.wait()
    finally:
        runtime.close()


def started(command: list[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    account = account_for(Path("/nowhere"))
    text = [str(part) for part in command]
    return spawn(text, folder=folder, account=account, output=subprocess.DEVNULL, last_signal=signal.SIGQUIT)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


class TestOtherServers:
    def test_an_external_postgres_and_valkey_are_used(
        self, empty_postgres_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE external")
        url = empty_postgres_url.replace("/sheaf?", "/external?")
        environment = {"SHEAF_DATABASE_URL": url, "SHEAF_REDIS_URL": redis_url}
        with Program("--data", tmp_path, environment=environment) as program:
            assert program.upload("there", "a\n1\n").status_code == 201
            assert not below(tmp_path)
            assert {path.name for path in tmp_path.iterdir()}.isdisjoint({"postgres", "valkey", "database_url"})
        with Program("--data", tmp_path, "--no-key", environment=environment) as program:
            assert program.get("/datasets/there", key=(tmp_path / "api_key").read_text().strip()).status_code == 200

    @pytest.mark.parametrize("programs", INSTALLED or [None], ids=lambda path: path.parent.name if path else "none")
    def test_an_older_postgres_serves_as_well(self, programs: Path | None, tmp_path: Path) -> None:
        if programs is None:
            pytest.skip("no PostgreSQL is installed on this machine")
        with own_postgres(programs) as url, Program("--data", tmp_path, environment={"SHEAF_DATABASE_URL": url}) as one:
            made = one.upload("there", "name,amount\nÉlise,1\nBo,2\n")
            assert made.status_code == 201, made.text
            found = one.get("/datasets/there/records?name=ilike:é*&sort=-amount")
            assert [each["data"]["name"] for each in found.json()["data"]] == ["Élise"]
            assert one.get("/datasets/there/export?format=csv").text == "name,amount\r\nÉlise,1\r\nBo,2\r\n"

    def test_a_database_is_migrated_by_a_command_of_its_own(self, empty_postgres_url: str) -> None:
        with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE migrated")
        url = empty_postgres_url.replace("/sheaf?", "/migrated?")
        for _ in range(2):
            assert sheaf("migrate", environment={"SHEAF_DATABASE_URL": url}).returncode == 0
        made = sheaf("user", "create", "Ann", environment={"SHEAF_DATABASE_URL": url})
        assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}\n", made.stdout), made.stderr

    def test_a_command_that_finds_no_database_says_so(self, tmp_path: Path) -> None:
        ended = sheaf("user", "create", "Ann", "--data", tmp_path)
        assert ended.returncode == 1
        assert ended.stderr.startswith("sheaf: Set SHEAF_DATABASE_URL, or start the service")

    def test_an_address_where_nobody_answers_is_told(self, tmp_path: Path) -> None:
        environment = {"SHEAF_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "SHEAF_REDIS_URL": "redis://x"}
        assert "The database cannot be prepared: " in refused("--data", tmp_path, environment=environment)


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        (["--data", "/proc/sheaf"], {}, "The data folder /proc/sheaf cannot be used"),
        ([], {"SHEAF_PORTS": "1"}, "no such setting: SHEAF_PORTS"),
        (["--port", "many"], {}, "port"),
        (["--ephemeral", "--host", "host.invalid"], {}, "Cannot listen on host.invalid"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(flags: list[str], environment: dict[str, str], said: str) -> None:
    assert said in refused(*flags, environment=environment)
