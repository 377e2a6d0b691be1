"""A private Valkey: a cache and counters shared by all workers, kept in memory only."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

from backend.embedded.account import account_for
from backend.embedded.binaries import valkey_program
from backend.embedded.failure import Failure
from backend.embedded.folder import DataFolder
from backend.embedded.processes import end, end_all, spawn
from backend.embedded.runtime import Runtime

_PATIENCE = 30.0
_CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
always-show-logo no
"""


class EmbeddedValkey:
    """One Valkey server; `url` is its address while it runs."""

    def __init__(self, data: DataFolder, runtime: Runtime) -> None:
        """Prepare, without starting."""
        self._account = account_for(data.path / "postgres")
        self._folder = data.path / "valkey"
        self._socket = runtime.folder("valkey", self._account) / "socket"
        self._program = valkey_program(runtime, self._account)
        self._password = secrets.token_urlsafe(24)
        self._log = data.path / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}?{urlencode({'password': self._password, 'db': 0})}"

    def start(self) -> None:
        """Start the server and wait until it answers. Raises Failure with the reason."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._account.own(self._folder)
        self._sweep()
        configuration = _CONFIGURATION.format(socket=self._socket, password=self._password)
        self._log.touch(mode=0o600)
        with self._log.open("wb") as log:
            self.process = spawn(
                [str(self._program), "-"],
                folder=self._folder,
                account=self._account,
                output=log.fileno(),
                last_signal=signal.SIGKILL,
                text=configuration.encode(),
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End the server."""
        if self.process is not None:
            end(self.process, signals={signal.SIGTERM: 0.5})
        self._sweep()

    def _sweep(self) -> None:
        end_all(self._folder, "valkey-server", gently=signal.SIGKILL, seconds=5)
        self._socket.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self.process is not None and self.process.poll() is None and time.monotonic() < deadline:
            if _answers(self._socket):
                return
            time.sleep(0.01)
        self.stop()
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["it ended without a word"]
        raise Failure(f"Valkey does not start: {lines[-1]}")


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        client.connect(str(path))
        return True
    return False
