"""Cells one by one, made into a table's columns."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from backend.errors import TooLarge

AREA = 4_000_000
"""Most cells, empty ones included, that one frame spans."""
TEXT = 32 * 2**20
"""About how many bytes of text one frame holds."""
MOST = 256 * 2**20
"""Most bytes of text that one row holds: no record could be stored beyond."""


def frames(rows: pl.Series, cells: pl.DataFrame) -> Iterator[tuple[tuple[int, ...], pl.DataFrame]]:
    """The columns that hold something, and a frame with `row` (from 1), then `t0`, `k0`, `t1`, `k1`, … for them.

    `rows` and `cells` as `Values.resolve` gives them; rows without any cell are left out.
    Raises TooLarge for a row of more than 256 MiB.
    """
    if cells.is_empty():
        return
    columns = cells["column"].unique().sort()
    place = _lookup(columns)
    used = pl.repeat(False, len(rows), eager=True).scatter(cells["line"], True)
    if not used.all():
        cells = cells.with_columns(line=_lookup(used.arg_true()).gather(cells["line"]))
        rows = rows.filter(used)
    cells = cells.with_columns(place=place.gather(cells["column"]))
    starts = _starts(cells, len(rows), len(columns))
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        within = cells if len(starts) == 1 else cells.filter(pl.col("line").is_between(start, end - 1))
        yield tuple(columns), _frame(within, rows.slice(start, end - start) + 1, len(columns), start)


def _lookup(known: pl.Series) -> pl.Series:
    """For each of these numbers its place in the ascending list."""
    return pl.zeros(int(known[-1]) + 1, pl.UInt32, eager=True).scatter(
        known, pl.int_range(len(known), dtype=pl.UInt32, eager=True)
    )


def _starts(cells: pl.DataFrame, height: int, width: int) -> list[int]:
    """The lines at which frames begin, so that none spans too much."""
    size = cells["text"].str.len_bytes()
    if int(size.sum()) <= TEXT:
        return [*range(0, height, max(1, AREA // width))]
    sizes = cells.select("line", size=size).group_by("line").agg(pl.col("size").sum()).sort("line")["size"].to_list()
    if max(sizes) > MOST:
        raise TooLarge(f"A row of the sheet holds more than {MOST:,} bytes of text.")
    starts, held = [0], 0
    for line, bytes_ in enumerate(sizes):
        held += bytes_
        if (held > TEXT or (line - starts[-1]) * width >= AREA) and line > starts[-1]:
            starts.append(line)
            held = bytes_
    return starts


def _frame(cells: pl.DataFrame, rows: pl.Series, width: int, start: int) -> pl.DataFrame:
    height = len(rows)
    area = cells["place"].cast(pl.UInt64) * height + (cells["line"] - start)
    source = pl.Series([None], dtype=pl.UInt32).new_from_index(0, height * width)
    source = source.scatter(area, pl.int_range(cells.height, dtype=pl.UInt32, eager=True))
    text, kind = cells["text"].gather(source), cells["kind"].gather(source).fill_null(0)
    made = [rows.alias("row")]
    for position in range(width):
        made.append(text.slice(position * height, height).alias(f"t{position}"))
        made.append(kind.slice(position * height, height).alias(f"k{position}"))
    return pl.DataFrame(made)
