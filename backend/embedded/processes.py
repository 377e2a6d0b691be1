"""Start, find and end the processes of the private servers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from backend.embedded import launch
from backend.embedded.account import Account

_LINUX = sys.platform == "linux"


def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    account: Account,
    output: IO[bytes] | int,
    last_signal: signal.Signals,
    text: bytes = b"",
) -> subprocess.Popen[bytes]:
    """Start a server in `folder` as `account`; it gets `last_signal` should this process be killed.

    Nothing of the environment is passed on but the search path. `text` is given on standard input.
    """
    start = [os.getpid(), int(last_signal), account.uid, account.gid, *command]
    with tempfile.TemporaryFile() as stdin:  # unlike a pipe, a file never blocks
        stdin.write(text)
        stdin.seek(0)
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", launch.__file__, *map(str, start)],
            cwd=folder,
            env=_environment(),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            start_new_session=True,
        )


def _environment() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def running_in(folder: Path, program: str) -> list[int]:
    """Ids of the processes called `program` whose working folder is `folder` or lies below it."""
    place = str(folder.resolve())
    found = _by_proc(program) if _LINUX else _by_lsof(program)
    return [pid for pid, where in found if where == place or where.startswith(place + os.sep)]


def _by_proc(program: str) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            if (entry / "comm").read_text().strip() == program:
                yield int(entry.name), str((entry / "cwd").readlink())


def _by_lsof(program: str) -> Iterator[tuple[int, str]]:
    listed = subprocess.run(  # noqa: S603
        ["lsof", "-a", "-d", "cwd", "-c", program, "-F", "pn"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    pid = 0
    for line in listed.splitlines():
        if line.startswith("p"):
            pid = int(line[1:])
        elif line.startswith("n"):
            yield pid, line[1:]


def end_all(folder: Path, program: str, *, gently: signal.Signals, seconds: float) -> None:
    """End what an earlier run left in `folder`: first `gently`, after `seconds` with SIGKILL."""
    deadline = time.monotonic() + seconds
    number = gently
    asked: set[int] = set()
    while pids := running_in(folder, program):
        if time.monotonic() > deadline:
            number = signal.SIGKILL
            asked.clear()
        for pid in pids:
            if pid not in asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        asked.update(pids)
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes], *, signals: Mapping[signal.Signals, float]) -> None:
    """End a child: each signal in turn with its seconds to obey, at last SIGKILL. Ended already is fine."""
    for number, seconds in signals.items():
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    process.kill()
    process.wait()
