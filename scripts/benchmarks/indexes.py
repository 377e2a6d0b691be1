"""Pages that are sorted, filtered and searched, with other values each time: before there is an index, and with it."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from urllib.parse import quote

import psycopg

from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Line
from scripts.benchmarks.measure import Figure, ratio

PAGE = 50
_ASKED = 40
_FIRST = 3
"""Requests of a kind without an index: the third one may already find one being built."""
_PATIENCE = 900.0

Ask = Callable[[random.Random], str]
ASKS: dict[str, Ask] = {
    "sort=amount": lambda _: "sort=amount",
    "sort=-updated_at": lambda _: "sort=-updated_at",
    "amount=between:…": lambda values: f"amount=between:{(low := values.randint(0, 9_900))},{low + 20}",
    "order_id=eq:…": lambda values: f"order_id={values.randint(1, 100_000)}",
    "zip=starts:…": lambda values: f"zip=starts:{values.randint(100, 999)}",
    "status=…": lambda values: f"status={values.choice(['new', 'paid', 'shipped', 'lost'])}",
    "customer=icontains:…": lambda values: f"customer=icontains:{values.randint(10_000, 99_999)}",
    "zip=contains:…": lambda values: f"zip=contains:{values.randint(1_000, 9_999)}",
    "q=…": lambda values: f"q={values.randint(10_000, 99_999)}",
    "q=… (a common word)": lambda values: f"q={quote(values.choice(['bonn', 'köln', 'oslo', 'rome', 'shipped']))}",
}
_BARE = {
    "sort=amount": "TRUE ORDER BY (data->'amount')::numeric, id",
    "sort=-updated_at": "TRUE ORDER BY data->>'updated_at' DESC, id",
    "q=…": "data::text ILIKE '%nothing of it%'",
    "q=… (a common word)": "data::text ILIKE '%nothing of it%'",
}


def indexes(bench: Bench) -> list[Figure]:
    """Each kind of page over the first unsorted one once it is indexed, and over a bare scan the first time."""
    dataset, line = bench.orders, Line(bench.service.client.port)
    values = random.Random(1)
    firsts = {what: _first(bench, dataset, line, what, ask, values) for what, ask in ASKS.items()}
    _wait(bench, dataset)
    found = []
    for what, ask in ASKS.items():
        rounds = [_round(bench, dataset, line, ask, values) for _ in range(bench.sizes.rounds)]
        plain, asked = zip(*rounds, strict=True)
        absolute = f"{statistics.median(asked) * 1e3:.2f} ms against {statistics.median(plain) * 1e3:.2f} ms"
        found.append(Figure(f"page `{what}` over the first page", "≤ 5 ×", "≤ 2 ×", ratio(asked, plain), "", absolute))
    line.close()
    return [*found, *firsts.values(), _offset(bench, dataset)]


def _round(bench: Bench, dataset: Dataset, line: Line, ask: Ask, values: random.Random) -> tuple[float, float]:
    plain, asked = [], []
    for _ in range(_ASKED):
        plain.append(line.seconds(_request(bench, dataset, "")))
        asked.append(line.seconds(_request(bench, dataset, ask(values))))
    return statistics.median(plain), statistics.median(asked)


def _first(bench: Bench, dataset: Dataset, line: Line, what: str, ask: Ask, values: random.Random) -> Figure:
    """Without an index, over a scan that passes no record."""
    condition = _BARE.get(what, "data->>'zip' = 'nothing of it'")
    bare, ours = [], []
    for _ in range(_FIRST):
        started = time.perf_counter()
        bench.connection.execute(f"SELECT id FROM {dataset.table} WHERE {condition} LIMIT {PAGE + 1}").fetchall()
        bare.append(time.perf_counter() - started)
        ours.append(line.seconds(_request(bench, dataset, ask(values))))
    absolute = f"{statistics.median(ours) * 1e3:.0f} ms against {statistics.median(bare) * 1e3:.0f} ms"
    return Figure(
        f"page `{what}` without an index over a bare scan", "≤ 2 ×", "≤ 1.2 ×", ratio(ours, bare), "", absolute
    )


def _request(bench: Bench, dataset: Dataset, asked: str) -> bytes:
    path = f"/datasets/{dataset.id}/records?limit={PAGE}&count=none"
    return bench.service.client.request(f"{path}&{asked}" if asked else path)


def _wait(bench: Bench, dataset: Dataset) -> None:
    """Until everything that was asked for is built."""
    deadline = time.monotonic() + _PATIENCE
    query = "SELECT count(*) FILTER (WHERE state IN ('noted', 'building')), count(*) FROM sheaf.indexes"
    with psycopg.connect(bench.postgres.url, autocommit=True) as connection:
        while (row := connection.execute(query).fetchone()) is None or row[0] or not row[1]:
            if time.monotonic() > deadline:
                raise TimeoutError("the indexes are not built in time")
            time.sleep(0.5)


def _offset(bench: Bench, dataset: Dataset) -> Figure:
    line, rows = Line(bench.service.client.port), bench.sizes.rows
    rounds = []
    for _ in range(bench.sizes.rounds):
        pairs = [
            (
                line.seconds(_request(bench, dataset, "")),
                line.seconds(_request(bench, dataset, f"offset={rows - PAGE}")),
            )
            for _ in range(_ASKED)
        ]
        rounds.append(tuple(statistics.median(each) for each in zip(*pairs, strict=True)))
    line.close()
    plain, far = zip(*rounds, strict=True)
    absolute = f"{statistics.median(far) * 1e3:.2f} ms against {statistics.median(plain) * 1e3:.2f} ms"
    return Figure(
        f"page at offset {rows - PAGE:,} over the first page", "≤ 1.3 ×", "1 ×", ratio(far, plain), "", absolute
    )
