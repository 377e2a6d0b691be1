"""`sheaf serve` as a person starts it: its flags, what it prints, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx

from support.processes import children
from support.waiting import until

ENDS_WITHIN = 8.0
"""Seconds after SIGTERM or Ctrl-C in which nothing may be left, on a machine that does nothing else."""
SERVE = ("serve", "--port", "0")


class Program:
    """One start of the program; `address` and `key` are what it printed."""

    def __init__(self, *flags: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self._output = NamedTemporaryFile()  # noqa: SIM115, closed at the end
        self.process = subprocess.Popen(
            _command(*SERVE, *flags),
            env=_environment({"SHEAF_LOG_LEVEL": "warning", **(environment or {})}),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        try:
            self.address = self.wait_for(r"Sheaf is ready at (http://\S+)\n")
            self.key = "" if "--no-key" in flags else self.wait_for(r"API key: (\S+)\n")
        except BaseException:
            self.__exit__()
            raise

    @property
    def output(self) -> str:
        """All that it has written."""
        return os.pread(self._output.fileno(), 2**24, 0).decode(errors="replace")

    def wait_for(self, pattern: str) -> str:
        """Wait until it has printed this; the last group, or all of it."""
        found = until(lambda: self._told(pattern), pattern)
        return found[found.re.groups]

    def _told(self, pattern: str) -> re.Match[str] | None:
        ended = self.process.poll() is not None
        found = re.search(pattern, self.output)
        if ended and not found:
            raise AssertionError(f"It ended and said:\n{self.output}")
        return found

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                self.end()
        finally:
            self.process.kill()
            self.process.wait()
            self._output.close()

    def end(self, number: signal.Signals = signal.SIGTERM, *, within: float = 60) -> int:
        """Tell it to stop; its exit status. Raises TimeoutExpired when it takes longer than it may."""
        self.process.send_signal(number)
        return self.process.wait(within)

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        """Answer to a GET below /api/v1 with the printed key."""
        return httpx.get(f"{self.address}/api/v1{path}", headers={"X-API-Key": key or self.key}, timeout=120)

    def upload(self, name: str, text: str) -> httpx.Response:
        """Make a dataset of CSV text."""
        headers = {"X-API-Key": self.key, "Content-Type": "text/csv"}
        address = f"{self.address}/api/v1/datasets"
        return httpx.post(address, params={"name": name}, content=text, headers=headers, timeout=120)

    @property
    def workers(self) -> set[int]:
        """Ids of the processes that serve (Linux)."""
        return children(self.process.pid, b"backend.worker")

    @property
    def health(self) -> dict[str, str]:
        """What it says of itself; nothing when it cannot do its work."""
        try:
            answer = httpx.get(f"{self.address}/health/ready", timeout=5)
        except httpx.HTTPError:
            return {}
        return answer.json() if answer.status_code == 200 else {}


def sheaf(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end."""
    return subprocess.run(
        _command(*arguments),
        env=_environment(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def refused(*flags: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What the program says when it cannot start: one line, no traceback."""
    ended = sheaf(*SERVE, *flags, environment=environment)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def postmaster(data: Path) -> int:
    """Id of the process of the PostgreSQL in a data folder, by PostgreSQL's own file; 0 while there is none."""
    try:
        return int((data / "postgres/postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return 0


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "backend", *map(str, arguments)]


def _environment(told: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SHEAF_")}
    return own | dict(told)
