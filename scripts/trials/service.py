"""The real processes: `sheaf serve` with two workers, its PostgreSQL and its Valkey."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import psycopg

from backend.embedded import launch
from scripts.benchmarks.processes import children
from scripts.trials.waiting import until

WORKERS = 2
_NOT_PASSED_ON = ("SHEAF_", "COVERAGE_")
"""Settings of others, and the measuring of tests, which takes as much processor time again."""


class Service:
    """The service on one data folder and one port, through all its starts; ends with this process (Linux)."""

    def __init__(self, data: Path, log: Path, **settings: str) -> None:
        """`settings`: `SHEAF_…` variables without the prefix, in lower case."""
        self.data, self.log = data, log
        self.port = _free_port()
        told = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        given = {f"SHEAF_{name.upper()}": value for name, value in settings.items()}
        self._environment = told | {"SHEAF_REGISTRATION": "open", "SHEAF_LOG_LEVEL": "info"} | given
        self._process: subprocess.Popen[bytes] | None = None
        self.key = ""

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        serve = [sys.executable, "-m", "backend", "serve", "--data", str(self.data)]
        flags = ["--port", str(self.port), "--workers", str(WORKERS)]
        ours = map(str, (os.getpid(), int(signal.SIGTERM), os.geteuid(), os.getegid()))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, launch.__file__, *ours, *serve, *flags],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.key = until(lambda: self._said(begin), "the service starts")

    def _said(self, begin: int) -> str:
        """The key that it printed when it was ready; empty before that."""
        with self.log.open("rb") as log:
            log.seek(begin)
            text = log.read().decode(errors="replace")
        if self.process.poll() is not None:
            raise RuntimeError(f"The service did not start:\n{text[-4000:]}")
        found = re.search(r"API key: (\S+)\n", text)
        return found[1] if found else ""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def stop(self, seconds: float = 30) -> float:
        """SIGTERM; the seconds until it had ended. Raises TimeoutExpired."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        return time.monotonic() - begun

    def kill(self) -> None:
        """SIGKILL to the supervisor and the workers: nothing is tidied up."""
        pids = {self.process.pid} | self.workers
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it, in order if it can."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def workers(self) -> set[int]:
        """Ids of the processes that serve."""
        return {pid for pid in children(self.process.pid) if "backend.worker" in _command(pid)}

    def server(self, name: str) -> list[int]:
        """Ids of the processes of the private `postgres` or `valkey`, the first of them first."""
        for pid in children(self.process.pid):
            if name in _command(pid):
                return [pid, *sorted(children(pid))]
        return []

    def connect(self) -> psycopg.Connection:
        """To the private database, beside the service."""
        url = (self.data / "database_url").read_text().strip()
        return psycopg.connect(url, autocommit=True, application_name="trial")

    def is_whole(self) -> bool:
        """Whether all workers serve, and say that the database and the cache answer."""
        if len(self.workers) < WORKERS:
            return False
        with suppress(OSError, ValueError):
            return all(b'"cache":"ok"' in self._health() for _ in range(4 * WORKERS))
        return False

    def _health(self) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
            body: bytes = answer.read()
            return body


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
