"""Polluted files in, rows out: through the service's own upload and export, or through its reader alone."""

from __future__ import annotations

import csv
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter

from backend.errors import AppError
from backend.readers import ReadLimits, open_source
from backend.schemas.imports import ImportOptions
from scripts.benchmarks.bench import Bench, Sizes
from scripts.benchmarks.measure import Figure
from scripts.benchmarks.pollution import Polluted, Rows, of_files, polluted
from scripts.benchmarks.pollution_score import score
from scripts.benchmarks.pollution_tables import Row, loans, people, readings

_EVERY = 7
"""Of the files with one damaged row, every seventh goes through upload and export when it is quick."""

Read = Callable[[Polluted], Rows | None]


def polluted_imports(bench: Bench) -> list[Figure]:
    files = list(polluted(loans()))
    if bench.sizes.rows < Sizes().rows:
        files = _sample(loans())
    work = f"Pollock-like: {len(files):,} polluted files, nothing told, upload → export"
    figures = [_figure(work, files, lambda each: _through_service(bench, each))]
    for name, table in (("words alone, all quoted", people()), ("numbers and gaps, nothing quoted", readings())):
        work = f"Pollock-like, a table of {name}: reader alone"
        figures.append(_figure(work, _sample(table), read_alone))
    return figures


def _sample(table: Sequence[Row]) -> list[Polluted]:
    rows = [each for at, each in enumerate(polluted(table)) if at % _EVERY == 0 and each.weight < 1]
    return [*of_files(table), *rows]


def _figure(work: str, files: Sequence[Polluted], read: Read) -> Figure:
    started = perf_counter()
    marks = [(each, score(each.expected, read(each))) for each in files]
    seconds = perf_counter() - started
    simple, weighted = means(marks)
    for kind, mean, count in by_kind(marks):
        print(f"    {mean:6.3f}  {kind} ({count})", file=sys.stderr)
    return Figure(
        work,
        "≥ 9.90 / 9.45",
        "≥ 9.94 / 9.60",
        f"{simple:.3f} / {weighted:.3f}",
        "",
        f"{len(files) / seconds:.0f} files/s",
    )


def means(marks: Sequence[tuple[Polluted, float]]) -> tuple[float, float]:
    """The plain mean of the marks, and the mean by how often each kind of dirt occurs.

    A kind of which only a sample was read weighs as much as all of it.
    """
    kinds = by_kind(marks)
    whole = {"more_cells": 756, "fewer_cells": 672, "extra_quote": 756, "spaced_row": 84}
    weights = {each.kind: each.weight for each, _ in marks}
    counts = {kind: whole.get(kind, 1) for kind, _, _ in kinds}
    simple = sum(mean * counts[kind] for kind, mean, _ in kinds) / sum(counts.values())
    shares = {kind: weights[kind] * counts[kind] for kind in counts}
    return simple, sum(mean * shares[kind] for kind, mean, _ in kinds) / sum(shares.values())


def by_kind(marks: Iterable[tuple[Polluted, float]]) -> list[tuple[str, float, int]]:
    """Kind, mean mark and number of files, the worst first."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for each, mark in marks:
        kinds[each.kind].append(mark)
    return sorted(((kind, sum(found) / len(found), len(found)) for kind, found in kinds.items()), key=lambda k: k[1])


def read_alone(each: Polluted) -> Rows | None:
    """What the reader makes of a file, as a CSV export would give it."""
    try:
        source = open_source(
            io.BytesIO(each.data),
            filename=f"{each.name}.csv",
            media_type=None,
            options=ImportOptions(),
            limits=ReadLimits(),
        )
        frames = [batch.frame for batch in source.batches()]
    except AppError:
        return None
    width = len(source.names)
    rows = [[cell or "" for cell in row] for frame in frames for row in frame.rows()]
    return [list(source.names), *[row + [""] * (width - len(row)) for row in rows]] if source.names else []


def _through_service(bench: Bench, each: Polluted) -> Rows | None:
    path = bench.folder / f"{each.name}.csv"
    path.write_bytes(each.data)
    try:
        dataset = bench.service.client.upload(path)["dataset"]["id"]
    except RuntimeError as error:
        if str(error).startswith("4"):
            return None
        raise
    content = bench.service.client.read(f"/datasets/{dataset}/export?format=csv")
    bench.service.client.call("DELETE", f"/datasets/{dataset}")
    return list(csv.reader(io.StringIO(content.decode(), newline="")))
