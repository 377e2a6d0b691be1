"""Reading the newest version after many others, and an old version behind many others."""

from __future__ import annotations

import statistics

from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Line
from scripts.benchmarks.measure import Figure, Sample, alternate, median, ratio, values

_VERSIONS = (100, 10_000)
"""How many there are when the newest one is read."""
_LATER = 100
_AGAIN = 1_000
"""Records that each of the later versions changes, always the same ones."""
_ASKED = {"first page": 100, "record": 100, "filtered page": 100, "filtered count": 10}
"""So often each read is made in one round; the median counts."""
_PATHS = {
    "first page": "records?limit=50&count=none",
    "record": "records/1",
    "filtered page": "records?limit=50&count=none&status=paid",
    "filtered count": "records/count?status=paid",
}


def past(bench: Bench) -> list[Figure]:
    """The curve of the newest version, then version 1 beside the newest."""
    return [*newest(bench), *oldest(bench)]


def newest(bench: Bench) -> list[Figure]:
    """Every edit is of the first record, so all its images lie where the first page begins."""
    rows = bench.sizes.rows // 10
    fresh, edited = (bench.upload(bench.orders_csv(rows)) for _ in range(2))
    figures, made = list[Figure](), 1
    for versions in _VERSIONS:
        for number in range(made, versions):
            path = f"/datasets/{edited.id}/records/1"
            bench.service.client.call("PATCH", path, {"quantity": number})
        made = versions
        bench.settle()
        figures += [
            _figure(
                bench, what, f"at version {versions:,} over version 1, {rows:,} rows", "1 ×", (fresh, ""), (edited, "")
            )
            for what in _PATHS
        ]
    bench.forget(fresh)
    bench.forget(edited)
    return figures


def oldest(bench: Bench) -> list[Figure]:
    """Each of the later versions has changed the same records, those of the first pages."""
    rows = bench.sizes.rows
    dataset = bench.upload(bench.orders_csv(rows))
    for number in range(_LATER):
        changes = [{"id": record, "set": {"quantity": number}} for record in range(1, _AGAIN + 1)]
        bench.service.client.call("PATCH", f"/datasets/{dataset.id}/records", {"changes": changes})
    bench.settle()
    work = f"of version 1 over the newest, {rows:,} rows, {_AGAIN:,} of them changed {_LATER} times"
    figures = [_figure(bench, what, work, "≤ 1.5 ×", (dataset, ""), (dataset, "version=1")) for what in _PATHS]
    bench.forget(dataset)
    return figures


def _figure(
    bench: Bench, what: str, work: str, bar: str, under: tuple[Dataset, str], over: tuple[Dataset, str]
) -> Figure:
    line = Line(bench.service.client.port)

    def asked(dataset: Dataset, version: str) -> Sample:
        path = _PATHS[what]
        path += ("&" if "?" in path else "?") + version if version else ""
        request = bench.service.client.request(f"/datasets/{dataset.id}/{path}")
        return Sample(1000 * statistics.median(line.seconds(request) for _ in range(_ASKED[what])))

    few, many = alternate(lambda: asked(*under), lambda: asked(*over), bench.sizes.rounds)
    line.close()
    times = " against ".join(median(values(each), "ms") for each in (many, few))
    return Figure(f"{what} {work}", bar, "1 ×", ratio(values(many), values(few)), "", times)
