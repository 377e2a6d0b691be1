"""Cells one by one, made into a table's columns."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from backend.errors import UnreadableFile

AREA = 4_000_000
"""Most cells, empty ones included, that one frame spans."""


def frames(cells: pl.DataFrame) -> Iterator[tuple[tuple[int, ...], pl.DataFrame]]:
    """The columns that hold something, and a frame with `row` (from 1), then `t0`, `k0`, `t1`, `k1`, … for them.

    `cells` as `Values.resolve` gives them. Rows without any cell are left out. Raises UnreadableFile for NUL bytes.
    """
    if cells.is_empty():
        return
    _refuse_nul(cells)
    columns = cells["column"].unique().sort()
    place = pl.zeros(int(columns[-1]) + 1, pl.UInt32, eager=True).scatter(
        columns, pl.int_range(len(columns), dtype=pl.UInt32, eager=True)
    )
    rows = cells.select("line", "row").unique("line").sort("line")
    cells = cells.with_columns(place=place.gather(cells["column"]), line=_ranks(cells["line"], rows["line"]))
    height = max(1, AREA // len(columns))
    for start in range(0, rows.height, height):
        within = cells if rows.height <= height else cells.filter(pl.col("line").is_between(start, start + height - 1))
        yield tuple(columns), _frame(within, rows["row"].slice(start, height) + 1, len(columns), start)


def _ranks(lines: pl.Series, known: pl.Series) -> pl.Series:
    """Lines counted without gaps."""
    if len(known) == int(known[-1]) + 1:
        return lines
    rank = pl.zeros(int(known[-1]) + 1, pl.UInt32, eager=True)
    return rank.scatter(known, pl.int_range(len(known), dtype=pl.UInt32, eager=True)).gather(lines)


def _frame(cells: pl.DataFrame, rows: pl.Series, width: int, start: int) -> pl.DataFrame:
    area = (cells["line"].cast(pl.UInt64) - start) * width + cells["place"]
    source = pl.Series([None], dtype=pl.UInt32).new_from_index(0, len(rows) * width)
    source = source.scatter(area, pl.int_range(cells.height, dtype=pl.UInt32, eager=True))
    made = [rows.alias("row")]
    for position in range(width):
        of_column = source.gather_every(width, position)
        made.append(cells["text"].gather(of_column).alias(f"t{position}"))
        made.append(cells["kind"].gather(of_column).fill_null(0).alias(f"k{position}"))
    return pl.DataFrame(made)


def _refuse_nul(cells: pl.DataFrame) -> None:
    bad = cells.filter(pl.col("text").str.contains("\0", literal=True))
    if bad.height:
        row, column = bad.select("row", "column").sort("row", "column").row(0)
        raise UnreadableFile(f"Cell {address(row, column)} holds a NUL character, which no text may hold.")


def address(row: int, column: int) -> str:
    """`C4812` for row and column from 0."""
    return f"{column_letters(column)}{row + 1}"


def column_letters(column: int) -> str:
    """`A` for 0, `XFD` for 16383."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
