"""The files that are measured with: made from row numbers alone, so the same on every machine and in every run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

CHUNK = 100_000
ORDERS = {
    "order_id": "integer",
    "customer": "text",
    "zip": "text",
    "city": "text",
    "amount": "number",
    "quantity": "integer",
    "status": "text",
    "paid": "boolean",
    "ordered_on": "date",
    "updated_at": "datetime",
}
"""Columns of the orders file and the type that each one has."""
WIDE_COLUMNS = 300

_CITIES = ["Bonn", "Köln", "Paris", "Lyon, FR", "Oslo", "Rome", "São Paulo", "Kyiv"]
_STATUS = ["new", "paid", "shipped", "lost"]
_COLORS = ["red", "green", "blue", None]
_EPOCH = dt.datetime(2025, 1, 1)  # noqa: DTZ001  the Z is spelled out in the file

Rows = Callable[[int, int], pl.DataFrame]


def orders(first: int, count: int) -> pl.DataFrame:
    """Rows `first` (from 0) and following of the orders file, every column as its text in the file."""
    random = np.random.default_rng(first)
    moments = pl.lit(_EPOCH) + pl.duration(seconds=pl.lit(random.integers(0, 365 * 86_400, count)))
    return pl.select(
        order_id=pl.int_range(first + 1, first + count + 1, dtype=pl.Int64).cast(pl.String),
        customer=pl.format("customer {}", pl.Series(random.integers(1, 100_000, count))),
        zip=pl.Series(random.integers(0, 100_000, count)).cast(pl.String).str.zfill(5),
        city=_picked(random, _CITIES, count),
        amount=_cents(random, 1_000_000, count),
        quantity=pl.Series(random.integers(1, 21, count)).cast(pl.String),
        status=_picked(random, _STATUS, count),
        paid=_picked(random, ["true", "false"], count),
        ordered_on=moments.dt.strftime("%Y-%m-%d"),
        updated_at=(moments + pl.duration(days=3, seconds=7)).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def wide(first: int, count: int, columns: int = WIDE_COLUMNS) -> pl.DataFrame:
    """The same of a file with many columns: whole numbers, decimals, and words of which a quarter is missing."""
    random = np.random.default_rng(first)
    make: list[Callable[[], pl.Series]] = [
        lambda: pl.Series(random.integers(0, 100_000, count)).cast(pl.String),
        lambda: _cents(random, 10_000, count),
        lambda: _picked(random, _COLORS, count),
    ]
    return pl.DataFrame({f"col_{at}": make[at % 3]() for at in range(columns)})


def write_csv(path: Path, rows: Rows, count: int) -> Path:
    """As spreadsheet programs write it: header, CRLF, quotes where a cell needs them. Made once."""
    if not path.exists():
        with path.open("wb") as file:
            for at, frame in enumerate(_frames(rows, count)):
                frame.write_csv(file, include_header=at == 0, line_terminator="\r\n")
    return path


def write_copy_lines(path: Path, count: int) -> Path:
    r"""The orders as COPY takes them into a record table: `id \x02 1 \x02 {json}`. Made once."""
    if not path.exists():
        with path.open("wb") as file:
            for frame in _frames(orders, count):
                frame.select(_line()).write_csv(file, include_header=False, quote_style="never")
    return path


def write_xlsx(path: Path, count: int) -> Path:
    """The orders as a workbook with shared strings and real dates, such as Excel saves. Made once."""
    if not path.exists():
        with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as book:
            sheet = book.add_worksheet("Orders")
            sheet.write_row(0, 0, list(ORDERS))
            styles = {
                "date": book.add_format({"num_format": "yyyy-mm-dd"}),
                "datetime": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            }
            rows = (row for frame in _frames(orders, count) for row in frame.iter_rows())
            for number, row in enumerate(rows, 1):
                write_cells(sheet, number, row, styles)
    return path


def write_cells(sheet: Worksheet, number: int, row: Sequence[str], styles: Mapping[str, Format]) -> None:
    """One record of the orders as typed cells; a moment's zone is left out, since Excel knows none."""
    for at, (text, kind) in enumerate(zip(row, ORDERS.values(), strict=True)):
        if kind in {"integer", "number"}:
            sheet.write_number(number, at, float(text))
        elif kind == "boolean":
            sheet.write_boolean(number, at, text == "true")
        elif kind in styles:
            moment = dt.datetime.fromisoformat(text.removesuffix("Z"))
            sheet.write_datetime(number, at, moment, styles[kind])
        else:
            sheet.write_string(number, at, text)


def _frames(rows: Rows, count: int) -> Iterator[pl.DataFrame]:
    for first in range(0, count, CHUNK):
        yield rows(first, min(CHUNK, count - first))


def _line() -> pl.Expr:
    parts: list[pl.Expr] = [pl.col("order_id")]
    opening = "\x021\x02{"
    for name, kind in ORDERS.items():
        quote = "" if kind in {"integer", "number", "boolean"} else '"'
        parts += [pl.lit(f'{opening}"{name}":{quote}'), pl.col(name), pl.lit(quote)]
        opening = ","
    return pl.concat_str([*parts, pl.lit("}")])


def _picked(random: np.random.Generator, words: Sequence[str | None], count: int) -> pl.Series:
    return pl.Series(words, dtype=pl.String).gather(random.integers(0, len(words), count))


def _cents(random: np.random.Generator, below: int, count: int) -> pl.Series:
    """Amounts with two decimals, trailing zeros kept."""
    digits = pl.Series(random.integers(0, below, count)).cast(pl.String).str.zfill(3)
    return pl.select(pl.concat_str(digits.str.head(-2), pl.lit("."), digits.str.tail(2))).to_series()
