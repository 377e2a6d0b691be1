"""What `/metrics` tells: of all workers, whichever is asked, and of the queues that they share.

Each worker writes its numbers into a file, every two seconds and before it tells anyone of them; so nobody is told less
than before. A worker that was restarted goes on from its file.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from time import time

import msgspec
import structlog
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from backend import metrics
from backend.errors import Unavailable
from backend.metrics import REGISTRY, Numbers
from backend.repositories.database import Database
from backend.repositories.probes import Probe, Queued
from backend.services.pauses import repeated

log = structlog.get_logger()
_EVERY = 2.0
_SILENT = 30.0
"""Seconds after which the gauges of a worker that writes no more are left out."""


class Place(Struct, frozen=True):
    """Where the workers of one service keep their numbers, each in a file of its own name."""

    folder: Path
    worker: str


class WorkerNumbers(Struct):
    """What one worker has counted; `at`, in seconds since 1970."""

    at: float
    numbers: Numbers


class FigureService:
    def __init__(self, database: Database, probe: Probe, place: Place | None) -> None:
        """`place`: None where this process is the only one."""
        self._database = database
        self._probe = probe
        self._place = place
        self._worker = place.worker if place else "1"
        self._process = ProcessCollector(registry=None)
        self._seen: dict[str, dict[str, float]] = {}
        self._warned = False
        self._writing = Lock()
        self._telling = asyncio.Lock()
        self._next: asyncio.Task[bytes] | None = None
        before = _read(place.folder / f"{place.worker}.json") if place else None
        self._before = metrics.lasting(before.numbers) if before else {}
        metrics.STARTS.labels(self._worker).inc()

    async def work(self) -> None:
        """Writes this worker's numbers down, until it is cancelled."""
        await repeated(self._keep, _EVERY)

    async def _keep(self) -> None:
        self._sample()
        await asyncio.to_thread(self._write)

    async def exposition(self) -> bytes:
        """All metrics, in the text format of Prometheus; all who ask while others are told are told the next together.

        They are not told the same as those: numbers collected before somebody asks can be less than what he was told.
        """
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._tell())
        return await asyncio.shield(self._next)

    async def _tell(self) -> bytes:
        async with self._telling:
            self._next = None
            self._sample()
            try:
                queues = await self._probe.queues()
            except Unavailable:
                queues = None
            return await asyncio.to_thread(self._text, queues)

    def _text(self, queues: list[Queued] | None) -> bytes:
        workers = {self._worker: self._write()}
        if self._place is not None:
            for path in self._place.folder.glob("*.json"):
                if path.stem != self._worker and (other := _read(path)) is not None:
                    workers[path.stem] = other
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(workers, queues))
        return generate_latest(registry)

    def _write(self) -> WorkerNumbers:
        """This worker's numbers, written down; not where the disk is full: then others tell older ones."""
        with self._writing:
            counted = WorkerNumbers(time(), metrics.total([self._before, metrics.numbers()]))
            if self._place is not None:
                path = self._place.folder / f"{self._worker}.json"
                try:
                    path.with_suffix(".new").write_bytes(msgspec.json.encode(counted))
                    path.with_suffix(".new").replace(path)
                except OSError as error:
                    self._warn(error)
            return counted

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            log.warning("metrics_not_written", error=error.strerror)
        self._warned = True

    def _sample(self) -> None:
        """What nobody counts as it happens."""
        for family in self._process.collect():
            for sample in family.samples:
                if sample.name == "process_cpu_seconds_total":
                    self._count("process", sample.name, sample.value, metrics.CPU.labels(self._worker))
                elif (gauge := metrics.PROCESS.get(sample.name)) is not None:
                    gauge.labels(self._worker).set(sample.value)
        for pool, found in self._database.pools().items():
            metrics.POOL_SIZE.labels(pool).set(found.get("pool_size", 0))
            metrics.POOL_MOST.labels(pool).set(found.get("pool_max", 0))
            metrics.POOL_IN_USE.labels(pool).set(found.get("pool_size", 0) - found.get("pool_available", 0))
            metrics.POOL_WAITING.labels(pool).set(found.get("requests_waiting", 0))
            self._count(pool, "waits", found.get("requests_queued", 0), metrics.POOL_WAITS.labels(pool))
            self._count(pool, "waited", found.get("requests_wait_ms", 0) / 1000, metrics.POOL_WAITED.labels(pool))
            self._count(pool, "errors", found.get("requests_errors", 0), metrics.POOL_ERRORS.labels(pool))

    def _count(self, of: str, name: str, now: float, counter: Counter) -> None:
        """Counts what has been added since the last time."""
        seen = self._seen.setdefault(of, {})
        counter.inc(max(0.0, now - seen.get(name, 0.0)))
        seen[name] = now


class _Collected(Collector):
    """Everything that is told, as the library writes it."""

    def __init__(self, workers: dict[str, WorkerNumbers], queues: list[Queued] | None) -> None:
        self._workers = workers
        self._queues = queues

    def collect(self) -> Iterator[Metric]:
        now = time()
        alive = [each.numbers for each in self._workers.values() if now - each.at < _SILENT]
        everyone = metrics.total(each.numbers for each in self._workers.values())
        those_alive = metrics.total(alive)
        for metric in REGISTRY.collect():
            told = (those_alive if metric.type == "gauge" else everyone).get(metric.name, ())
            metric.samples = [Sample(metric.name + name, dict(labels), number) for (name, labels), number in told]
            yield metric
        silent = GaugeMetricFamily(
            "sheaf_worker_silent_seconds", "Time since this worker wrote its numbers, at most 2 s.", labels=["worker"]
        )
        for worker, each in sorted(self._workers.items()):
            silent.add_metric([worker], max(0.0, now - each.at))
        yield silent
        built = GaugeMetricFamily("sheaf_build_info", "Which program runs; always 1.", labels=["version", "python"])
        built.add_metric([version("sheaf"), platform.python_version()], 1)
        yield built
        yield GaugeMetricFamily(
            "sheaf_database_up", "Whether the database answers, 1 or 0.", value=int(self._queues is not None)
        )
        if self._queues is not None:
            yield from _queued(self._queues)


def _queued(queues: list[Queued]) -> Iterator[Metric]:
    states = {"imports": ("queued", "running"), "exports": ("queued", "running", "done", "failed")}
    about = {"imports": "Imports that wait and run, by state.", "exports": "Prepared exports by state."}
    found = {(each.queue, each.state): each for each in queues}
    for queue, names in states.items():
        jobs = GaugeMetricFamily(f"sheaf_{queue}_jobs", about[queue], labels=["state"])
        for state in names:
            each = found.get((queue, state))
            jobs.add_metric([state], each.number if each else 0)
        yield jobs
        oldest = found.get((queue, "queued"))
        waited = f"Age of the {queue[:-1]} that has waited longest; 0 where none waits."
        yield GaugeMetricFamily(f"sheaf_{queue}_oldest_waiting_seconds", waited, value=oldest.oldest if oldest else 0)


def _read(path: Path) -> WorkerNumbers | None:
    """What a worker has written; None where it has not, or not what we can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorkerNumbers)
    except (OSError, msgspec.DecodeError):
        return None
