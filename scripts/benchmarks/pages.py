"""Pages over HTTP: how many a second, and how fast one far down is."""

from __future__ import annotations

import statistics

from psycopg import sql

from scripts.benchmarks import load
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Line
from scripts.benchmarks.measure import Figure, Sample, alternate, cpu_ratio, ratio, values
from scripts.benchmarks.processes import cpu_of
from scripts.benchmarks.servers import Server, bare

PAGE = 50
_EDITS = 100
_ASKED = 200
"""Requests of each kind in one round of latencies."""


def first_page(bench: Bench) -> list[Figure]:
    """Requests a second of the service against those of the bare handler."""
    dataset = bench.orders
    statement = (
        "SELECT json_build_object('id', id, 'version', added_in, 'data', data)::text"
        f" FROM {dataset.table} WHERE added_in <= 1 AND removed_in > 1 ORDER BY id LIMIT {PAGE}"
    )
    with bare(bench.folder, bench.postgres, statement) as handler:
        loads: dict[int, list[load.Load]] = {handler.pid: [], bench.service.pid: []}

        def take(server: Server, path: str) -> Sample:
            before = cpu_of(server.pid, bench.postgres.pid)
            taken = load.run(server.client.port, server.client.request(path), bench.sizes.seconds)
            loads[server.pid].append(taken)
            return Sample(taken.rate, (cpu_of(server.pid, bench.postgres.pid) - before) / taken.requests)

        baseline, ours = alternate(
            lambda: take(handler, "/page"),
            lambda: take(bench.service, f"/datasets/{dataset.id}/records?limit={PAGE}"),
            bench.sizes.rounds,
        )
    absolute = f"{_told(loads[bench.service.pid])} against {_told(loads[handler.pid])}"
    work = f"first page of {PAGE} over HTTP against a bare Litestar handler that runs one such SQL query, requests/s"
    found = ratio(values(ours), values(baseline))
    return [Figure(work, "≥ 0.6 ×", "≥ 0.8 ×", found, cpu_ratio(ours, baseline) + " a request", absolute)]


def cached_page(bench: Bench) -> list[Figure]:
    """Requests a second of pages that are kept, against those of a handler that answers the same bytes."""
    client = bench.service.client
    first = f"/datasets/{bench.orders.id}/records?limit={PAGE}"
    kinds = {f"first page of {PAGE}": first, f"filtered, sorted page of {PAGE}": f"{first}&quantity=gt:3&sort=-amount"}
    return [_cached(bench, work, client.request(path), client.read(path)) for work, path in kinds.items()]


def _cached(bench: Bench, work: str, request: bytes, answer: bytes) -> Figure:
    statement = sql.SQL("SELECT {}").format(answer.decode()).as_string(bench.connection)
    with bare(bench.folder, bench.postgres, statement) as handler:
        loads: dict[int, list[load.Load]] = {handler.pid: [], bench.service.pid: []}

        def take(server: Server, asking: bytes) -> Sample:
            before = cpu_of(server.pid, bench.postgres.pid)
            taken = load.run(server.client.port, asking, bench.sizes.seconds)
            loads[server.pid].append(taken)
            return Sample(taken.rate, (cpu_of(server.pid, bench.postgres.pid) - before) / taken.requests)

        baseline, ours = alternate(
            lambda: take(handler, handler.client.request("/kept")),
            lambda: take(bench.service, request),
            bench.sizes.rounds,
        )
    absolute = f"{_told(loads[bench.service.pid])} against {_told(loads[handler.pid])}"
    work = f"{work} that is kept, over HTTP, against a bare Litestar handler that answers the same bytes, requests/s"
    found = ratio(values(ours), values(baseline))
    return Figure(work, "≥ 0.5 ×", "≥ 0.85 ×", found, cpu_ratio(ours, baseline) + " a request", absolute)


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
