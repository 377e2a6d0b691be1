"""What a worker counts, without a service around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend import metrics
from backend.metrics import FAMILIES, Counter, Gauge, Histogram

DOCS = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
SHORT = {"sheaf_database_pool_connections_max", "sheaf_database_pool_connections_in_use"}
"""Told by the ends of their names."""


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - SHORT))
def test_each_metric_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other metrics."""
    monkeypatch.setattr(metrics, "FAMILIES", {})


@pytest.mark.usefixtures("mine")
def test_workers_are_added_up_and_a_new_one_goes_on_but_for_gauges() -> None:
    counter, gauge, times = Counter("c", "", "of"), Gauge("g", ""), Histogram("h", "")
    counter.add(2, "x")
    gauge.set(3)
    times.observe(0.004)
    times.observe(1000)
    told = metrics.numbers()
    together = metrics.total([told, told])
    assert together["c"] == {("x",): [4.0]}
    assert together["g"] == {(): [6.0]}
    assert together["h"][()][2] == together["h"][()][-2] == 2
    assert together["h"][()][-1] == pytest.approx(2000.008)
    metrics.resume({**told, "gone": [((), [1.0])]})
    assert (counter.series, gauge.series) == ({("x",): [4.0]}, {(): [3.0]})


@pytest.mark.usefixtures("mine")
def test_only_what_is_committed_is_counted() -> None:
    counter, staged = Counter("c", ""), metrics._Staged()
    for committed in (True, False):
        staged.add("tx", counter, 5)
        staged.end("tx", committed=committed)
        staged.end("tx", committed=True)
    assert counter.series == {(): [5.0]}


def test_methods_that_no_route_has_are_one() -> None:
    assert [metrics.known_method(each) for each in ("GET", "PROPFIND", "X" * 50)] == ["GET", "other", "other"]
