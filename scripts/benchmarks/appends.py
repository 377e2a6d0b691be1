"""Lines of JSON appended to a dataset over HTTP, beside COPY of the same lines into a table of the same kind."""

from __future__ import annotations

import itertools
from pathlib import Path

from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.measure import Figure, Sample, alternate, compared

_PIECE = 10_000
"""Lines that the baseline hands over at once."""


def append_lines(bench: Bench) -> list[Figure]:
    """Both go into as many records, under the same indexes, and both tables grow from round to round."""
    rows, count = bench.sizes.rows, bench.sizes.rows // 10
    path = ndjson(bench.folder / f"orders-{count}.ndjson", bench.orders_lines(count))
    ours, bare = bench.upload(bench.orders_csv(rows)), bench.upload(bench.orders_csv(rows))
    versions = itertools.count(2)

    def copy() -> Sample:
        version = next(versions)
        pieces = _pieces(path, rows + 1 + (version - 2) * count, version)
        bench.settle()
        return bench.alone(lambda: _copy(bench, bare, pieces))

    def append() -> Sample:
        bench.settle()
        return bench.serving(
            lambda: bench.service.client.upload(path, f"/datasets/{ours.id}/records", "application/x-ndjson")
        )

    work = f"{count:,} lines of JSON appended to {rows:,} records over HTTP, over COPY of them"
    samples = alternate(copy, append, bench.sizes.rounds)
    bench.forget(ours)
    bench.forget(bare)
    return [compared(work, "≤ 1.5 ×", "≤ 1.3 ×", *samples)]


def ndjson(path: Path, copied: Path) -> Path:
    """The records of a file of COPY lines. Made once."""
    if not path.exists():
        with copied.open("rb") as lines, path.open("wb") as file:
            file.writelines(line.rpartition(b"\x02")[2] for line in lines)
    return path


def _pieces(path: Path, first_id: int, version: int) -> list[bytes]:
    """The file as COPY takes it, ready in memory."""
    with path.open("rb") as file:
        lines = [b"%d\x02%d\x02%b" % (number, version, line) for number, line in enumerate(file, first_id)]
    return [b"".join(lines[at : at + _PIECE]) for at in range(0, len(lines), _PIECE)]


def _copy(bench: Bench, into: Dataset, pieces: list[bytes]) -> None:
    query = f"COPY {into.table} (id, added_in, data) FROM STDIN (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')"
    with bench.connection.cursor() as cursor, cursor.copy(query) as copy:
        for piece in pieces:
            copy.write(piece)
