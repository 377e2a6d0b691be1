"""Merged cells: the value of the first one in all of them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from backend.errors import TooLarge
from backend.sheets.raw import Area
from backend.sheets.values import CELLS

MOST = 16_000_000
"""Cells that one slice of a sheet may be filled up by."""
_EDGES = {"top": pl.UInt32, "left": pl.UInt32, "bottom": pl.UInt32, "right": pl.UInt32}


class Fill:
    """Fills the merged areas of one sheet, slice by slice from its top."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self._areas = pl.DataFrame(areas, schema=_EDGES, orient="row")
        self._open = pl.DataFrame(schema={**_EDGES, "text": pl.String, "kind": pl.UInt8})

    def apply(self, rows: pl.Series, cells: pl.DataFrame) -> pl.DataFrame:
        """`cells` with those that merged areas cover, in `rows` that hold something already.

        Both as `Values.resolve` gives them. Raises TooLarge where the areas cover too much.
        """
        if self._areas.is_empty() or rows.is_empty():
            return cells
        anchors = self._areas.join(
            cells.select("row", "column", "text", "kind"), left_on=["top", "left"], right_on=["row", "column"]
        )
        self._open = pl.concat([self._open.filter(pl.col("bottom") >= rows.min()), anchors])
        lines = pl.DataFrame({"row": rows}).with_row_index("line")
        covered = self._open.join_where(lines, pl.col("row") >= pl.col("top"), pl.col("row") <= pl.col("bottom"))
        if int(covered.select((pl.col("right") - pl.col("left") + 1).cast(pl.UInt64).sum()).item()) > MOST:
            raise TooLarge(f"The merged areas of the sheet cover more than {MOST:,} cells; import without fill_merged.")
        across = covered.with_columns(column=pl.int_ranges("left", pl.col("right") + 1, dtype=pl.UInt32))
        return pl.concat([across.explode("column").select(*CELLS), cells])
