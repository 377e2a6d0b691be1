"""Faults under load: what was answered with 2xx is there, what was refused is not, and the service goes on."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import uvloop
from msgspec import Struct, field

from scripts.trials.audit import Audit
from scripts.trials.disturbances import DISK_FULL, KINDS, Disturbances, small_disk
from scripts.trials.journal import Findings, Journal
from scripts.trials.leftovers import left_over, orphans
from scripts.trials.service import Service
from scripts.trials.waiting import until
from scripts.trials.wire import Connection
from scripts.trials.wishes import COLUMNS, JSON, Desk
from scripts.trials.writers import RETRIES, UNKNOWN, Gate, Writer

_USERS = 2
_CLEAN_WITHIN = 60.0
"""Seconds after which nothing of what ran may be left: a lease of a process that died ends after 30."""


class Plan(Struct):
    """`kinds`: names of faults, each once in this order and then at random; empty for all that are possible, at random.

    `seconds`: all of it, at least; `calm`: those ahead of a fault, about; `pause`: those for which servers stand still.
    `writers`: of each user; `retries`: so often is a write with a key sent again.
    """

    seconds: float
    seed: int
    calm: float = 3.0
    pause: float = 10.0
    writers: int = 6
    retries: int = RETRIES
    kinds: list[str] = field(default_factory=list)


class Impossible(Exception):
    """A fault that this machine or this user does not allow."""


class Result(Struct):
    """The figures of a run."""

    requests: int = 0
    writes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    doubt_there: int = 0
    told_in_doubt: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    orphans: int = 0

    @property
    def errors(self) -> int:
        """Answers of 500: the service's own mistakes."""
        return sum(count for answer, count in self.answers.items() if answer.startswith("500"))

    @property
    def wrong(self) -> list[str]:
        """What a run must not end with, in words: also that it has shown nothing."""
        nothing = [] if self.faults and self.outcomes["done"] else ["no fault was tried, or no write was done"]
        return [*self.findings.all, *([f"{self.errors} answers of 500"] if self.errors else []), *nothing]


class Trial:
    """One run on one service."""

    def __init__(self, service: Service, plan: Plan, folder: Path, kinds: Sequence[str]) -> None:
        """`kinds`: those that are possible."""
        self._service, self._plan, self._kinds = service, plan, kinds
        self._chance = random.Random(plan.seed)
        self._gate = Gate()
        self._journals = [Journal(folder / f"journal-{number}.ndjson") for number in range(_USERS)]
        self._writers: list[Writer] = []
        self._audits: list[Audit] = []
        self.result = Result()

    async def run(self) -> Result:
        """All of it."""
        try:
            return await self._run()
        finally:
            self.close()

    async def _run(self) -> Result:
        """Faults until the time is up, an audit after each."""
        for journal in self._journals:
            await self._add_user(journal)
        connections = [writer.connection for writer in self._writers]
        faults = Disturbances(self._service, connections, self._chance, pause=self._plan.pause)
        tasks = [asyncio.create_task(writer.run(self._gate)) for writer in self._writers]
        for kind in self._drawn():
            await self._disturb(kind, faults)
            for task in tasks:
                if task.done():
                    task.result()
        await self._gate.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._clean()
        self.result.orphans = orphans(self._service)
        return self._figures()

    def _drawn(self) -> Iterator[str]:
        """Those that are asked for; then all, shuffled like cards, again and again until the time is up."""
        ends = time.monotonic() + self._plan.seconds
        yield from self._plan.kinds
        cards: list[str] = []
        while time.monotonic() < ends:
            cards = cards or self._chance.sample(self._kinds, len(self._kinds))
            yield cards.pop()

    def close(self) -> None:
        """Ends its connections and journals."""
        for connection in [*(each.connection for each in self._writers), *(each.connection for each in self._audits)]:
            connection.close()
        for journal in self._journals:
            journal.close()

    async def _add_user(self, journal: Journal) -> None:
        stranger = Connection(self._service.port, "")
        made = await stranger.ask("POST", "/users", b'{"name": "trial"}', JSON)
        stranger.close()
        key = made.json()["api_key"]
        first = Connection(self._service.port, key)

        async def dataset(name: str) -> str:
            body = msgspec.json.encode({"name": name, "columns": COLUMNS})
            return str((await first.ask("POST", "/datasets", body, JSON)).json()["id"])

        shared = await dataset("shared")
        datasets = [shared]
        for number in range(self._plan.writers):
            datasets.append(await dataset(f"own {number}"))
            chance = random.Random(self._chance.random())
            desk = Desk(str(number), journal, chance, shared=shared, own=datasets[-1])
            self._writers.append(
                Writer(desk, Connection(self._service.port, key), journal, chance, shared, self._plan.retries)
            )
        self._audits.append(Audit(journal, first, self._chance, datasets))

    async def _disturb(self, kind: str, faults: Disturbances) -> None:
        self._gate.open()
        await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._plan.calm)
        await KINDS[kind](faults)
        begun = time.monotonic()
        await asyncio.to_thread(until, self._service.is_whole, f"the service recovers ({kind})")
        took = time.monotonic() - begun
        self.result.faults[kind] += 1
        self.result.slowest[kind] = max(took, self.result.slowest.get(kind, 0.0))
        await asyncio.sleep(self._plan.calm / 3)
        await self._gate.close()
        for audit in self._audits:
            await audit.run()
        with self._service.connect() as connection:
            connection.execute("CHECKPOINT")
        print(f"{kind}: whole again after {took:.1f} s; {self._figures().outcomes}", file=sys.stderr, flush=True)

    async def _clean(self) -> None:
        """Waits until nothing is left, or takes what is."""
        with suppress(TimeoutError):
            await asyncio.to_thread(until, lambda: not left_over(self._service), "clean", seconds=_CLEAN_WITHIN)
        self.result.findings.left_over = left_over(self._service)
        for audit in self._audits:
            await audit.run()

    def _figures(self) -> Result:
        found, ops = self.result, [op for journal in self._journals for op in journal.ops]
        found.writes = len(ops)
        found.outcomes = Counter(op.outcome for op in ops)
        found.doubt_there = sum(op.outcome == "doubt" and op.found is not None for op in ops)
        found.told_in_doubt = sum(op.code == UNKNOWN for op in ops)
        found.requests = sum(journal.requests for journal in self._journals)
        found.answers = sum((journal.answers for journal in self._journals), Counter())
        for name in ("lost", "phantom", "broken"):
            setattr(found.findings, name, [each for audit in self._audits for each in getattr(audit.findings, name)])
        return found


