"""What a running service holds, from moment to moment: memory of each worker, connections to the database."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from time import monotonic

from msgspec import Struct

from scripts.trials.leftovers import connections
from scripts.trials.service import Service

_MEBIBYTE = 2**20


class Sample(Struct, frozen=True):
    """`memory`: MB of each worker that cannot be given back, by process id."""

    second: float
    memory: dict[int, float]
    connections: int


class Watch:
    """Samples of one service; the first ones are its warming up."""

    def __init__(self, service: Service, *, every: float) -> None:
        self._service, self._every = service, every
        self.samples: list[Sample] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        begun = monotonic()
        while True:
            self.samples.append(await asyncio.to_thread(self._sample, begun))
            await asyncio.sleep(self._every)

    def _sample(self, begun: float) -> Sample:
        memory = {pid: _private(pid) for pid in self._service.workers}
        with self._service.connect() as connection:
            return Sample(monotonic() - begun, memory, connections(connection))

    def slope(self, pid: int) -> float:
        """MB a minute that a worker's memory grows by, over the later half of the samples."""
        later = self.samples[len(self.samples) // 2 :]
        seen = [(each.second / 60, each.memory[pid]) for each in later if pid in each.memory]
        if len(seen) < 2:
            return 0.0
        return statistics.linear_regression(*zip(*seen, strict=True)).slope


def _private(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return (sizes["Private_Clean"] + sizes["Private_Dirty"]) * 1024 / _MEBIBYTE
