"""Parquet: typed columns in row groups, as a stream of constant memory."""

from collections.abc import Iterator, Sequence
from io import BytesIO

import polars as pl
from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers.base import Limits, Rows, Table
from backend.writers.frames import beside, joined, made, parsed
from backend.writers.parquet.footer import MAGIC, Footer
from backend.writers.parquet.types import needs_extent, recipe, typed

_DELIMITER = ","


class ParquetWriter(Struct, frozen=True):
    """Records in row groups of some `group_bytes` of text, half of that in wide tables, and `group_rows` at most.

    What a wide table's records unpack to takes twice the memory.
    """

    media_type: str = "application/vnd.apache.parquet"
    extension: str = "parquet"
    options: frozenset[str] = frozenset()
    limits: Limits | None = None
    group_bytes: int = 8 << 20
    group_rows: int = 1 << 18

    def delimiter(self, options: ExportOptions) -> str:
        """COPY's own."""
        return _DELIMITER

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """Numbers, and the datetimes that some timestamps could not hold."""
        return [column for column in columns if needs_extent(column)]

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """The file in chunks: a row group each, and what leads to them at the end."""
        recipes = [recipe(column, table.extents.get(column.key)) for column in table.columns]
        names = [column.name for column in table.columns]

        def render(raw: bytes) -> bytes:
            frame = made(parsed(raw, table, _DELIMITER), recipes, typed) if raw else empty
            frame.columns = names
            file = BytesIO()
            frame.write_parquet(file, row_group_size=self.group_rows)
            return file.getvalue()

        nothing = pl.Series([], dtype=pl.String)
        empty = pl.DataFrame({name: typed(nothing, each) for name, each in zip(names, recipes, strict=True)})
        footer = Footer([column.name for column in table.columns if column.type == "json"])
        yield MAGIC
        footer.add(render(b""))
        size = self.group_bytes // 2 if table.wide else self.group_bytes
        for file in beside(render, joined(rows, size), ahead=1):
            yield footer.add(file)
        yield footer.finish()


PARQUET = ParquetWriter()
