"""A data folder whose database has all tables: made once for all processes of a test run, and copied."""

from __future__ import annotations

import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path

from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.runtime import Runtime
from backend.repositories.migrate import upgrade


def copy_ready(data: Path) -> None:
    """Make `data` as `sheaf serve` leaves it behind its first start, the operator aside."""
    base = data.parents[1]  # a folder of pytest's, of which each process of pytest-xdist has one in a common one
    place = base.parent if base.name.startswith("popen-") else base
    ready = place / "ready"
    with (place / "ready.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not ready.exists():
            _make(ready.with_name("ready.new")).rename(ready)
    subprocess.run(["cp", "-a", ready, data], check=True)  # unlike Python's own copy it keeps the owner


def _make(path: Path) -> Path:
    runtime, folder = Runtime(), DataFolder(path)
    postgres = EmbeddedPostgres(folder, runtime, ephemeral=True)
    postgres.start()
    upgrade(postgres.url)
    postgres.stop()
    folder.close()
    runtime.close()
    return path
