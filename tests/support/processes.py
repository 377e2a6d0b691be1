"""Processes of this machine, seen from the outside (Linux)."""

from collections.abc import Iterator
from pathlib import Path


def children(pid: int, running: bytes = b"") -> set[int]:
    """Ids of the processes that this one started and that have `running` in their command line."""
    return {each for each, parent in _parents() if parent == pid and running in _read(each, "cmdline")}


def descendants(pid: int) -> set[int]:
    """Ids of the children and theirs."""
    parents = dict(_parents())
    found = {pid}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def below(folder: Path) -> set[int]:
    """Ids of the processes that run in a folder; those that ended meanwhile are left out."""
    found = set()
    for pid in _all():
        try:
            if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder.resolve()):
                found.add(pid)
        except OSError:
            continue
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run: a zombie does not."""
    return {pid for pid in pids if _status(pid)[:1] not in ([], [b"Z"])}


def _all() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))


def _parents() -> Iterator[tuple[int, int]]:
    return ((pid, int(status[1])) for pid in _all() if (status := _status(pid)))


def _status(pid: int) -> list[bytes]:
    """What follows the name in `stat`: state, parent, …; empty when the process is gone."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
