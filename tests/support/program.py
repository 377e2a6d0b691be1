"""`sheaf serve` as a person starts it: its flags, what it prints, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

ENDS_WITHIN = 8.0
"""Seconds after SIGTERM or Ctrl-C in which nothing may be left."""


class Program:
    """One start of the program; `address` and `key` are what it printed."""

    def __init__(self, *flags: str | Path, environment: Mapping[str, str] | None = None, **process: Any) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SHEAF_")}
        self.process = subprocess.Popen(
            [process.pop("python", sys.executable), "-m", "backend", "serve", "--port", "0", *map(str, flags)],
            env={**own, "SHEAF_LOG_LEVEL": "warning", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **process,
        )
        self.output = ""
        self.address = self._told(r"Sheaf is ready at (http://\S+)")
        self.key = "" if "--no-key" in flags else self._told(r"API key: (\S+)")

    def _told(self, pattern: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if found := re.search(pattern, line):
                return found[found.re.groups]
        raise AssertionError(f"It ended and said:\n{self.output}")

    def wait_for(self, pattern: str) -> None:
        """Read on until it prints this."""
        self._told(pattern)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                self.end()
        finally:
            self.process.kill()
            self.process.communicate()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop; its exit status. Raises TimeoutExpired when it takes longer than it may."""
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN)

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        """Answer to a GET below /api/v1 with the printed key."""
        return httpx.get(f"{self.address}/api/v1{path}", headers={"X-API-Key": key or self.key}, timeout=30)

    def upload(self, name: str, text: str) -> httpx.Response:
        """Make a dataset of CSV text."""
        headers = {"X-API-Key": self.key, "Content-Type": "text/csv"}
        return httpx.post(f"{self.address}/api/v1/datasets", params={"name": name}, content=text, headers=headers)

    @property
    def ready(self) -> bool:
        """Whether the service says that it can do its work."""
        try:
            return httpx.get(f"{self.address}/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


def refused(*flags: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What the program says when it cannot start: one line, no traceback."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SHEAF_")}
    ended = subprocess.run(
        [sys.executable, "-m", "backend", "serve", "--port", "0", *map(str, flags)],
        env={**own, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def below(folder: Path) -> dict[int, str]:
    """Processes that run in a folder (Linux), by id with their names; those that ended meanwhile are left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder.resolve()):
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue
    return found


def session(program: Program) -> set[int]:
    """Ids of the program's children and theirs (Linux)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {program.process.pid}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {program.process.pid}


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    return {pid for pid in pids if _state(pid) not in {"", "Z"}}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
