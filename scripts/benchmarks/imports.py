"""A file becomes a readable dataset: over a bare COPY of the same rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fastexcel

from scripts.benchmarks.bench import Bench
from scripts.benchmarks.measure import Figure, Sample, alternate, compared

_CREATE = (
    "CREATE TABLE baseline (id bigint NOT NULL, added_in integer NOT NULL,"
    " removed_in integer NOT NULL DEFAULT 2147483647, data jsonb NOT NULL)"
)
_COPY = "COPY baseline (id, added_in, data) FROM STDIN (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')"
_BLOCK = 1 << 20


def csv_import(bench: Bench) -> list[Figure]:
    rows = bench.sizes.rows
    path, lines = bench.orders_csv(rows), bench.orders_lines(rows)
    baseline, ours = alternate(
        lambda: _bare(bench, lambda: _copy(bench, lines)), lambda: _import(bench, path), bench.sizes.rounds
    )
    work = f"CSV import, {rows:,} rows, upload → 201 → readable, over a bare COPY of the same rows as NDJSON"
    return [compared(work, "≤ 1.6 ×", "≤ 1.2 ×", baseline, ours)]


def xlsx_import(bench: Bench) -> list[Figure]:
    rows = bench.sizes.xlsx
    path, lines = bench.orders_xlsx(rows), bench.orders_lines(rows)

    def read_and_copy() -> None:
        fastexcel.read_excel(path).load_sheet(0).to_polars()
        _copy(bench, lines)

    baseline, ours = alternate(lambda: _bare(bench, read_and_copy), lambda: _import(bench, path), bench.sizes.rounds)
    work = f"XLSX import, {rows:,} rows, over calamine read + that COPY"
    return [compared(work, "≤ 1.6 ×", "≤ 1.2 ×", baseline, ours)]


def _copy(bench: Bench, lines: Path) -> None:
    """One transaction: the table, its rows, then its primary key, so that PostgreSQL need not log the rows."""
    with bench.connection.transaction(), bench.connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with lines.open("rb", buffering=0) as file, cursor.copy(_COPY) as copy:
            while block := file.read(_BLOCK):
                copy.write(block)
        cursor.execute("ALTER TABLE baseline ADD PRIMARY KEY (id, added_in)")


def _bare(bench: Bench, work: Callable[[], None]) -> Sample:
    bench.settle()
    sample = bench.alone(work)
    bench.connection.execute("DROP TABLE baseline")
    return sample


def _import(bench: Bench, path: Path) -> Sample:
    client = bench.service.client
    made: list[str] = []

    def upload_and_read() -> None:
        answer = client.upload(path)
        made.append(answer["dataset"]["id"])
        page = client.call("GET", f"/datasets/{made[0]}/records?limit=50")
        assert page["total"] == answer["import"]["rows"]

    bench.settle()
    sample = bench.serving(upload_and_read)
    bench.forget(bench.dataset(made[0]))
    return sample