def try_faults(folder: Path, plan: Plan) -> Result:
    """A run on a service of its own in a folder, on a disk of its own where that may be mounted. Raises Impossible."""
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    with small_disk(place) if not plan.kinds or DISK_FULL in plan.kinds else nullcontext(False) as disk:
        if DISK_FULL in plan.kinds and not disk:
            raise Impossible(f"{DISK_FULL}: no file system may be mounted here")
        kinds = plan.kinds or [kind for kind in KINDS if disk or kind != DISK_FULL]
        service = Service(place / "data", place / "service.log")
        try:
            service.start()
            return uvloop.run(Trial(service, plan, folder, kinds).run())
        finally:
            service.close()
            shutil.copy(service.log, folder)


def told(result: Result, plan: Plan) -> str:
    """The figures as Markdown."""
    found = result.findings
    figures = {
        "requests": result.requests,
        "… of these never sent: nobody took the connection": result.answers["not sent"],
        "writes": result.writes,
        "faults": result.faults.total(),
        "lost": len(found.lost),
        "phantom": len(found.phantom),
        "broken versions": len(found.broken),
        "left over": len(found.left_over),
        "answers of 500": result.errors,
        "in doubt": result.outcomes["doubt"],
        "… of these there": result.doubt_there,
        "… of these told by COMMIT_UNKNOWN": result.told_in_doubt,
        "files forgotten by PostgreSQL itself": result.orphans,
    }
    rows = [f"| {name} | {value:,} |" for name, value in figures.items()]
    kinds = [f"| {kind} | {count} | {result.slowest[kind]:.1f} s |" for kind, count in sorted(result.faults.items())]
    answers = ", ".join(f"{answer}: {count:,}" for answer, count in result.answers.most_common())
    head = f"seed {plan.seed}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"
    parts = [
        head,
        "",
        "| | |",
        "| --- | ---: |",
        *rows,
        "",
        "| fault | times | slowest recovery |",
        "| --- | ---: | ---: |",
    ]
    return "\n".join([*parts, *kinds, "", answers, *(f"WRONG: {line}" for line in result.wrong)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long (5)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of what is random")
    parser.add_argument("--kind", action="append", default=[], choices=KINDS, help="only this one; may be repeated")
    parser.add_argument("--folder", type=Path, help="for journals; what is mounted at `disk` in it is filled")
    asked = parser.parse_args()
    plan = Plan(asked.minutes * 60, asked.seed, kinds=asked.kind)
    folder = asked.folder or Path(mkdtemp(prefix="sheaf-faults-"))
    print(f"seed {plan.seed}; journals in {folder}", file=sys.stderr)
    try:
        result = try_faults(folder, plan)
    except Impossible as error:
        sys.exit(f"faults: {error}")
    print(told(result, plan))
    sys.exit(bool(result.wrong))


if __name__ == "__main__":
    main()
