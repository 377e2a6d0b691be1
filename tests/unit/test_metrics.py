"""What a worker counts, without a service around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from backend import metrics
from backend.metrics import REGISTRY

DOCS = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
NAMES = {metric.name + "_total" * (metric.type == "counter") for metric in REGISTRY.collect()}
SHORT = {"sheaf_database_pool_connections_max", "sheaf_database_pool_connections_in_use"}
"""Told by the ends of their names."""


@pytest.mark.parametrize("name", sorted(NAMES - SHORT))
def test_each_metric_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    """No other metrics."""
    monkeypatch.setattr(metrics, "REGISTRY", registry := CollectorRegistry())
    return registry


def test_workers_are_added_up_and_a_new_one_goes_on_but_for_gauges(mine: CollectorRegistry) -> None:
    counter, gauge = Counter("c", "", ("of",), registry=mine), Gauge("g", "", registry=mine)
    times = Histogram("h", "", buckets=(0.001, 0.005, 1), registry=mine)
    counter.labels("x").inc(2)
    gauge.set(3)
    times.observe(0.004)
    times.observe(1000)
    told = metrics.numbers()
    together = metrics.total([told, told, {"gone": [(("", ()), 1.0)]}])
    assert together["c"] == [(("_total", (("of", "x"),)), 4.0)]
    assert together["g"] == [(("", ()), 6.0)]
    *buckets, (_, count), (_, seconds) = together["h"]
    assert [(series[1][0][1], number) for series, number in buckets] == [
        ("0.001", 0), ("0.005", 2), ("1.0", 2), ("+Inf", 4),
    ]  # fmt: skip
    assert (count, seconds) == (4, pytest.approx(2000.008))
    assert metrics.lasting(told) == {name: told[name] for name in "ch"}


def test_only_what_is_committed_is_counted() -> None:
    counter, staged = Counter("c", "", registry=None), metrics._Staged()
    for committed in (True, False):
        staged.add("tx", counter, 5)
        staged.end("tx", committed=committed)
        staged.end("tx", committed=True)
    assert [sample.value for metric in counter.collect() for sample in metric.samples if sample.name == "c_total"] == [
        5
    ]


def test_methods_that_no_route_has_are_one() -> None:
    assert [metrics.known_method(each) for each in ("GET", "PROPFIND", "X" * 50)] == ["GET", "other", "other"]
