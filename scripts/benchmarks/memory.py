"""How much the server's memory grows, read from outside; a fresh server for each measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import methodcaller
from pathlib import Path

from scripts.benchmarks.bench import Bench
from scripts.benchmarks.client import Client
from scripts.benchmarks.measure import Figure
from scripts.benchmarks.processes import forget_peak, peak
from scripts.benchmarks.servers import service

_MEGABYTE = 1e6
_EXPORTS = {
    "CSV export": "export?format=csv",
    "TSV export": "export?format=tsv",
    "XLSX export": "export?format=xlsx",
    "NDJSON export": "export?format=ndjson",
    "Parquet export": "export?format=parquet",
    "NDJSON stream": "records/stream",
}


def memory_growth(bench: Bench) -> list[Figure]:
    """The peak of the worker's resident memory over what it held when it was idle."""
    grown: dict[str, list[float]] = {"CSV import": [], **{name: [] for name in _EXPORTS}}
    for rows in bench.sizes.memory:
        for name, megabytes in _measured(bench, bench.orders_csv(rows)):
            grown[name].append(megabytes)
    sizes = " and ".join(f"{rows:,}" for rows in bench.sizes.memory)
    return [
        Figure(
            f"growth of the server's memory, {name}, {sizes} rows",
            "≤ 150 MB",
            "≤ 80 MB",
            " and ".join(f"{each:.0f} MB" for each in found),
            "",
            "",
        )
        for name, found in grown.items()
    ]


def _measured(bench: Bench, path: Path) -> Iterator[tuple[str, float]]:
    made: list[str] = []
    yield "CSV import", _growth(bench, lambda client: made.append(client.upload(path)["dataset"]["id"]))
    for name, what in _EXPORTS.items():
        url = f"/datasets/{made[0]}/{what}"
        yield name, _growth(bench, methodcaller("download", url))
    bench.forget(bench.dataset(made[0]))


def _growth(bench: Bench, work: Callable[[Client], object]) -> float:
    with service(bench.folder / "memory", bench.postgres) as server:
        idle = forget_peak(server.worker)
        work(server.client)
        return (peak(server.worker) - idle) / _MEGABYTE
