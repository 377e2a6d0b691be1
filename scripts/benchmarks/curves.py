"""How time and memory grow with the rows, and with the columns, of a dataset."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from msgspec import Struct

from scripts.benchmarks import data
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Client, Line
from scripts.benchmarks.measure import Figure
from scripts.benchmarks.processes import forget_peak, peak
from scripts.benchmarks.servers import Server, service

_CELLS = 6_000_000
"""In the file of each width."""
_WIDTHS = (300, 2_000)
_COMPARED = 100_000
"""From so many rows on a row should cost the same."""
_ASKED = 5
_READS = {
    "first page": "records?limit=50",
    "page behind nine tenths": "records?limit=50&cursor={far}",
    "filtered page, nothing matches, count=none": "records?limit=50&count=none&{number}=lt:-{turn}",
    "page sorted by a number, count=none": "records?limit=50&count=none&sort=-{number}&{number}=gt:-{turn}",
    "count of what matches a filter": "records/count?{number}=gt:5&{number}=lt:1000{turn}",
}
"""`turn` makes each request another one, so that no answer is one that was kept."""
_EXPORTS = {f"{form.upper()} export": f"export?format={form}" for form in ("csv", "ndjson", "parquet", "xlsx")}


class Shape(Struct, frozen=True):
    """A file and the column of numbers in it that reads ask for."""

    path: Path
    rows: int
    columns: int
    number: str

    def __str__(self) -> str:
        return f"{self.rows:,} × {self.columns:,}"


class Taken(Struct, frozen=True):
    """Seconds, and by how many MB the worker grew at its peak."""

    seconds: float
    grown: float


Curve = Mapping[str, Sequence[Taken]]


def curves(bench: Bench) -> list[Figure]:
    """Without indexes from use and without kept pages."""
    by_rows = [Shape(bench.orders_csv(rows), rows, len(data.ORDERS), "quantity") for rows in bench.sizes.curve]
    by_columns = [by_rows[1], *(_wide(bench, columns) for columns in _WIDTHS)]
    with service(bench.folder / "curves", bench.postgres, cache_memory="0") as server:
        figures = _figures("rows", by_rows, [_measured(bench, server, each) for each in by_rows])
        return figures + _figures("columns", by_columns, [_measured(bench, server, each) for each in by_columns])


def _wide(bench: Bench, columns: int) -> Shape:
    rows = min(_CELLS, 10 * bench.sizes.curve[-1]) // columns
    make = partial(data.wide, columns=columns)
    return Shape(data.write_csv(bench.folder / f"wide-{columns}-{rows}.csv", make, rows), rows, columns, "col_0")


def _measured(bench: Bench, server: Server, shape: Shape) -> Curve:
    """Medians of the rounds, by kind of work."""
    rounds = [_round(bench, server, shape) for _ in range(bench.sizes.rounds)]
    return {
        kind: Taken(
            statistics.median(each[kind].seconds for each in rounds),
            statistics.median(each[kind].grown for each in rounds),
        )
        for kind in rounds[0]
    }


def _round(bench: Bench, server: Server, shape: Shape) -> dict[str, Taken]:
    client = Client(server.client.port, bench.service.client.key)
    made: list[Dataset] = []
    bench.settle()
    found = {"CSV import": _taken(server, lambda: made.append(bench.upload(shape.path, client)))}
    at = f"/datasets/{made[0].id}"
    far = client.call("GET", f"{at}/records?limit=50&offset={shape.rows * 9 // 10 - 50}")["next"]
    line = Line(server.client.port)
    for kind, path in _READS.items():
        paths = [path.format(number=shape.number, far=far, turn=turn) for turn in range(10, 10 + _ASKED)]
        seconds = [line.seconds(client.request(f"{at}/{each}")) for each in paths]
        found[kind] = Taken(statistics.median(seconds), 0)
    line.close()
    for kind, path in _EXPORTS.items():
        found[kind] = _taken(server, lambda path=path: client.download(f"{at}/{path}"))
    bench.forget(made[0])
    return found


def _taken(server: Server, work: Callable[[], object]) -> Taken:
    idle, started = forget_peak(server.worker), perf_counter()
    work()
    return Taken(perf_counter() - started, (peak(server.worker) - idle) / 1e6)


def _figures(axis: str, shapes: Sequence[Shape], taken: Sequence[Curve]) -> list[Figure]:
    return [_figure(axis, kind, shapes, [each[kind] for each in taken]) for kind in taken[0]]


def _figure(axis: str, kind: str, shapes: Sequence[Shape], taken: Sequence[Taken]) -> Figure:
    """Cost per row, or per cell, of each over that of the first that is compared."""
    bulk = any(each.grown for each in taken)
    work = f"{kind} by {axis}: " + ", ".join(map(str, shapes))
    absolute = ", ".join(_time(each.seconds) for each in taken)
    if not bulk:
        return Figure(work, "", "", absolute, "", "")
    sizes = [each.rows if axis == "rows" else each.rows * each.columns for each in shapes]
    costs = [each.seconds / size for each, size in zip(taken, sizes, strict=True)]
    compared = [cost for cost, size in zip(costs, sizes, strict=True) if size >= _COMPARED]
    result = ", ".join(f"{cost / compared[0]:.2f} ×" for cost in compared)
    memory = ", ".join(f"{each.grown:.0f}" for each in taken)
    bar = f"0.8 to 1.2 × a row from {_COMPARED:,} on" if axis == "rows" else ""
    return Figure(work, bar, "", result, "", f"{absolute}; memory grew by {memory} MB")


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"
