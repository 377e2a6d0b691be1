"""Tests marked `alone` have the machine to themselves, although several processes of pytest-xdist run tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path


class Turns:
    """One process's way into the room of all whose tests share a folder."""

    def __init__(self, folder: Path) -> None:
        self._gate = (folder / "gate").open("w")
        self._room = (folder / "room").open("w")

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Waits until no test that is `alone` runs; if this one is, until no test runs at all."""
        flock(self._gate, LOCK_EX)  # whoever waits to be alone holds it, so that nobody overtakes
        try:
            flock(self._room, LOCK_EX if alone else LOCK_SH)
        finally:
            flock(self._gate, LOCK_UN)
        try:
            yield
        finally:
            flock(self._room, LOCK_UN)

    def close(self) -> None:
        self._gate.close()
        self._room.close()
