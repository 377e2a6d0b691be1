"""Requests a second for pages, with few and many connections, one and two workers, kept and not."""

from __future__ import annotations

import statistics

from scripts.benchmarks import load
from scripts.benchmarks.bench import Bench
from scripts.benchmarks.measure import Figure
from scripts.benchmarks.pages import PAGE, pages
from scripts.benchmarks.servers import Server, service

_CONNECTIONS = (1, 4, 16, 64)
_WORKERS = (1, 2)


def throughput(bench: Bench) -> list[Figure]:
    """Different pages in turn. Kept ones have been asked for before; the others no service keeps."""
    asking = pages(bench, bench.orders)
    figures = []
    for workers in _WORKERS:
        with (
            service(bench.folder / f"keeps-{workers}", bench.postgres, workers=workers) as keeps,
            service(bench.folder / f"makes-{workers}", bench.postgres, workers=workers, cache_memory="0") as makes,
        ):
            for server, kind in ((keeps, "kept"), (makes, "made")):
                load.run(server.client.port, asking, bench.sizes.seconds)
                figures += [_figure(bench, server, asking, f"{kind}, {_told(workers)}", each) for each in _CONNECTIONS]
    return figures


def _told(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


def _figure(bench: Bench, server: Server, asking: list[bytes], kind: str, connections: int) -> Figure:
    port, seconds = server.client.port, bench.sizes.seconds
    loads = [load.run(port, asking, seconds, connections) for _ in range(bench.sizes.rounds)]
    rates = [each.rate for each in loads]
    middle, slow = (statistics.median(getattr(each, name) for each in loads) * 1e3 for name in ("median", "slow"))
    work = f"pages of {PAGE} {kind}, {connections} connection{'s' * (connections > 1)}, requests/s"
    spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
    return Figure(work, "", "", spread, "", f"median {middle:.1f} ms, 99 % {slow:.1f} ms")
