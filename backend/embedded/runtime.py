"""A short-named temporary folder for sockets (a Unix socket's path ends at 107 bytes), locked while its owner lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backend.embedded.account import Account
from backend.embedded.failure import Failure
from backend.embedded.processes import end_all

_PREFIX = "sheaf-"
_MARK = ".sheaf-runtime"
_LONGEST = 60
_SERVERS = {"postgres": signal.SIGQUIT, "valkey-server": signal.SIGTERM}


class Runtime:
    """The folder `path`; exists until `close()`, and is swept by the next run should this process be killed."""

    def __init__(self) -> None:
        """Sweep what killed runs left, then make a folder. Raises Failure when no place is fit."""
        for place in _places():
            _sweep(place)
        self.path, self._lock = _make()

    def folder(self, name: str, account: Account) -> Path:
        """A folder within that belongs to `account` alone."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        account.own(path)
        return path

    def close(self) -> None:
        """Remove the folder with all that it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _places() -> Iterator[Path]:
    """Folders open to every user of the system, whose names are short."""
    for name in dict.fromkeys(("/tmp", "/var/tmp", tempfile.gettempdir())):  # noqa: S108
        place = Path(name)
        if len(name) <= _LONGEST and place.is_dir() and os.access(place, os.W_OK | os.X_OK):
            yield place


def _make() -> tuple[Path, int]:
    for place in _places():
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        lock = _lock(path)
        if lock is not None:
            (path / _MARK).touch()  # only from here on would a sweep take the folder for ours
            path.chmod(0o711)
            return path, lock
    raise Failure("No temporary folder can be written: neither /tmp nor /var/tmp nor $TMPDIR.")


def _lock(path: Path) -> int | None:
    """Take the folder's lock; None when another process holds it or the folder is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(place: Path) -> None:
    """Remove each folder of ours in `place` whose process is gone, and end the servers that run in it."""
    for mark in place.glob(f"{_PREFIX}*/{_MARK}"):
        path = mark.parent
        with contextlib.suppress(OSError):
            if mark.lstat().st_uid != os.geteuid() or (lock := _lock(path)) is None:
                continue
            for program, gently in _SERVERS.items():
                end_all(path, program, gently=gently, seconds=1)
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
