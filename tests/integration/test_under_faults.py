"""Faults under load, four kinds and a full disk, each once; `./scripts/faults` has eleven and goes on for minutes."""

import sys
from pathlib import Path

import pytest

from scripts.trials.disturbances import DISK_FULL, small_disk
from scripts.trials.faults import Impossible, Plan, Result, try_faults

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

KINDS = ["worker killed", "service killed", "database connections cut", "PostgreSQL killed"]
"""Those first that leave leases behind, which end while the others are tried."""


def tried(folder: Path, kinds: list[str]) -> Result:
    return try_faults(folder, Plan(0, seed=7, calm=0.8, pause=1, writers=3, retries=4, kinds=kinds))


def test_what_was_answered_is_there_and_nothing_else(tmp_path: Path) -> None:
    kinds = [*KINDS, DISK_FULL]
    try:
        result = tried(tmp_path, kinds)
    except Impossible:
        result = tried(tmp_path, kinds := KINDS)
    assert result.wrong == []
    assert result.faults == dict.fromkeys(kinds, 1)
    if DISK_FULL not in kinds:
        pytest.skip("no disk may be mounted here: all was tried but a full one")


def test_a_disk_that_is_mounted_already_is_taken_and_left() -> None:
    """As `./scripts/faults` mounts it for an ordinary user."""
    with small_disk(Path("/proc")) as disk:
        assert disk
    assert Path("/proc/self").exists()
