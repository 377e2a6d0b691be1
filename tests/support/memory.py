"""The memory of other processes, read from the outside (Linux)."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MEBIBYTE = 2**20


def resident(pids: Iterable[int]) -> int:
    """Bytes of memory that these processes occupy now."""
    return sum(_status(pid, "VmRSS") for pid in pids)


class Peak:
    """`growth`: the most bytes that the processes occupied during the block, beyond `idle`."""

    growth = 0


@contextmanager
def peak(pids: list[int], idle: int) -> Iterator[Peak]:
    """Measures by the kernel's own high-water mark, which is set back at the beginning of the block."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    measured = Peak()
    yield measured
    measured.growth = sum(_status(pid, "VmHWM") for pid in pids) - idle


def _status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
