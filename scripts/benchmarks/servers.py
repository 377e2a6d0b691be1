"""The servers that are measured: the service as `sheaf serve` runs it, and the bare handler beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from msgspec import Struct

from backend.embedded import launch
from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.processes import end
from backend.embedded.runtime import Runtime
from scripts.benchmarks.client import Client
from scripts.benchmarks.processes import children

_PATIENCE = 60.0


class Postgres(Struct, frozen=True):
    """A running PostgreSQL with the settings of the embedded one; `pid` is that of its first process."""

    url: str
    pid: int

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)


class Server(Struct, frozen=True):
    """A running HTTP server: `pid` of all its processes' parent, `worker` of one that answers."""

    client: Client
    pid: int
    worker: int


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A fresh embedded PostgreSQL, as safe against crashes as the service's own."""
    runtime = Runtime()
    data = DataFolder(folder)
    server = EmbeddedPostgres(data, runtime)
    try:
        server.start()
        assert server.process is not None
        yield Postgres(server.url, server.process.pid)
    finally:
        server.stop()
        data.close()
        runtime.close()


@contextmanager
def service(folder: Path, database: Postgres, *, workers: int = 1, **settings: str) -> Iterator[Server]:
    """`sheaf serve` as a user starts it, on this database; `settings` without `SHEAF_`."""
    given = ["--port", "0", "--workers", str(workers), "--data", str(folder)]
    command = [sys.executable, "-m", "backend", "serve", *given]
    told = {name: value for name, value in os.environ.items() if not name.startswith("SHEAF_")}
    wanted = {f"SHEAF_{name.upper()}": value for name, value in settings.items()}
    environment = told | {"SHEAF_DATABASE_URL": database.url} | wanted
    ready = r"ready at http://\S+:(\d+)\s+API key: (\S+)"
    with _running(command, environment, folder.with_suffix(".log"), ready) as (pid, said):
        worker = next(child for child in children(pid) if b"backend.worker" in _command(child))
        yield Server(Client(int(said[1]), said[2]), pid, worker)


@contextmanager
def bare(folder: Path, database: Postgres, statement: str) -> Iterator[Server]:
    """A Litestar handler that runs one statement, under the same server with the same settings."""
    command = [sys.executable, "-m", "scripts.benchmarks.bare", database.url, statement]
    with _running(command, dict(os.environ), folder / "bare.log", r"port (\d+)") as (pid, said):
        yield Server(Client(int(said[1]), ""), pid, pid)


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], log: Path, ready: str
) -> Iterator[tuple[int, re.Match[str]]]:
    """A process, and where it said that it is ready; ended with the block, or with this process."""
    with log.open("wb") as output:
        ours = map(str, (os.getpid(), int(signal.SIGTERM), os.geteuid(), os.getegid()))
        process = subprocess.Popen(
            [sys.executable, launch.__file__, *ours, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process.pid, _wait(process, log, ready)
    finally:
        end(process, signals={signal.SIGTERM: 10})


def _wait(process: subprocess.Popen[bytes], log: Path, ready: str) -> re.Match[str]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if said := re.search(ready, log.read_text()):
            return said
        time.sleep(0.05)
    raise RuntimeError(f"A server did not start:\n{log.read_text()}")


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
