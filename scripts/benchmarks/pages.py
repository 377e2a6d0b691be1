"""Pages over HTTP: how many a second, and how fast one far down is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from psycopg import sql

from scripts.benchmarks import load
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Line
from scripts.benchmarks.measure import Figure, Sample, alternate, cpu_ratio, ratio, values
from scripts.benchmarks.processes import cpu_of
from scripts.benchmarks.servers import Server, bare, service

PAGE = 50
_EDITS = 100
_DIFFERENT = 200
_ASKED = 200
"""Requests of each kind in one round of latencies."""


def first_page(bench: Bench) -> list[Figure]:
    """Requests a second for pages in turn of a service that keeps none, against those of the bare handler."""
    dataset = bench.orders
    statement = (
        "SELECT json_build_object('id', id, 'version', added_in, 'data', data)::text"
        f" FROM {dataset.table} WHERE added_in <= 1 AND removed_in > 1 ORDER BY id LIMIT {PAGE}"
    )
    work = f"page of {PAGE} over HTTP against a bare Litestar handler that runs one such SQL query, requests/s"
    with (
        bare(bench.folder, bench.postgres, statement) as handler,
        service(bench.folder / "keeps nothing", bench.postgres, cache_memory="0") as plain,
    ):
        asking = [handler.client.request("/page")], pages(bench, dataset)
        return [_compared(bench, work, ("≥ 0.6 ×", "≥ 0.8 ×"), (handler, plain), asking)]


def cached_page(bench: Bench) -> list[Figure]:
    """Requests a second of pages that are kept, against those of a handler that answers the same bytes."""
    first = _first(bench.orders)
    kinds = {f"first page of {PAGE}": first, f"filtered, sorted page of {PAGE}": f"{first}&quantity=gt:3&sort=-amount"}
    return [_cached(bench, work, path) for work, path in kinds.items()]


def _cached(bench: Bench, kind: str, path: str) -> Figure:
    text = bench.service.client.read(path).decode()
    work = f"{kind} that is kept, over HTTP, against a bare Litestar handler that answers the same bytes, requests/s"
    with bare(bench.folder, bench.postgres, sql.SQL("SELECT {}").format(text).as_string(bench.connection)) as handler:
        asking = [handler.client.request("/kept")], [bench.service.client.request(path)]
        return _compared(bench, work, ("≥ 0.5 ×", "≥ 0.85 ×"), (handler, bench.service), asking)


def _first(dataset: Dataset) -> str:
    return f"/datasets/{dataset.id}/records?limit={PAGE}"


def pages(bench: Bench, dataset: Dataset) -> list[bytes]:
    """Requests for different pages, so that no two at the same time share an answer."""
    path, paths = _first(dataset), []
    for _ in range(_DIFFERENT):
        paths.append(path)
        path = f"{_first(dataset)}&cursor={bench.service.client.call('GET', path)['next']}"
    return [bench.service.client.request(each) for each in paths]


def _compared(
    bench: Bench,
    work: str,
    aims: tuple[str, str],
    servers: tuple[Server, Server],
    asking: tuple[Sequence[bytes], Sequence[bytes]],
) -> Figure:
    """Requests a second of the second server against those of the first one, asked in turn."""
    loads: tuple[list[load.Load], list[load.Load]] = [], []

    def take(which: int) -> Sample:
        server = servers[which]
        before = cpu_of(server.pid, bench.postgres.pid)
        taken = load.run(server.client.port, asking[which], bench.sizes.seconds)
        loads[which].append(taken)
        return Sample(taken.rate, (cpu_of(server.pid, bench.postgres.pid) - before) / taken.requests)

    baseline, ours = alternate(lambda: take(0), lambda: take(1), bench.sizes.rounds)
    absolute = f"{_told(loads[1])} against {_told(loads[0])}"
    cpu = cpu_ratio(ours, baseline) + " a request"
    return Figure(work, *aims, ratio(values(ours), values(baseline)), cpu, absolute)


def keyset_page(bench: Bench) -> list[Figure]:
    """Latency of a page behind nine tenths of the rows over that of the first one, before and after edits."""
    rows = bench.sizes.rows
    far = rows * 9 // 10
    dataset = bench.upload(bench.orders_csv(rows))
    before = _cursor(bench, dataset, far)
    found = [_latencies(bench, dataset, before)]
    for edit in range(_EDITS):
        record = far + 1 + edit % PAGE
        bench.service.client.call("PATCH", f"/datasets/{dataset.id}/records/{record}", {"quantity": 1000 + edit})
    found += [_latencies(bench, dataset, cursor) for cursor in (before, _cursor(bench, dataset, far))]
    bench.forget(dataset)
    kinds = ("", f", after {_EDITS} edits there (cursor from before them)", f", after {_EDITS} edits (new cursor)")
    return [
        Figure(f"keyset page at row {far:,} over the first page{kind}", "≤ 1.3 ×", "≤ 1.1 ×", each, "", absolute)
        for kind, (each, absolute) in zip(kinds, found, strict=True)
    ]


def _cursor(bench: Bench, dataset: Dataset, row: int) -> str:
    path = f"/datasets/{dataset.id}/records?limit={PAGE}&offset={row - PAGE}"
    page = bench.service.client.call("GET", path)
    assert page["data"][-1]["id"] == row
    return str(page["next"])


def _latencies(bench: Bench, dataset: Dataset, cursor: str) -> tuple[str, str]:
    """The ratio and the absolute times of the two pages, asked in turn on one connection."""
    path = f"/datasets/{dataset.id}/records?limit={PAGE}"
    first = bench.service.client.request(path)
    far = bench.service.client.request(f"{path}&cursor={cursor}")
    line = Line(bench.service.client.port)
    medians: list[tuple[float, float]] = []
    for _ in range(bench.sizes.rounds + 1):
        pairs = [(line.seconds(first), line.seconds(far)) for _ in range(_ASKED)]
        medians.append((statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)))
    line.close()
    firsts, fars = zip(*medians[1:], strict=True)
    absolute = f"{statistics.median(fars) * 1e3:.2f} ms against {statistics.median(firsts) * 1e3:.2f} ms"
    return ratio(fars, firsts), absolute


def _told(loads: list[load.Load]) -> str:
    rate, middle, slow = (
        statistics.median(getattr(each, name) for each in loads[1:]) for name in ("rate", "median", "slow")
    )
    return f"{rate:,.0f} requests/s (median {middle * 1e3:.1f} ms, 99 % {slow * 1e3:.1f} ms)"
