"""A dataset leaves as a file: over a bare COPY, over xlsxwriter and polars, and when its first byte comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import polars as pl
import xlsxwriter
from psycopg import sql

from backend.query.output import record_json
from backend.schemas.columns import Column
from scripts.benchmarks.bench import Bench, Dataset
from scripts.benchmarks.client import Download
from scripts.benchmarks.data import ORDERS, WIDE_COLUMNS, write_cells
from scripts.benchmarks.measure import Figure, alternate, compared, cpu_ratio, median, ratio, values


def csv_export(bench: Bench) -> list[Figure]:
    work = f"CSV export, {bench.sizes.rows:,} rows, over a bare `COPY (SELECT …) TO STDOUT`"
    return [_over_copy(bench, work, bench.orders, _by_arrows(bench.orders))]


def wide_export(bench: Bench) -> list[Figure]:
    work = f"CSV export, {bench.sizes.wide:,} rows × {WIDE_COLUMNS} columns, likewise"
    return [_over_copy(bench, work, bench.wide, _by_record(bench.wide))]


def json_export(bench: Bench) -> list[Figure]:
    """Over a COPY of the very same lines."""
    columns = [Column(name, name, kind) for name, kind in ORDERS.items()]
    lines = sql.SQL("COPY (SELECT {} FROM {} r ORDER BY id) TO STDOUT").format(
        sql.SQL(record_json(columns).as_string().replace("%%", "%")), sql.SQL(bench.orders.table)
    )
    works = {
        form: f"{form.upper()} export, {bench.sizes.rows:,} rows, over a bare COPY of the same"
        for form in ("ndjson", "json")
    }
    return [_over_copy(bench, work, bench.orders, lines, form, "≤ 1.3 ×") for form, work in works.items()]


def parquet_export(bench: Bench) -> list[Figure]:
    """Over the bare COPY of the CSV export, followed by polars writing the frame that the file holds."""
    frame = pl.read_parquet(io.BytesIO(bench.service.client.read(f"/datasets/{bench.orders.id}/export?format=parquet")))
    path = bench.folder / "baseline.parquet"
    statement = _by_arrows(bench.orders)

    def copy_and_write() -> None:
        _copy(bench, statement)
        frame.write_parquet(path)

    baseline, ours = alternate(
        lambda: bench.alone(copy_and_write),
        lambda: bench.serving(lambda: _export(bench, bench.orders, "parquet")),
        bench.sizes.rounds,
    )
    work = f"Parquet export, {bench.sizes.rows:,} rows, over a bare COPY and polars writing the same frame"
    return [compared(work, "≤ 2 ×", "", baseline, ours)]


def _over_copy(
    bench: Bench, work: str, dataset: Dataset, statement: sql.Composed, form: str = "csv", bar: str = "≤ 1.25 ×"
) -> Figure:
    baseline, ours = alternate(
        lambda: bench.alone(lambda: _copy(bench, statement)),
        lambda: bench.serving(lambda: _export(bench, dataset, form)),
        bench.sizes.rounds,
    )
    return compared(work, bar, "≤ 1.1 ×", baseline, ours)


def _copy(bench: Bench, statement: sql.Composed) -> None:
    with bench.connection.cursor() as cursor, cursor.copy(statement) as rows:
        for _ in rows:
            pass


def xlsx_export(bench: Bench) -> list[Figure]:
    """Against a loop over the same records that writes the same kinds of cells."""
    dataset = bench.short_orders
    path = bench.folder / "baseline.xlsx"

    def loop() -> None:
        with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, list(ORDERS))
            day = book.add_format({"num_format": "yyyy-mm-dd"})
            for number, row in enumerate(_records(bench, dataset), 1):
                write_cells(sheet, number, row, {"date": day})

    baseline, ours = alternate(
        lambda: bench.alone(loop), lambda: bench.serving(lambda: _export(bench, dataset, "xlsx")), bench.sizes.rounds
    )
    return [
        Figure(
            f"XLSX export, {bench.sizes.xlsx:,} rows, against a plain xlsxwriter `constant_memory` loop",
            "≥ 4 × faster",
            "≥ 15 ×",
            ratio(values(baseline), values(ours), "× faster"),
            cpu_ratio(ours, baseline),
            f"{median(values(ours), 's')} against {median(values(baseline), 's')}",
        )
    ]


def first_byte(bench: Bench) -> list[Figure]:
    taken: list[Download] = [_export(bench, bench.orders, "csv") for _ in range(bench.sizes.rounds + 1)][1:]
    allowed = [0.1 + 0.05 * each.whole for each in taken]
    spread = [each.first for each in taken]
    return [
        Figure(
            f"first byte of an unfiltered, unsorted CSV export, {bench.sizes.rows:,} rows",
            f"≤ 0.1 s + 5 % of the whole ({median(allowed, 's')})",
            "",
            f"{median(spread, 's', 3)} ({min(spread):.3f}–{max(spread):.3f})",
            "",
            f"first record {median([each.first_record for each in taken], 's', 3)},"
            f" whole {median([each.whole for each in taken], 's')}",
        )
    ]


def _export(bench: Bench, dataset: Dataset, form: str) -> Download:
    return bench.service.client.download(f"/datasets/{dataset.id}/export?format={form}")


def _by_arrows(dataset: Dataset) -> sql.Composed:
    """Each column taken out of the record by its key: the plain way, and quick where there are few."""
    columns = sql.SQL(", ").join(sql.SQL("data ->> {}").format(name) for name in ORDERS)
    return _copy_out(columns, sql.SQL(dataset.table))


def _by_record(dataset: Dataset) -> sql.Composed:
    """All columns taken out of the record at once: the way for many."""
    names = [sql.Identifier(f"col_{at}") for at in range(WIDE_COLUMNS)]
    source = sql.SQL("{}, jsonb_to_record(data) AS x ({})").format(
        sql.SQL(dataset.table), sql.SQL(", ").join(sql.SQL("{} text").format(name) for name in names)
    )
    return _copy_out(sql.SQL(", ").join(names), source)


def _copy_out(columns: sql.Composable, source: sql.Composable) -> sql.Composed:
    return sql.SQL("COPY (SELECT {} FROM {} ORDER BY id) TO STDOUT (FORMAT csv)").format(columns, source)


def _records(bench: Bench, dataset: Dataset) -> Iterator[Sequence[str]]:
    with bench.connection.cursor() as cursor, cursor.copy(_by_arrows(dataset)) as rows:
        yield from csv.reader(str(row, "utf-8") for row in rows)
