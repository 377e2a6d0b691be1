"""Children that end are started again, ever more slowly while they do not settle."""

from __future__ import annotations

import errno
import itertools
import subprocess
import sys

import pytest

from backend.embedded.failure import Failure
from backend.supervisor.workers import Restarted


class Child:
    """A process that ends at once."""

    def __init__(self, *, refuses: Exception | None = None) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._refuses = refuses

    def start(self) -> None:
        self.starts += 1
        if self._refuses is not None:
            raise self._refuses
        self.process = subprocess.Popen([sys.executable, "-c", ""])
        self.process.wait()


class Clock:
    """A time that passes only when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_pauses_grow_to_ten_seconds() -> None:
    clock, child = Clock(), Child()
    child.start()
    watched, begun = Restarted("child", child, clock=clock), []
    while child.starts < 8:
        before = child.starts
        watched.revive()
        if child.starts > before:
            begun.append(clock.now)
        clock.now += 0.5
    pauses = [after - before for before, after in itertools.pairwise(begun)]
    assert pauses == sorted(pauses)
    assert pauses[0] <= 4
    assert pauses[-1] == 10.5


def test_one_that_had_settled_is_started_at_once() -> None:
    clock, child = Clock(), Child()
    child.start()
    watched = Restarted("child", child, clock=clock)
    clock.now += 60
    watched.revive()
    assert child.starts == 2


@pytest.mark.parametrize("refuses", [Failure("no"), OSError(errno.ENOSPC, "full")], ids=["refused", "disk full"])
def test_a_start_that_fails_is_tried_again(refuses: Exception) -> None:
    clock, child = Clock(), Child(refuses=refuses)
    watched = Restarted("child", child, clock=clock)
    for _ in range(50):
        watched.revive()
        clock.now += 1
    assert child.starts > 4
    assert watched.ended
