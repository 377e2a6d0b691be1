"""What a reader hands on: a slice of a table as text, with where each row came from."""

from enum import IntEnum

import polars as pl
from msgspec import Struct


class Kind(IntEnum):
    """What a workbook says a cell is."""

    EMPTY = 0
    TEXT = 1
    NUMBER = 2
    BOOLEAN = 3
    DATE = 4
    DATETIME = 5
    TIME = 6
    ERROR = 7


class Batch(Struct, frozen=True):
    """Consecutive records of one table.

    `frame`: one `String` column per position, named `"0"`, `"1"`, …; null is a null cell, `""` an empty text.
    `rows`: the line or sheet row of each record as a person counts, from 1 (`UInt32`).
    `kinds`: workbooks only, a `Kind` for each cell of `frame` (`UInt8`, same names).
    """

    frame: pl.DataFrame
    rows: pl.Series
    kinds: pl.DataFrame | None = None
