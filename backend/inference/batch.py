"""What a reader hands on: a slice of a table as text, with where each row came from."""

from __future__ import annotations

import polars as pl
from msgspec import Struct, structs

from backend.schemas.kinds import Kind

__all__ = ["Batch", "Kind"]


class Batch(Struct, frozen=True):
    """Consecutive records of one table.

    `frame`: one `String` column per position, named `"0"`, `"1"`, …; null is a null cell, `""` an empty text.
    `rows`: the line or sheet row of each record as a person counts, from 1 (`UInt32`).
    `kinds`: where the file tells, a `Kind` for each cell of `frame` (`UInt8`, same names).
    `nested`: whether a column of several kinds can be `json`; otherwise it is text.
    `sheet` and `letters`: of a workbook, the sheet's name and the letters of its columns by position.
    """

    frame: pl.DataFrame
    rows: pl.Series
    kinds: pl.DataFrame | None = None
    nested: bool = False
    sheet: str | None = None
    letters: tuple[str, ...] = ()

    def cell(self, row: int, position: int) -> str | None:
        """What a person calls a cell of a workbook, `Sales!C4812`; None elsewhere."""
        return None if self.sheet is None else f"{self.sheet}!{self.letters[position]}{row}"

    def filter(self, kept: pl.Series) -> Batch:
        """The rows where a mask is true."""
        kinds = None if self.kinds is None else self.kinds.filter(kept)
        return structs.replace(self, frame=self.frame.filter(kept), rows=self.rows.filter(kept), kinds=kinds)
