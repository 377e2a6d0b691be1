"""A service that tests stop, kill and start again, with its own database."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psycopg

from support.processes import alive
from support.program import Program, postmaster
from support.ready import copy_ready
from support.waiting import until

_UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
"""Its coverage is not taken, for half of its processor time: `test_serve` measures what only such processes run."""


def copied(server: Server) -> int:
    """Rows that running imports have sent to the database."""
    with psycopg.connect(server.database_url) as connection:
        row = connection.execute("SELECT coalesce(sum(tuples_processed), 0) FROM pg_stat_progress_copy").fetchone()
    return int(row[0]) if row else 0


class Server:
    """`base` is the address while it runs. `settings` are `SHEAF_…` variables without the prefix, in lower case."""

    def __init__(self, folder: Path, *, ephemeral: bool = False, **settings: str) -> None:
        self._data = folder / "data"
        self._place = ["--ephemeral"] if ephemeral else ["--data", self._data]
        self._private = not ephemeral and "database_url" not in settings
        told = {"registration": "open", **settings}
        self._environment = {f"SHEAF_{name.upper()}": value for name, value in told.items()} | _UNMEASURED
        self._program: Program | None = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Server:
        """Start and wait until it says its address; the first time, with a database that has its tables already."""
        if self._private and not self._data.exists():
            copy_ready(self._data)
        self._program = Program(*self._place, environment=self._environment)
        return self

    @property
    def _running(self) -> Program:
        assert self._program is not None
        return self._program

    @property
    def base(self) -> str:
        return self._running.address

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether it says that it can do its work."""
        return bool(self._running.health)

    @property
    def database_url(self) -> str:
        """Where its private database answers."""
        return (self._data / "database_url").read_text().strip()

    @property
    def workers(self) -> list[int]:
        """Ids of the processes that serve (Linux)."""
        return sorted(self._running.workers)

    @property
    def spooled(self) -> list[str]:
        """Files that lie in the folder of those that are being uploaded."""
        return sorted(str(each) for each in (self._data / "spool").rglob("*") if each.is_file())

    @property
    def postmaster(self) -> int:
        """Process id of the private PostgreSQL (not where the data are ephemeral)."""
        return postmaster(self._data)

    def kill(self) -> None:
        """SIGKILL to the service and its workers, as a crash would: nothing is tidied up."""
        with self._running as program:
            workers = program.workers
            program.process.kill()
            for pid in workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            program.process.wait()
        until(lambda: not alive(workers), "the workers end")

    def stop(self) -> None:
        """End in order, with all that it started."""
        if self.is_running:
            with self._running as program:
                program.end()
