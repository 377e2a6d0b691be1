"""The figures of a run under load, what must not be among them, and how they are told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct, field

from scripts.trials.leftovers import POOL, most_connections
from scripts.trials.mix import Tally

SLOW = 4
"""Slow readers, and as many slow uploaders."""
TIMES = 10
"""So many times as many connections are an overload."""
OVERLOAD = "overload"
"""The phase in which refusals are right."""
_LARGE = 400_000
"""Rows of what slow readers take."""


class Plan(Struct):
    """`seconds`: of each phase; `concurrency`, `pool` and `cache`: the settings of each worker.

    `cache` is small, so that what is kept on purpose has reached its bound when the measuring begins.
    """

    seconds: float
    connections: int = 64
    seed: int = 0
    overload: bool = False
    slow_seconds: float = 20.0
    large: int = _LARGE
    concurrency: int = 256
    pool: int = POOL
    cache: str = "4MiB"


class Phase(Struct):
    """A while of one load: how many connections, for how long, and what came of it."""

    name: str
    connections: int
    seconds: float
    tally: Tally


class Result(Struct):
    """`held`: database connections that slow clients had to themselves.

    `cut_off`: requests that the service had begun when it was told to stop, and that got no answer in full.
    """

    phases: list[Phase] = field(default_factory=list)
    memory: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    connections: tuple[int, int, int] = (0, 0, 0)
    held: int = 0
    slow: int = 0
    slow_errors: list[str] = field(default_factory=list)
    stopped_in: float = 0.0
    at_the_end: int = 0
    cut_off: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        return [*(each for phase in self.phases for each in phase.tally.errors), *self.slow_errors]


def wrong(result: Result, plan: Plan) -> Iterator[str]:
    """What a run must not end with, in words: also that it has shown nothing."""
    yield from result.errors
    for phase in result.phases:
        if phase.name != OVERLOAD and phase.tally.refused:
            yield f"{phase.name}: {phase.tally.refused.total()} refused"
        if phase.name == OVERLOAD and not phase.tally.refused:
            yield f"{phase.name}: nobody was refused, so it was none"
        if silent := phase.tally.without_retry_after:
            yield f"{phase.name}: {silent} refused without Retry-After"
        if not phase.tally.good:
            yield f"{phase.name}: nothing was answered"
    if result.held:
        yield f"{result.held} database connections held by slow clients"
    if result.slow < 2 * SLOW:
        yield f"only {result.slow} of {2 * SLOW} slow clients were answered"
    if result.connections[2] > most_connections(plan.pool):
        yield f"{result.connections[2]} database connections, more than the pools have"
    if not result.at_the_end:
        yield "no request was under way at the stop"
    yield from result.cut_off


def told(result: Result, plan: Plan) -> str:
    """The figures as Markdown."""
    lines = [f"seed {plan.seed}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}", ""]
    lines += ["| | connections | seconds | answers a second | p50 | p99 | refused | errors |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for phase in result.phases:
        tally = phase.tally
        times = f"{tally.quantile(0.5) * 1000:.0f} ms | {tally.quantile(0.99) * 1000:.0f} ms"
        figures = f"{phase.connections} | {phase.seconds:.0f} | {tally.good / phase.seconds:.0f} | {times}"
        lines.append(f"| {phase.name} | {figures} | {tally.refused.total()} | {len(tally.errors)} |")
    lines += ["", "| kind | answers | p50 | p95 | p99 |", "| --- | ---: | ---: | ---: | ---: |"]
    measured = result.phases[1].tally
    for kind, seconds in sorted(measured.seconds.items()):
        parts = " | ".join(f"{measured.quantile(part, kind) * 1000:.0f} ms" for part in (0.5, 0.95, 0.99))
        lines.append(f"| {kind} | {len(seconds)} | {parts} |")
    lines += [
        "",
        "| memory of a worker | first | half-way | last | MB a minute since |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for pid, (*held, slope) in sorted(result.memory.items()):
        lines.append(f"| {pid} | {' | '.join(f'{each:.0f} MB' for each in held)} | {slope:+.2f} |")
    first, last, most = result.connections
    lines += ["", f"database connections: first {first}, last {last}, most {most}"]
    lines += [f"slow readers and uploaders: {result.slow} of {2 * SLOW} done, {result.held} database connections held"]
    lines += [f"stopped in {result.stopped_in:.1f} s; {result.at_the_end} requests ended after the signal, "]
    lines[-1] += f"{len(result.cut_off)} of them cut off"
    for phase in result.phases:
        if refused := phase.tally.refused:
            within = f"{_p99(phase.tally.refused_seconds) * 1000:.0f} ms"
            lines.append(f"{phase.name}: {dict(refused)}, p99 {within}, {phase.tally.without_retry_after} silent")
    return "\n".join([*lines, *(f"WRONG: {each}" for each in islice(wrong(result, plan), 40))])


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] if seconds else 0.0
