"""Mixed traffic for minutes: no error, nothing that grows, and everything that runs at the end is answered."""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from scripts.trials.leftovers import busy
from scripts.trials.load_figures import OVERLOAD, SLOW, TIMES, Phase, Plan, Result, told, wrong
from scripts.trials.mix import ROWS, Customer, Tally, table
from scripts.trials.service import Service
from scripts.trials.watch import Watch
from scripts.trials.wire import Connection, Lost
from scripts.trials.wishes import CSV, JSON

_USERS = 4
_LOGGED = re.compile(rb'"status":(\d+).*"request_id":"(load-\d+)"')


class Trial:
    """One run on one service."""

    def __init__(self, service: Service, plan: Plan) -> None:
        self._service, self._plan = service, plan
        self._chance = random.Random(plan.seed)
        self._owners: list[tuple[str, str]] = []
        self._large = ""
        self._running: dict[Customer, asyncio.Task[None]] = {}
        self.result = Result()

    async def run(self) -> Result:
        """Warms up, measures, and stops the service at the end."""
        for _ in range(_USERS):
            await self._add_user()
        plan = self._plan
        slow = [asyncio.create_task(each) for each in self._slow()]
        self.result.held = await self._held(slow)
        calm = self._begin(plan.connections, refusals=plan.overload)
        await self._phase("warming up", plan.seconds / 4)
        watch = Watch(self._service, every=max(0.5, plan.seconds / 100))
        watching = asyncio.create_task(watch.run())
        await self._phase("load", plan.seconds)
        if plan.overload:
            more = self._begin((TIMES - 1) * plan.connections, refusals=True)
            await self._phase(OVERLOAD, plan.seconds)
            await self._end(more)
            await self._phase("calm again", plan.seconds)
        watching.cancel()
        await asyncio.wait([watching])
        self._take(watch)
        await asyncio.gather(*slow)
        await self._shut_down(calm)
        return self.result

    async def _add_user(self) -> None:
        stranger = Connection(self._service.port, "")
        made = await stranger.ask("POST", "/users", b'{"name": "load"}', JSON)
        stranger.close()
        key = made.json()["api_key"]
        connection = Connection(self._service.port, key)
        for name in ("first", "second"):
            answer = await connection.ask("POST", f"/datasets?name={name}", table(ROWS), CSV)
            self._owners.append((key, answer.json()["dataset"]["id"]))
        if not self._large:
            answer = await connection.ask("POST", "/datasets?name=large", table(self._plan.large), CSV)
            self._large = answer.json()["dataset"]["id"]
        connection.close()

    def _begin(self, count: int, *, refusals: bool) -> list[Customer]:
        begun = []
        for number in range(count):
            key, dataset = self._owners[number % len(self._owners)]
            chance = random.Random(self._chance.random())
            begun.append(Customer(self._service.port, key, dataset, chance, refusals=refusals))
            self._running[begun[-1]] = asyncio.create_task(begun[-1].run())
        return begun

    async def _end(self, customers: Sequence[Customer]) -> None:
        for customer in customers:
            customer.stopping = True
        await asyncio.gather(*(self._running.pop(each) for each in customers))

    async def _phase(self, name: str, seconds: float) -> None:
        tally = Tally()
        for customer in self._running:
            customer.tally = tally
        begun = time.monotonic()
        await asyncio.sleep(seconds)
        phase = Phase(name, len(self._running), time.monotonic() - begun, tally)
        self.result.phases.append(phase)
        print(f"{name}: {tally.good / phase.seconds:.0f} answers a second", file=sys.stderr, flush=True)
        for task in self._running.values():
            if task.done():
                task.result()

    def _slow(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Readers and uploaders that take their time, beside all the others."""
        for number in range(SLOW):
            yield self._sip()
            yield self._drip(number)

    async def _sip(self) -> None:
        connection = Connection(self._service.port, self._owners[0][0])
        try:
            path = f"/datasets/{self._large}/export?format=csv"
            answer = await connection.sip(path, seconds=self._plan.slow_seconds)
            self._slow_one("slow reader", answer.status, 200)
        except Lost as error:
            self.result.slow_errors.append(f"slow reader: {error}")
        connection.close()

    async def _drip(self, number: int) -> None:
        connection = Connection(self._service.port, self._owners[0][0])
        try:
            path, body = f"/datasets?name=slow{number}", table(50_000)
            answer = await connection.drip("POST", path, body, CSV, seconds=self._plan.slow_seconds)
            self._slow_one("slow uploader", answer.status, 201)
        except Lost as error:
            self.result.slow_errors.append(f"slow uploader: {error}")
        connection.close()

    def _slow_one(self, who: str, status: int, wanted: int) -> None:
        self.result.slow += 1
        if status != wanted:
            self.result.slow_errors.append(f"{who}: {status}")

    async def _held(self, slow: Sequence[asyncio.Task[None]]) -> int:
        """Database connections that are held as long as all the slow clients are there: the least seen at once."""
        least = 2 * SLOW
        await asyncio.sleep(self._plan.slow_seconds / 4)
        with self._service.connect() as connection:
            while least and not any(task.done() for task in slow):
                least = min(least, busy(connection))
                await asyncio.sleep(0.05)
        return least

    def _take(self, watch: Watch) -> None:
        first, middle, last = watch.samples[0], watch.samples[len(watch.samples) // 2], watch.samples[-1]
        for pid in first.memory.keys() & middle.memory.keys() & last.memory.keys():
            held = first.memory[pid], middle.memory[pid], last.memory[pid]
            self.result.memory[pid] = *held, watch.slope(pid)
        most = max(each.connections for each in watch.samples)
        self.result.connections = first.connections, last.connections, most

    async def _shut_down(self, customers: Sequence[Customer]) -> None:
        """SIGTERM while requests run; what the log of the service knows of was begun."""
        tally = Tally()
        for customer in customers:
            customer.tally = tally
        await asyncio.sleep(1)
        before = self._service.log.stat().st_size
        for customer in customers:
            customer.stopping = True
        self.result.stopped_in = await asyncio.to_thread(self._service.stop)
        await asyncio.gather(*self._running.values())
        with self._service.log.open("rb") as log:
            log.seek(before)
            begun = {found[2].decode(): int(found[1]) for found in map(_LOGGED.search, log) if found}
        self.result.at_the_end = len(begun)
        cut = begun.keys() & tally.sent - tally.answered
        self.result.cut_off = [f"{number}, logged as {begun[number]}" for number in sorted(cut)]


def try_load(folder: Path, plan: Plan) -> Result:
    """A run on a service of its own in a folder."""
    settings = {"cache_memory": plan.cache, "concurrency": str(plan.concurrency), "database_pool": str(plan.pool)}
    service = Service(folder / "data", folder / "service.log", **settings)
    try:
        service.start()
        return uvloop.run(Trial(service, plan).run())
    finally:
        service.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long it is measured (5)")
    parser.add_argument("--connections", type=int, default=64, help="at once (64)")
    parser.add_argument("--seed", type=int, default=1, help="of what is random")
    parser.add_argument("--overload", action="store_true", help="then ten times as many, as long; then as before")
    parser.add_argument("--concurrency", type=int, default=256, help="SHEAF_CONCURRENCY of each worker (256)")
    parser.add_argument("--cache-memory", default="4MiB", help="SHEAF_CACHE_MEMORY of each worker (4MiB)")
    asked = parser.parse_args()
    settings = {"concurrency": asked.concurrency, "cache": asked.cache_memory}
    plan = Plan(asked.minutes * 60, asked.connections, asked.seed, asked.overload, **settings)
    with TemporaryDirectory(prefix="sheaf-load-") as folder:
        result = try_load(Path(folder), plan)
    print(told(result, plan))
    sys.exit(any(wrong(result, plan)))


if __name__ == "__main__":
    main()
