"""The service as its users run it: `sheaf serve` in a process of its own, with its own database."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support.waiting import until

_READY = re.compile(rb"Sheaf is ready at (http://\S+)")


class Server:
    """`base` is the address while it runs. `settings` are `SHEAF_…` variables without the prefix, in lower case."""

    def __init__(self, folder: Path, *, ephemeral: bool = False, **settings: str) -> None:
        self.data = folder / "data"
        self._log = folder / "server.log"
        self._place = ["--ephemeral"] if ephemeral else ["--data", str(self.data)]
        own = {key: value for key, value in os.environ.items() if not key.startswith("SHEAF_")}
        told = {"registration": "open", "log_level": "warning", **settings}
        self._environment = own | {f"SHEAF_{name.upper()}": value for name, value in told.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.base = ""

    def start(self) -> "Server":
        """Start and wait until it says its address."""
        command = [sys.executable, "-m", "backend", "serve", "--port", "0", *self._place]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._environment
            )
        found = until(self._address, "the server starts", seconds=120)
        self.base = found[1].decode()
        return self

    def _address(self) -> re.Match[bytes] | None:
        if self.process.poll() is not None:
            raise RuntimeError(f"The server ended while starting:\n{self.log}")
        return _READY.search(self._log.read_bytes())

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """What it has written since its last start."""
        return self._log.read_text(errors="replace")

    @property
    def database_url(self) -> str:
        """Where its private database answers."""
        return (self.data / "database_url").read_text().strip()

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers (Linux)."""
        return [pid for pid in _children(self.process.pid) if b"backend.worker" in _command(pid)]

    @property
    def postmaster(self) -> int:
        """Process id of the private PostgreSQL (not where the data are ephemeral)."""
        return int((self.data / "postgres" / "postmaster.pid").read_text().split("\n")[0])

    def kill(self) -> None:
        """SIGKILL to the service and its workers, as a crash would: nothing is tidied up."""
        workers = self.workers
        self.process.kill()
        for pid in workers:
            _kill(pid)
        self.process.wait()
        until(lambda: not any(map(_alive, workers)), "the workers end")

    def stop(self) -> None:
        """End in order, with all that it started."""
        if self._process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _children(pid: int) -> list[int]:
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in entries if _parent(entry) == pid]


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _alive(pid: int) -> bool:
    """Whether it runs: a zombie whose parent was killed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
