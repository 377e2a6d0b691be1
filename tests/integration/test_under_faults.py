"""Faults under load, one of each kind; `./scripts/faults` is longer."""

import sys
from pathlib import Path

import pytest

from scripts.trials.faults import Plan, try_faults

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

KINDS = [
    "worker killed",
    "database connections cut",
    "PostgreSQL killed",
    "service killed",
]


def test_what_was_answered_is_there_and_nothing_else(tmp_path: Path) -> None:
    result = try_faults(tmp_path, Plan(0, seed=7, calm=0.8, pause=1, writers=3, kinds=KINDS))
    assert result.findings.all == []
    assert result.errors == 0
    assert result.faults == dict.fromkeys(KINDS, 1)
    assert result.outcomes["done"] > 0


def test_a_full_disk_costs_nothing_that_was_answered(tmp_path: Path) -> None:
    result = try_faults(tmp_path, Plan(0, seed=7, calm=0.8, pause=1, writers=3, kinds=["disk full"]))
    if not result.faults:
        pytest.skip("no disk may be mounted here, so none is filled")
    assert result.findings.all == []
    assert result.errors == 0
