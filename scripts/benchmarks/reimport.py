"""The next file against a dataset of as many rows: over the first import of the same run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from scripts.benchmarks import data
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.measure import Figure, Sample, alternate, compared

_MODES = {"upsert": "order_id", "sync": "order_id", "replace": "", "append": ""}
_EVERY = 100
"""Of so many rows one is gone, ten have another amount; one of so many is new."""


def reimport(bench: Bench) -> list[Figure]:
    """A dataset of its own for each round and mode, so that every round finds the same."""
    rows = bench.sizes.rows
    first, following = bench.orders_csv(rows), next_csv(bench.folder / f"next-orders-{rows}.csv", rows)
    return [_figure(bench, first, following, mode, key) for mode, key in _MODES.items()]


def _figure(bench: Bench, first: Path, following: Path, mode: str, key: str) -> Figure:
    made: list[Dataset] = []

    def begin() -> Sample:
        bench.settle()
        return bench.serving(lambda: made.append(bench.upload(first)))

    def follow() -> Sample:
        bench.settle()
        path = f"/datasets/{made[-1].id}/imports?mode={mode}&key={key}"
        sample = bench.serving(lambda: bench.service.client.upload(following, path))
        bench.forget(made.pop())
        return sample

    rows = bench.sizes.rows
    work = f"{mode} of {rows:,} rows into {rows:,}, 10 % changed, 1 % new, 1 % gone, over the first import"
    return compared(work, "≤ 2.5 ×", "≤ 1.8 ×", *alternate(begin, follow, bench.sizes.rounds))


def next_csv(path: Path, rows: int) -> Path:
    """The orders a month later. Made once."""
    return data.write_csv(path, _next_orders, rows)


def _next_orders(first: int, count: int) -> pl.DataFrame:
    """The same ids, but those of each hundredth row lie behind all others'."""
    frame = data.orders(first, count)
    place = pl.Series(np.arange(count)) % _EVERY
    moved = (frame["order_id"].cast(pl.Int64) + 10**9).cast(pl.String)
    return frame.with_columns(
        pl.when(place == 0).then(moved).otherwise("order_id").alias("order_id"),
        pl.when((place > 0) & (place <= _EVERY // 10)).then(pl.lit("1234.50")).otherwise("amount").alias("amount"),
    )
