"""A private PostgreSQL in the data folder, reached through a Unix socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from backend.embedded.account import account_for
from backend.embedded.binaries import postgres_programs
from backend.embedded.failure import Failure
from backend.embedded.folder import DataFolder
from backend.embedded.processes import end, end_all, spawn
from backend.embedded.runtime import Runtime

NAME = "sheaf"
_PATIENCE = 600.0  # seconds for crash recovery of a large database
_MEBIBYTE = 2**20
_CONNECTIONS = 400


class EmbeddedPostgres:
    """One PostgreSQL server; `url` is its address while it runs."""

    def __init__(self, data: DataFolder, runtime: Runtime, *, ephemeral: bool = False, locks: int = 0) -> None:
        """Prepare, without starting. `ephemeral` trades safety for speed: a crash of the machine loses the data.

        `locks`: on so many tables and indexes at once, if that is more than usual, there is room for.
        """
        self._folder = data.path / "postgres"
        self._account = account_for(self._folder)
        self._sockets = runtime.folder("pg", self._account)
        self._programs = postgres_programs(runtime, self._account)
        self._password = data.password("postgres_password")
        self._log = data.path / "postgres.log"
        self._ephemeral = ephemeral
        self._locks = locks
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://{NAME}:{self._password}@/{NAME}?host={quote(str(self._sockets), safe='')}"

    def start(self) -> None:
        """Start the server and wait until it takes connections. Raises Failure with the reason."""
        self._sweep()
        if not self._folder.exists():
            self._create()
        self._log.touch(mode=0o600)
        keep = "ab" if self._log.stat().st_size < 10 * _MEBIBYTE else "wb"
        with self._log.open(keep) as log:
            start = log.tell()
            command = [str(self._programs / "postgres"), "-D", _here(self._folder), *self._options()]
            self.process = spawn(
                command, folder=self._folder, account=self._account, output=log.fileno(), last_signal=signal.SIGINT
            )
        self._wait_until_ready(start)

    def stop(self, seconds: float = 5.0) -> None:
        """End the server in order or, after so many seconds, at once: the next start then recovers the data."""
        if self.process is not None:
            end(self.process, signals={signal.SIGINT: seconds, signal.SIGQUIT: 0.5})
        self._sweep()

    def _sweep(self) -> None:
        """End what a killed run left, and forget its pid: the number may belong to another process by now."""
        for folder in (self._folder, self._unfinished):
            end_all(folder, "postgres", gently=signal.SIGQUIT, seconds=5)
        (self._folder / "postmaster.pid").unlink(missing_ok=True)

    @property
    def _unfinished(self) -> Path:
        return self._folder.with_name("postgres.new")

    def _create(self) -> None:
        """Make the cluster in a folder beside its place, so that a broken attempt is never taken for a cluster."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(mode=0o700)
        self._account.own(self._unfinished)
        secret = self._sockets / "password"
        secret.touch(mode=0o600)
        self._account.own(secret)
        try:
            secret.write_text(self._password)
            self._run(
                "initdb", "-D", _here(self._unfinished), f"--username={NAME}", f"--pwfile={secret}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
                "--no-instructions", *(["--no-sync"] if self._ephemeral else []),
            )  # fmt: skip
        finally:
            secret.unlink()
        self._run(
            "postgres", "--single", "-D", _here(self._unfinished), *self._speed(), "postgres",
            text=f"CREATE DATABASE {NAME}\n".encode(),
        )  # fmt: skip
        self._unfinished.rename(self._folder)

    def _run(self, program: str, *arguments: str, text: bytes = b"") -> None:
        process = spawn(
            [str(self._programs / program), *arguments],
            folder=self._unfinished,
            account=self._account,
            output=subprocess.PIPE,
            last_signal=signal.SIGKILL,
            text=text,
        )
        output = process.communicate()[0]
        if process.returncode:
            raise Failure(f"The database cannot be created: {_last_line(output)}")

    def _speed(self) -> list[str]:
        return _as_options(fsync="off", synchronous_commit="off", full_page_writes="off") if self._ephemeral else []

    def _options(self) -> list[str]:
        memory = _memory()
        shared = max(128, min(1024, memory // 8 // _MEBIBYTE))
        return self._speed() + _as_options(
            listen_addresses="",
            unix_socket_directories=str(self._sockets),
            unix_socket_permissions="0700",
            max_connections=str(_CONNECTIONS),
            max_locks_per_transaction=str(max(64, self._locks // _CONNECTIONS + 1)),
            shared_buffers=f"{shared}MB",
            effective_cache_size=f"{memory // 2 // _MEBIBYTE}MB",
            seq_page_cost="0.5",  # most pages are in memory
            random_page_cost="0.55",  # and disks that turn are rare
            maintenance_work_mem=f"{shared // 2}MB",
            work_mem="16MB",
            wal_level="minimal",
            max_wal_senders="0",
            max_logical_replication_workers="0",
            max_wal_size="4GB",
            checkpoint_timeout="15min",
            jit="off",  # costs more than it saves on statements with many short expressions
            timezone="UTC",
            log_timezone="UTC",
            log_min_messages="log",  # an ERROR belongs to a request, and its text may hold a cell
            log_min_error_statement="panic",
            log_error_verbosity="terse",
            log_checkpoints="off",
            log_line_prefix="%m [%p] ",
        )

    def _wait_until_ready(self, log_start: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        process = self.process
        while process is not None and process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                lines = (self._folder / "postmaster.pid").read_text().splitlines()
                if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        self.stop()
        raise Failure(f"The database does not start: {_last_line(self._log.read_bytes()[log_start:])}")


def _here(folder: Path) -> str:
    """How a server that runs in `folder` names it: on Linux without its path, which may be too long or closed to it."""
    return "/proc/self/cwd" if sys.platform == "linux" else str(folder)


def _as_options(**settings: str) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _memory() -> int:
    """Bytes of memory that this machine or its container has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory


def _last_line(output: bytes) -> str:
    """The most telling line of a server's output."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if "FATAL" in line or "error:" in line or "PANIC" in line]
    return (told or lines or ["it ended without a word"])[-1].strip()
