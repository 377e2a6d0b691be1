"""What a reader hands on: a slice of a table as text, with where each row came from."""

import polars as pl
from msgspec import Struct

from backend.schemas.kinds import Kind

__all__ = ["Batch", "Kind"]


class Batch(Struct, frozen=True):
    """Consecutive records of one table.

    `frame`: one `String` column per position, named `"0"`, `"1"`, …; null is a null cell, `""` an empty text.
    `rows`: the line or sheet row of each record as a person counts, from 1 (`UInt32`).
    `kinds`: where the file tells, a `Kind` for each cell of `frame` (`UInt8`, same names).
    `nested`: whether a column of several kinds can be `json`; otherwise it is text.
    """

    frame: pl.DataFrame
    rows: pl.Series
    kinds: pl.DataFrame | None = None
    nested: bool = False
