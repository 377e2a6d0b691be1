"""What a worker counts, in memory; and how the numbers of several workers are added up.

Labels are of few values: routes and codes, never names, ids or paths of callers.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""What a sample's name has after its metric's, as `_bucket`, and its labels."""
Numbers: TypeAlias = dict[str, list[tuple[Series, float]]]
"""By the metric's name."""

REGISTRY = CollectorRegistry()
"""Every metric."""
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_counter, _gauge = partial(Counter, registry=REGISTRY), partial(Gauge, registry=REGISTRY)

REQUESTS = Histogram(
    "sheaf_request_duration_seconds",
    "Time from a request's first byte to its answer's last one.",
    ("method", "path", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0),
    registry=REGISTRY,
)
IN_PROGRESS = _gauge("sheaf_requests_in_progress", "Requests whose answer has not ended.")
PROBLEMS = _counter("sheaf_problems_total", "Failures told to callers, by their error_code.", ("code",))
UNCOUNTED = _counter("sheaf_rate_limit_uncounted_total", "Requests that no rate limit held for: Redis failed.")
OVERLOADED = _counter("sheaf_overloaded_total", "Requests refused by a worker that had too many at a time.")
REPLAYS = _counter("sheaf_idempotent_replays_total", "Writes that were sent again and answered from what is kept.")
CACHE = _counter(
    "sheaf_cache_requests_total",
    "Answers found (hit), made (miss), made because Redis failed (error) or is left alone after that (bypassed).",
    ("result",),
)
VERSIONS = _counter("sheaf_versions_published_total", "Versions of datasets that were committed.", ("operation",))
ROWS_WRITTEN = _counter("sheaf_rows_written_total", "Records added, changed or removed by them.", ("operation",))
IMPORTS = _counter("sheaf_imports_total", "Imports that ended, by how.", ("outcome",))
RECEIVED = _counter("sheaf_received_bytes_total", "Bytes of files that arrived whole.")
INDEXES = _counter("sheaf_index_builds_total", "Indexes that a worker was at, by how that ended.", ("outcome",))
EXPORTS = _counter("sheaf_exports_total", "Exports whose file was made to its end.", ("format",))
ROWS_EXPORTED = _counter("sheaf_rows_exported_total", "Records in them.", ("format",))
BYTES_EXPORTED = _counter("sheaf_exported_bytes_total", "Bytes made for exports, broken-off ones too.", ("format",))
POOL_SIZE = _gauge("sheaf_database_pool_connections", "Database connections that are open.", ("pool",))
POOL_MOST = _gauge("sheaf_database_pool_connections_max", "Database connections that there may be.", ("pool",))
POOL_IN_USE = _gauge("sheaf_database_pool_connections_in_use", "Database connections that somebody holds.", ("pool",))
POOL_WAITING = _gauge("sheaf_database_pool_waiting", "Who waits for a database connection.", ("pool",))
POOL_WAITS = _counter("sheaf_database_pool_waits_total", "How often somebody had to wait for one.", ("pool",))
POOL_WAITED = _counter("sheaf_database_pool_wait_seconds_total", "For how long, all together.", ("pool",))
POOL_ERRORS = _counter("sheaf_database_pool_errors_total", "How often somebody got none in time.", ("pool",))
STARTS = _counter("sheaf_worker_starts_total", "Starts of this worker; more than one: it had ended.", ("worker",))
CPU = _counter("process_cpu_seconds_total", "Processor time, of user and system, in seconds.", ("worker",))
PROCESS = {
    name: _gauge(name, about, ("worker",))
    for name, about in (
        ("process_resident_memory_bytes", "Resident memory size in bytes."),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes."),
        ("process_open_fds", "Number of open file descriptors."),
        ("process_max_fds", "Maximum number of open file descriptors."),
        ("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
    )
}
for _result in ("hit", "miss", "error", "bypassed"):
    CACHE.labels(_result)
for _outcome in ("done", "failed", "cancelled"):
    IMPORTS.labels(_outcome)
for _outcome in ("built", "refused", "postponed"):
    INDEXES.labels(_outcome)


class _Staged:
    """What transactions do, by the connection that each has, until it is known whether they are committed."""

    def __init__(self) -> None:
        self._open: dict[Hashable, list[tuple[Counter, float]]] = {}

    def add(self, tx: Hashable, counter: Counter, number: float) -> None:
        """To be counted if this transaction is committed."""
        self._open.setdefault(tx, []).append((counter, number))

    def end(self, tx: Hashable, *, committed: bool) -> None:
        for counter, number in self._open.pop(tx, ()):
            if committed:
                counter.inc(number)


STAGED = _Staged()


def known_method(method: str) -> str:
    """The method, but for those that no route has: a caller may send any."""
    return method if method in _METHODS else "other"


def numbers() -> Numbers:
    """All that this worker has counted."""
    return {
        metric.name: [
            ((sample.name.removeprefix(metric.name), tuple(sample.labels.items())), sample.value)
            for sample in metric.samples
            if not sample.name.endswith("_created")
        ]
        for metric in REGISTRY.collect()
    }


def lasting(numbers: Numbers) -> Numbers:
    """Those of them with which the next worker goes on: gauges begin anew."""
    gauges = {metric.name for metric in REGISTRY.collect() if metric.type == "gauge"}
    return {name: samples for name, samples in numbers.items() if name not in gauges}


def total(workers: Iterable[Numbers]) -> Numbers:
    """What all of them have counted together."""
    found: dict[str, dict[Series, float]] = {}
    for worker in workers:
        for name, samples in worker.items():
            together = found.setdefault(name, {})
            for series, number in samples:
                together[series] = together.get(series, 0.0) + number
    return {name: list(samples.items()) for name, samples in found.items()}
