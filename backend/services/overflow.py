"""What waits for slow readers on disk: a file for each of them, and one budget for all of a process."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

TAKE = 1 << 20
"""Bytes that are taken at a time."""


class Disk:
    """So many bytes that the files of all readers may take together; who writes more waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._changed = threading.Condition()

    def take(self, size: int, anyway: Callable[[], bool]) -> None:
        """Once there is room, or as soon as `anyway` is true; that is looked at whenever something is given back."""
        with self._changed:
            self._changed.wait_for(lambda: self._used < self._most or anyway())
            self._used += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._used -= size
            self._changed.notify_all()


class Overflow:
    """An unlinked file that is written at its end and read from its beginning, by two threads.

    Who has read all of it is given the next bytes, however full the disk is: so each reader goes on.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._size = self._taken = self._charged = 0
        self._disk = disk
        self._lock = threading.Lock()
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by close)

    def append(self, chunk: bytes) -> bool:
        """Waits for room; false after `close`. Raises `OSError` when the disk is full."""
        self._disk.take(len(chunk), lambda: self._size == 0 or self._file.closed)
        with self._lock, memoryview(chunk) as rest:
            if self._file.closed:
                self._disk.give_back(len(rest))
                return False
            self._charged += len(rest)
            written = 0
            while written < len(rest):
                written += os.pwrite(self._file.fileno(), rest[written:], self._size + written)
            self._size += written
        return True

    def take(self) -> bytes:
        """What comes next, up to 1 MB; empty when nothing waits. Once all is taken the file begins anew."""
        with self._lock:
            if self._file.closed:
                return b""
            taken = os.pread(self._file.fileno(), min(TAKE, self._size - self._taken), self._taken)
            self._taken += len(taken)
            if self._size and self._taken == self._size:
                os.ftruncate(self._file.fileno(), 0)
                self._size = self._taken = 0
                self._give_back()
            return taken

    def close(self) -> None:
        with self._lock:
            self._file.close()
            self._give_back()

    def _give_back(self) -> None:
        charged, self._charged = self._charged, 0
        self._disk.give_back(charged)
