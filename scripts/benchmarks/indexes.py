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
from scripts.benchmarks.servers import service
from scripts.trials.waiting import until

PAGE = 50
_ASKED = 40
_PATIENCE = 900.0

_WORDS = ["bonn", "köln", "oslo", "rome", "shipped"]


def _some(values: random.Random) -> str:
    """Makes a request another one than those before it, so that no answer is one that was kept."""
    return f"offset={values.randint(1, 200)}"


Ask = Callable[[random.Random], str]
ASKS: dict[str, Ask] = {
    "sort=amount": lambda values: f"sort=amount&{_some(values)}",
    "sort=-updated_at": lambda values: f"sort=-updated_at&{_some(values)}",
    "sort=status,-amount": lambda values: f"sort=status,-amount&{_some(values)}",
    "amount=between:…": lambda values: f"amount=between:{(low := values.randint(0, 9_900))},{low + 20}",
    "order_id=eq:…": lambda values: f"order_id={values.randint(1, 100_000)}",
    "zip=starts:…": lambda values: f"zip=starts:{values.randint(100, 999)}",
    "status=…": lambda values: f"status={values.choice(['new', 'paid', 'shipped', 'lost'])}&{_some(values)}",
    "customer=icontains:…": lambda values: f"customer=icontains:{values.randint(10_000, 99_999)}",
    "zip=contains:…": lambda values: f"zip=contains:{values.randint(1_000, 9_999)}",
    "q=…": lambda values: f"q={values.randint(10_000, 99_999)}",
    "q=… (a common word)": lambda values: f"q={quote(values.choice(_WORDS))}&{_some(values)}",
}
_BARE = {
    "sort=amount": "TRUE ORDER BY (data->>'amount')::numeric, id",
    "sort=-updated_at": "TRUE ORDER BY data->>'updated_at' DESC, id",
    "sort=status,-amount": "TRUE ORDER BY data->>'status', (data->>'amount')::numeric DESC, id",
    "amount=between:…": "(data->>'amount')::numeric BETWEEN -2 AND -1",
    "order_id=eq:…": "(data->>'order_id')::numeric = 0",
    "zip=starts:…": "data->>'zip' LIKE 'nothing of it%'",
    "status=…": "data->>'status' = 'nothing of it'",
    "customer=icontains:…": "data->>'customer' ILIKE '%nothing of it%'",
    "zip=contains:…": "data->>'zip' LIKE '%nothing of it%'",
    "q=…": "data::text ILIKE '%nothing of it%'",
    "q=… (a common word)": "data::text ILIKE '%nothing of it%'",
}
"""The condition that somebody would write by hand; but for the sorted ones, no record passes it."""


def indexes(bench: Bench) -> list[Figure]:
    """Each kind of page over the first unsorted one once it is indexed, and over a bare scan the first time."""
    folder, postgres, values = bench.folder, bench.postgres, random.Random(1)
    with service(folder / "scans", postgres, cache_memory="0", index_rows="1000000000") as server:
        line = Line(server.client.port)
        firsts = [_first(bench, line, what, ask, values) for what, ask in ASKS.items()]
    with service(folder / "indexes", postgres, cache_memory="0") as server:
        return [*_measured(bench, bench.orders, server.client.port, values), *firsts]


def _measured(bench: Bench, dataset: Dataset, port: int, values: random.Random) -> list[Figure]:
    asking = Line(port)
    for ask in (*ASKS.values(), *ASKS.values()):
        asking.seconds(_request(bench, dataset, ask(values)))
    asking.close()
    _wait(bench)
    line = Line(port)
    found = []
    for what, ask in ASKS.items():
        rounds = [_round(bench, dataset, line, ask, values) for _ in range(bench.sizes.rounds)]
        plain, asked = zip(*rounds, strict=True)
        absolute = f"{statistics.median(asked) * 1e3:.2f} ms against {statistics.median(plain) * 1e3:.2f} ms"
        found.append(Figure(f"page `{what}` over the first page", "≤ 5 ×", "≤ 2 ×", ratio(asked, plain), "", absolute))
    return [*found, _offset(bench, dataset, line)]


def _round(bench: Bench, dataset: Dataset, line: Line, ask: Ask, values: random.Random) -> tuple[float, float]:
    plain, asked = [], []
    for _ in range(_ASKED):
        plain.append(line.seconds(_request(bench, dataset, "")))
        asked.append(line.seconds(_request(bench, dataset, ask(values))))
    return statistics.median(plain), statistics.median(asked)


def _first(bench: Bench, line: Line, what: str, ask: Ask, values: random.Random) -> Figure:
    """Without an index, over a scan that passes no record."""
    dataset, condition = bench.orders, _BARE[what]
    bare, ours = [], []
    for _ in range(bench.sizes.rounds):
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


def _wait(bench: Bench) -> None:
    """Until everything that was asked for is built."""
    query = (
        "SELECT count(*) FILTER (WHERE state IN ('noted', 'building') AND problem IS NULL), count(*) FROM sheaf.indexes"
    )
    with psycopg.connect(bench.postgres.url, autocommit=True) as connection:

        def built() -> bool:
            left, asked_for = connection.execute(query).fetchone() or (0, 0)
            return not left and asked_for > 0

        until(built, "the indexes are built", seconds=_PATIENCE)


def _offset(bench: Bench, dataset: Dataset, line: Line) -> Figure:
    rows = bench.sizes.rows
    rounds = []
    for _ in range(bench.sizes.rounds):
        pairs = [
            (
                line.seconds(_request(bench, dataset, "")),
                line.seconds(_request(bench, dataset, f"offset={rows - PAGE - at}")),
            )
            for at in range(_ASKED)
        ]
        rounds.append(tuple(statistics.median(each) for each in zip(*pairs, strict=True)))
    plain, far = zip(*rounds, strict=True)
    absolute = f"{statistics.median(far) * 1e3:.2f} ms against {statistics.median(plain) * 1e3:.2f} ms"
    return Figure(
        f"page at offset {rows - PAGE:,} over the first page", "≤ 1.3 ×", "1 ×", ratio(far, plain), "", absolute
    )
