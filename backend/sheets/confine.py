"""The bounds of a child process that reads an untrusted file."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import sys
from pathlib import Path


def die_with_parent() -> None:
    """Standard input is a pipe from the parent: when it closes, the kernel ends this process."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([0], [], [], 0)[0]:
        sys.exit(1)


def confine(memory: int, *, largest_file: int) -> None:
    """Bound memory on top of what the program itself takes, and files that it writes, both in bytes; no core dumps."""
    if (status := Path("/proc/self/status")).exists():
        own = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (own * 1024 + memory,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
