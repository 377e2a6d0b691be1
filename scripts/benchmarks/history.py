"""Older versions: what is different between two neighbours, and a dataset brought back to one."""

from __future__ import annotations

from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Line
from scripts.benchmarks.measure import Figure, Sample, alternate, compared, median, ratio, values

_CHANGED = 100
"""Records that one version changes."""
_SMALL = 1_000
_REQUESTS = 50
"""Diffs asked for in one round; their median counts."""


def history(bench: Bench) -> list[Figure]:
    return [diff(bench), restore(bench)]


def diff(bench: Bench) -> Figure:
    """Two neighbouring versions of a large dataset over those of a small one, as many records changed in both."""
    rows = bench.sizes.rows
    small, large = _edited(bench, _SMALL), _edited(bench, rows)
    line = Line(bench.service.client.port)

    def asked(dataset: Dataset) -> Sample:
        request = bench.service.client.request(f"/datasets/{dataset.id}/diff?from=1&to=2&limit={_CHANGED}")
        return Sample(sorted(line.seconds(request) for _ in range(_REQUESTS))[_REQUESTS // 2])

    under, over = alternate(lambda: asked(small), lambda: asked(large), bench.sizes.rounds)
    line.close()
    bench.forget(small)
    bench.forget(large)
    work = f"diff of neighbouring versions, {_CHANGED} records changed in {rows:,} rows, over as many in {_SMALL:,}"
    times = [median([1000 * each for each in values(samples)], "ms") for samples in (over, under)]
    return Figure(work, "≤ 2 ×", "1 ×", ratio(values(over), values(under)), "", " against ".join(times))


def restore(bench: Bench) -> Figure:
    """A dataset of which every record has changed, brought back, over the import that made it."""
    file = bench.orders_csv(bench.sizes.rows)
    made: list[Dataset] = []

    def begin() -> Sample:
        bench.settle()
        return bench.serving(lambda: made.append(bench.upload(file)))

    def back() -> Sample:
        dataset = made.pop()
        call, path = bench.service.client.call, f"/datasets/{dataset.id}"
        everything = {"where": {"__id": {"gt": 0}}, "set": {"amount": 1}}
        assert call("PATCH", f"{path}/records", everything)["changed"] == bench.sizes.rows
        bench.settle()
        sample = bench.serving(lambda: call("POST", f"{path}/restore", {"version": 1}))
        bench.forget(dataset)
        return sample

    work = f"restore of {bench.sizes.rows:,} rows, all changed, over their import"
    return compared(work, "≤ 2 ×", "≤ 1.5 ×", *alternate(begin, back, bench.sizes.rounds))


def _edited(bench: Bench, rows: int) -> Dataset:
    """A dataset with a version 2 in which some records are changed, and some more versions."""
    dataset = bench.upload(bench.orders_csv(rows))
    every = rows // _CHANGED
    for amount in range(1, 6):
        changes = [{"id": at * every + amount, "set": {"amount": amount}} for at in range(_CHANGED)]
        bench.service.client.call("PATCH", f"/datasets/{dataset.id}/records", {"changes": changes})
    return dataset
