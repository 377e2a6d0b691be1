"""Writing records of a large dataset, each case beside the bare SQL for it on a table of the same kind."""

from __future__ import annotations

import itertools
import json
import random
import statistics
from time import perf_counter
from typing import Any

from scripts.benchmarks.appends import append_lines
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import API, Line
from scripts.benchmarks.history import history
from scripts.benchmarks.measure import Figure, Sample, alternate, compared, cpu_ratio, median, ratio, values
from scripts.benchmarks.past import past

_ONES = 200
"""Patches of one record in one round; their median counts."""
_MANY = 10_000
_CLOSE = "UPDATE {} SET removed_in = %s WHERE id = %s AND removed_in = 2147483647"
_INSERT = "INSERT INTO {} (id, added_in, data) VALUES (%s, %s, %s)"
_CLOSE_MANY = "UPDATE {} SET removed_in = %s WHERE id = ANY(%s) AND removed_in = 2147483647"
_INSERT_MANY = (
    "INSERT INTO {0} (id, added_in, data) SELECT r.id, %s, r.data || new.data::jsonb"
    " FROM {0} r JOIN unnest(%s::bigint[], %s::text[]) AS new (id, data) ON new.id = r.id WHERE r.removed_in = %s"
)


def records(bench: Bench) -> list[Figure]:
    """What people and programs do to records, one case after the other."""
    patches = [patch_one(bench), patch_many(bench, "return=minimal"), patch_many(bench, "return=representation")]
    return [*patches, *append_lines(bench), *past(bench), *history(bench)]


def patch_one(bench: Bench) -> Figure:
    """One field of one record, again and again; the baseline closes the old image and inserts the new one."""
    rows = bench.sizes.rows
    ours, bare = bench.upload(bench.orders_csv(rows)), bench.upload(bench.orders_csv(rows))
    chance, versions, line = random.Random(1), itertools.count(2), Line(bench.service.client.port)
    text = bench.connection.execute(f"SELECT data::text FROM {bare.table} LIMIT 1").fetchone()

    def close_and_insert() -> Sample:
        chosen = [chance.randint(1, rows) for _ in range(_ONES)]
        taken: list[float] = []
        whole = bench.alone(
            lambda: taken.extend(_close_and_insert(bench, bare, each, next(versions), text) for each in chosen)
        )
        return Sample(statistics.median(taken), whole.cpu)

    def patch() -> Sample:
        paths = [f"/datasets/{ours.id}/records/{chance.randint(1, rows)}" for _ in range(_ONES)]
        requests = [_patch(bench, path, {"quantity": next(versions)}) for path in paths]
        taken: list[float] = []
        whole = bench.serving(lambda: taken.extend(map(line.seconds, requests)))
        return Sample(statistics.median(taken), whole.cpu)

    baseline, found = alternate(close_and_insert, patch, bench.sizes.rounds)
    line.close()
    _forget(bench, ours, bare)
    work = f"patch of one of {rows:,} records over HTTP, over two SQL statements and a commit"
    times = " against ".join(median([1000 * each for each in values(samples)], "ms") for samples in (found, baseline))
    result = ratio(values(found), values(baseline))
    return Figure(work, "≤ 2.5 ×", "≤ 2 ×", result, cpu_ratio(found, baseline), times)


def patch_many(bench: Bench, prefer: str) -> Figure:
    """One field of ten thousand records as one version; the same ones in the baseline."""
    rows = bench.sizes.rows
    ours, bare = bench.upload(bench.orders_csv(rows)), bench.upload(bench.orders_csv(rows))
    chance, versions, line = random.Random(2), itertools.count(2), Line(bench.service.client.port)
    chosen: list[int] = []

    def two_statements() -> Sample:
        chosen[:] = chance.sample(range(1, rows + 1), _MANY)
        version = next(versions)
        new = [json.dumps({"quantity": version})] * _MANY
        bench.settle()
        return bench.alone(lambda: _replace_many(bench, bare, version, chosen, new))

    def batch() -> Sample:
        changes = [{"id": record, "set": {"quantity": next(versions)}} for record in chosen]
        request = _patch(bench, f"/datasets/{ours.id}/records", {"changes": changes}, f"Prefer: {prefer}\r\n")
        bench.settle()
        return bench.serving(lambda: line.seconds(request))

    baseline, found = alternate(two_statements, batch, bench.sizes.rounds)
    line.close()
    _forget(bench, ours, bare)
    work = f"batch patch of {_MANY:,} of {rows:,} records over HTTP ({prefer}), over two SQL statements and a commit"
    return compared(work, "≤ 2 ×", "≤ 1.5 ×", baseline, found)


def _patch(bench: Bench, path: str, body: Any, headers: str = "") -> bytes:
    """A PATCH as bytes on the wire."""
    content = json.dumps(body).encode()
    head = (
        f"PATCH {API}{path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {bench.service.client.key}\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _close_and_insert(bench: Bench, into: Dataset, record: int, version: int, text: Any) -> float:
    """The seconds that it takes; both statements are prepared."""
    started = perf_counter()
    with bench.connection.transaction():
        bench.connection.execute(_CLOSE.format(into.table), (version, record), prepare=True)
        bench.connection.execute(_INSERT.format(into.table), (record, version, text[0]), prepare=True)
    return perf_counter() - started


def _replace_many(bench: Bench, into: Dataset, version: int, ids: list[int], new: list[str]) -> None:
    with bench.connection.transaction():
        bench.connection.execute(_CLOSE_MANY.format(into.table), (version, ids))
        bench.connection.execute(_INSERT_MANY.format(into.table), (version, ids, new, version))


def _forget(bench: Bench, *datasets: Dataset) -> None:
    for each in datasets:
        bench.forget(each)
