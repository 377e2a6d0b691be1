"""What a worker counts: plain numbers in memory, so that counting costs a request next to nothing.

Labels are of few values: routes and codes, never names, ids or paths of callers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from threading import Lock
from typing import Literal, TypeAlias

Kind = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[str, ...]
Numbers: TypeAlias = dict[str, list[tuple[Labels, list[float]]]]
"""By name: each series' labels and its numbers. That is one; of a histogram its buckets' own counts, then its sum."""

FAMILIES: dict[str, Family] = {}
"""Every metric, by name."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
"""Upper bounds, in seconds; there is one more bucket for what takes longer."""
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Family:
    """A metric: its name, what it tells, its labels' names, its series."""

    def __init__(self, name: str, about: str, *labels: str, kind: Kind) -> None:
        self.name = name
        self.about = about
        self.labels = labels
        self.kind: Kind = kind
        self.series: dict[Labels, list[float]] = {}
        FAMILIES[name] = self

    def _numbers(self, labels: Labels) -> list[float]:
        return self.series.setdefault(labels, [0.0])


class Counter(Family):
    """Only grows; a restarted worker goes on from where the one before it was."""

    def __init__(self, name: str, about: str, *labels: str) -> None:
        super().__init__(name, about, *labels, kind="counter")
        self._lock = Lock()
        if not labels:
            self.add(0)

    def add(self, number: float, *labels: str) -> None:
        """Counts; from any thread."""
        with self._lock:
            self._numbers(labels)[0] += number


class Gauge(Family):
    """Goes up and down; those of all workers are added up, unless a label tells the workers apart."""

    def __init__(self, name: str, about: str, *labels: str) -> None:
        super().__init__(name, about, *labels, kind="gauge")

    def set(self, number: float, *labels: str) -> None:
        self._numbers(labels)[0] = number

    def add(self, number: float, *labels: str) -> None:
        """From the event loop's thread alone."""
        self._numbers(labels)[0] += number


class Histogram(Family):
    """How long things take, in seconds."""

    def __init__(self, name: str, about: str, *labels: str) -> None:
        super().__init__(name, about, *labels, kind="histogram")

    def observe(self, seconds: float, *labels: str) -> None:
        """From the event loop's thread alone."""
        numbers = self.series.get(labels)
        if numbers is None:
            numbers = self.series[labels] = [0.0] * (len(BUCKETS) + 2)
        numbers[bisect_left(BUCKETS, seconds)] += 1
        numbers[-1] += seconds


REQUESTS = Histogram(
    "sheaf_request_duration_seconds",
    "Time from a request's first byte to its answer's last one.",
    "method",
    "path",
    "status",
)
IN_PROGRESS = Gauge("sheaf_requests_in_progress", "Requests whose answer has not ended.")
PROBLEMS = Counter("sheaf_problems_total", "Failures told to callers, by their error_code.", "code")
UNCOUNTED = Counter("sheaf_rate_limit_uncounted_total", "Requests that no rate limit held for: Redis failed.")
OVERLOADED = Counter("sheaf_overloaded_total", "Requests refused by a worker that had too many at a time.")
REPLAYS = Counter("sheaf_idempotent_replays_total", "Writes that were sent again and answered from what is kept.")
CACHE = Counter(
    "sheaf_cache_requests_total",
    "Answers found (hit), made (miss), made because Redis failed (error) or is left alone after that (bypassed).",
    "result",
)
VERSIONS = Counter("sheaf_versions_published_total", "Versions of datasets that were committed.", "operation")
ROWS_WRITTEN = Counter("sheaf_rows_written_total", "Records added, changed or removed by them.", "operation")
IMPORTS = Counter("sheaf_imports_total", "Imports that ended, by how.", "outcome")
RECEIVED = Counter("sheaf_received_bytes_total", "Bytes of files that arrived whole.")
INDEXES = Counter("sheaf_index_builds_total", "Indexes that a worker was at, by how that ended.", "outcome")
EXPORTS = Counter("sheaf_exports_total", "Exports whose file was made to its end.", "format")
ROWS_EXPORTED = Counter("sheaf_rows_exported_total", "Records in them.", "format")
BYTES_EXPORTED = Counter("sheaf_exported_bytes_total", "Bytes made for exports, broken-off ones too.", "format")
POOL_SIZE = Gauge("sheaf_database_pool_connections", "Database connections that are open.", "pool")
POOL_MOST = Gauge("sheaf_database_pool_connections_max", "Database connections that there may be.", "pool")
POOL_IN_USE = Gauge("sheaf_database_pool_connections_in_use", "Database connections that somebody holds.", "pool")
POOL_WAITING = Gauge("sheaf_database_pool_waiting", "Who waits for a database connection.", "pool")
POOL_WAITS = Counter("sheaf_database_pool_waits_total", "How often somebody had to wait for one.", "pool")
POOL_WAITED = Counter("sheaf_database_pool_wait_seconds_total", "For how long, all together.", "pool")
POOL_ERRORS = Counter("sheaf_database_pool_errors_total", "How often somebody got none in time.", "pool")
STARTS = Counter("sheaf_worker_starts_total", "Starts of this worker; more than one: it had ended.", "worker")
CPU = Counter("process_cpu_seconds_total", "Processor time, of user and system, in seconds.", "worker")
PROCESS = {
    name: Gauge(name, about, "worker")
    for name, about in (
        ("process_resident_memory_bytes", "Resident memory size in bytes."),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes."),
        ("process_open_fds", "Number of open file descriptors."),
        ("process_max_fds", "Maximum number of open file descriptors."),
        ("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
    )
}


class _Staged:
    """What transactions do, by the connection that each has, until it is known whether they are committed."""

    def __init__(self) -> None:
        self._open: dict[Hashable, list[tuple[Counter, float, Labels]]] = {}

    def add(self, tx: Hashable, counter: Counter, number: float, *labels: str) -> None:
        """To be counted if this transaction is committed."""
        self._open.setdefault(tx, []).append((counter, number, labels))

    def end(self, tx: Hashable, *, committed: bool) -> None:
        for counter, number, labels in self._open.pop(tx, ()):
            if committed:
                counter.add(number, *labels)


STAGED = _Staged()


def known_method(method: str) -> str:
    """The method, but for those that no route has: a caller may send any."""
    return method if method in _METHODS else "other"


def numbers() -> Numbers:
    """All that this worker has counted."""
    return {
        name: [(labels, list(each)) for labels, each in list(family.series.items())]
        for name, family in FAMILIES.items()
        if family.series
    }


def resume(kept: Numbers) -> None:
    """Goes on from what the worker before this one had counted; gauges begin anew."""
    for name, series in kept.items():
        family = FAMILIES.get(name)
        if family is not None and family.kind != "gauge":
            for labels, each in series:
                _add(family.series.setdefault(labels, [0.0] * len(each)), each)


def total(workers: Iterable[Numbers]) -> Mapping[str, dict[Labels, list[float]]]:
    """What all workers have counted together, by name."""
    found: dict[str, dict[Labels, list[float]]] = {}
    for worker in workers:
        for name, series in worker.items():
            together = found.setdefault(name, {})
            for labels, each in series:
                _add(together.setdefault(labels, [0.0] * len(each)), each)
    return found


def _add(to: list[float], more: list[float]) -> None:
    to[:] = [one + other for one, other in zip(to, more, strict=True)]
