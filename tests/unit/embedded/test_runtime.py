"""The runtime folder: short, swept after a kill, and nobody else's folder touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from backend.embedded.account import Account
from backend.embedded.runtime import Runtime

KILLED = """
import os, signal
from backend.embedded.runtime import Runtime
runtime = Runtime()
assert runtime.path.is_dir()
print(runtime.path, flush=True)
"""


def test_its_name_is_short_and_it_goes_with_its_owner() -> None:
    runtime = Runtime()
    socket = runtime.folder("pg", Account(os.geteuid(), os.getegid())) / ".s.PGSQL.5432.lock"
    assert len(str(socket)) < 100
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    runtime.close()
    assert not runtime.path.exists()


def test_the_folder_of_a_killed_process_is_swept() -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED + "os.kill(os.getpid(), signal.SIGKILL)"], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    left = Path(killed.stdout.decode().strip())  # gone already if another process has started meanwhile
    Runtime().close()
    assert not left.exists()


def test_folders_in_use_and_folders_of_others_stay() -> None:
    strange = Path(tempfile.mkdtemp(prefix="sheaf-", dir="/tmp"))
    used = Runtime()
    Runtime().close()
    assert used.path.is_dir()
    assert strange.is_dir()
    used.close()
    shutil.rmtree(strange)
