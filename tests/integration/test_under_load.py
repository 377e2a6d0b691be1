"""Mixed load for some seconds beside slow clients, and a stop in the middle of it. `./scripts/load` is longer."""

import sys
from pathlib import Path

import pytest

from scripts.trials.load import Plan, try_load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

POOL = 2
"""Database connections of a worker for requests, and as many for exports: fewer than there are slow clients."""


def test_no_error_nothing_that_grows_and_all_that_began_is_answered(tmp_path: Path) -> None:
    plan = Plan(seconds=4, connections=12, slow_seconds=3, large=150_000)
    result = try_load(tmp_path, plan, database_pool=str(POOL))
    assert result.errors == []
    assert (result.slow, result.held) == (8, 0)
    assert result.connections[2] <= 2 * (2 * POOL + 1)  # a worker has one beside its pools, for its own figures
    assert result.cut_off == []
