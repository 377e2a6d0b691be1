"""A dataset leaves as a file: over a bare COPY, over xlsxwriter, and when its first byte comes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

import xlsxwriter
from psycopg import sql

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


def _over_copy(bench: Bench, work: str, dataset: Dataset, statement: sql.Composed) -> Figure:
    def copy() -> None:
        with bench.connection.cursor() as cursor, cursor.copy(statement) as rows:
            for _ in rows:
                pass

    baseline, ours = alternate(
        lambda: bench.alone(copy), lambda: bench.serving(lambda: _export(bench, dataset, "csv")), bench.sizes.rounds
    )
    return compared(work, "≤ 1.25 ×", "≤ 1.1 ×", baseline, ours)


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
