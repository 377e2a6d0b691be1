"""Mixed load for some seconds beside slow clients, ten times as much, and a stop in the middle of it.

`./scripts/load` is longer.
"""

import sys
from pathlib import Path

import pytest

from scripts.trials.load import try_load
from scripts.trials.load_figures import OVERLOAD, Plan, wrong

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

PLAN = Plan(seconds=1.5, connections=12, overload=True, slow_seconds=3, large=150_000, concurrency=24, pool=2)
"""Fewer database connections than slow clients; more clients than the workers take, but in the overload alone."""


def test_no_error_nothing_that_grows_and_all_that_began_is_answered(tmp_path: Path) -> None:
    result = try_load(tmp_path, PLAN)
    assert list(wrong(result, PLAN)) == []
    (overload,) = (phase.tally.refused for phase in result.phases if phase.name == OVERLOAD)
    assert set(overload) == {"503 UNAVAILABLE"}
