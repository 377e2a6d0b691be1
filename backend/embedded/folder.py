"""The data folder: one service at a time, its secrets readable by its owner only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

from backend.embedded.failure import Failure


class DataFolder:
    """A data folder that this process alone uses, until `close()`."""

    def __init__(self, path: Path) -> None:
        """Make the folder if it is missing and lock it. Raises Failure when it cannot be used or is in use."""
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Failure(f"The data folder {self.path} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Failure(
                f"Another service is running on the data folder {self.path}; stop it or choose another one with --data."
            ) from None

    def read(self, name: str) -> str | None:
        """The text of a small file in the folder, None when there is none."""
        with contextlib.suppress(FileNotFoundError):
            return (self.path / name).read_text().strip() or None
        return None

    def write(self, name: str, text: str) -> None:
        """Keep a small text, readable by the owner only; it is there in whole or not at all."""
        path = self.path / name
        fresh = path.with_name(name + ".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def password(self, name: str) -> str:
        """The password kept as `name`, made up the first time."""
        kept = self.read(name)
        if kept is None:
            kept = secrets.token_urlsafe(24)
            self.write(name, kept)
        return kept

    def close(self) -> None:
        """Let other services use the folder."""
        os.close(self._lock)
