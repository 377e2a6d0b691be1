"""How time and memory grow with the rows, and with the columns, of a dataset."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from msgspec import Struct, structs

from scripts.benchmarks import data
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Client, Line
from scripts.benchmarks.measure import Figure, ratio
from scripts.benchmarks.processes import cpu_of, forget_peak, peak
from scripts.benchmarks.servers import Server, service

_CELLS = 6_000_000
"""In the file of each width."""
_WIDTHS = (300, 2_000)
_COMPARED = 100_000
"""From so many rows on a row should cost the same."""
_REPEATED = 3
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
    """Seconds, by how many MB the worker grew at its peak, and the processor time of service and database."""

    seconds: float
    grown: float = 0
    cpu: float = 0


Curve = Mapping[str, Taken]
"""By kind of work."""


def curves(bench: Bench) -> list[Figure]:
    """Without indexes from use and without kept pages."""
    by_rows = [Shape(bench.orders_csv(rows), rows, len(data.ORDERS), "quantity") for rows in bench.sizes.curve]
    by_columns = [by_rows[1], *(_wide(bench, columns) for columns in _WIDTHS)]
    with service(bench.folder / "curves", bench.postgres, cache_memory="0", index_rows="1000000000") as server:
        return [
            *_figures("rows", by_rows, _rounds(bench, server, by_rows)),
            *_figures("columns", by_columns, _rounds(bench, server, by_columns)),
        ]


def _wide(bench: Bench, columns: int) -> Shape:
    rows = min(_CELLS, 10 * bench.sizes.curve[-1]) // columns
    make = partial(data.wide, columns=columns)
    return Shape(data.write_csv(bench.folder / f"wide-{columns}-{rows}.csv", make, rows), rows, columns, "col_0")


def _rounds(bench: Bench, server: Server, shapes: Sequence[Shape]) -> list[list[Curve]]:
    """By round and shape, the shapes in turn."""
    return [[_measured(bench, server, shape) for shape in shapes] for _ in range(bench.sizes.rounds)]


def _measured(bench: Bench, server: Server, shape: Shape) -> Curve:
    """Of a small file, of which a moment's disturbance is a large part, what the median of a few took."""
    times = _REPEATED if shape.rows <= _COMPARED else 1
    return _median([_round(bench, server, shape) for _ in range(times)])


def _median(curves: Sequence[Curve]) -> Curve:
    return {
        kind: Taken(*map(statistics.median, zip(*(structs.astuple(each[kind]) for each in curves), strict=True)))
        for kind in curves[0]
    }


def _round(bench: Bench, server: Server, shape: Shape) -> dict[str, Taken]:
    client = Client(server.client.port, bench.service.client.key)
    made: list[Dataset] = []
    bench.settle()
    found = {"CSV import": _taken(bench, server, lambda: made.append(bench.upload(shape.path, client)))}
    at = f"/datasets/{made[0].id}"
    far = client.call("GET", f"{at}/records?limit=50&offset={shape.rows * 9 // 10 - 50}")["next"]
    line = Line(server.client.port)
    for kind, path in _READS.items():
        paths = [path.format(number=shape.number, far=far, turn=turn) for turn in range(10, 10 + _ASKED)]
        seconds = [line.seconds(client.request(f"{at}/{each}")) for each in paths]
        found[kind] = Taken(statistics.median(seconds))
    line.close()
    for kind, path in _EXPORTS.items():
        found[kind] = _taken(bench, server, lambda path=path: client.download(f"{at}/{path}"))
    bench.forget(made[0])
    return found


def _taken(bench: Bench, server: Server, work: Callable[[], object]) -> Taken:
    processes = server.pid, bench.postgres.pid
    idle, before, started = forget_peak(server.worker), cpu_of(*processes), perf_counter()
    work()
    seconds = perf_counter() - started
    return Taken(seconds, (peak(server.worker) - idle) / 1e6, cpu_of(*processes) - before)


def _figures(axis: str, shapes: Sequence[Shape], rounds: Sequence[Sequence[Curve]]) -> list[Figure]:
    return [
        _figure(axis, kind, shapes, [[each[kind] for each in curves] for curves in rounds]) for kind in rounds[0][0]
    ]


def _figure(axis: str, kind: str, shapes: Sequence[Shape], rounds: Sequence[Sequence[Taken]]) -> Figure:
    """Cost per row, or per cell, of each over that of the first that is compared."""
    work = f"{kind} by {axis}: " + ", ".join(map(str, shapes))
    by_shape = list(zip(*rounds, strict=True))
    absolute = ", ".join(_time(statistics.median(each.seconds for each in taken)) for taken in by_shape)
    if not any(each.grown for taken in by_shape for each in taken):
        return Figure(work, "", "", absolute, "", "")
    sizes = [shape.rows if axis == "rows" else shape.rows * shape.columns for shape in shapes]
    compared = [(taken, size) for taken, size in zip(by_shape, sizes, strict=True) if size >= _COMPARED]
    result = _ratios([[each.seconds / size for each in taken] for taken, size in compared])
    cpu = _ratios([[each.cpu / size for each in taken] for taken, size in compared])
    memory = ", ".join(f"{statistics.median(each.grown for each in taken):.0f}" for taken in by_shape)
    bar = f"0.8 to 1.2 × a row from {_COMPARED:,} on" if axis == "rows" else ""
    return Figure(work, bar, "", result, cpu, f"{absolute}; memory grew by {memory} MB")


def _ratios(costs: Sequence[Sequence[float]]) -> str:
    return ", ".join(ratio(each, costs[0]) for each in costs[1:])


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"
