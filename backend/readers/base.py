"""What every reader offers: one opened table, handed on in batches of text columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from backend.inference.batch import Batch
from backend.schemas.imports import SheetInfo, Warnings


class ReadLimits(Struct, frozen=True):
    """How much a file may ask of us; going past one is an error that names it."""

    max_line: int = 64 * 2**20
    """Longest line of a delimited file, or record of JSON, in bytes."""
    max_cell: int = 32 * 2**20
    """Longest cell, in bytes."""
    max_columns: int = 16_384
    """Most columns of a table."""
    max_rows: int = 50_000_000
    """Most records of a table."""
    workbook_memory: int = 2 * 2**30
    """Memory that reading one workbook or Parquet file may take, in bytes."""
    workbook_seconds: int = 300
    """Time that reading one workbook, or a part of a Parquet file, may take."""
    max_inflated: int = 10 * 2**30
    """Largest file inside a gzip or ZIP file, in bytes."""
    folder: Path | None = None
    """Where such a file is unpacked to; the system's folder of temporary files if it is left out."""


class Source(Protocol):
    """One table of an uploaded file, opened and recognised.

    `names` are the column names after the header rules; the list may grow while batches are read, when records
    are longer than the header. A batch is as wide as the names known when it was made. `header_row` is the line
    or sheet row of the header as a person counts, from 1; None without one.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    quote: str | None
    sheet: str | None
    header_row: int | None
    names: list[str]
    warnings: Warnings
    sheets: tuple[SheetInfo, ...]
    """Every sheet of a workbook; none of other files."""

    @property
    def share(self) -> float:
        """How much of the file the current pass has read, from 0 to 1."""
        ...

    def batches(self) -> Iterator[Batch]:
        """Blocking generator over the whole table in bounded memory; each call starts again from the top.

        Raises UnreadableFile where the file is damaged beyond reading, LimitExceeded past a limit.
        """
        ...

    def close(self) -> None:
        """Let go of what was opened; the file itself belongs to the caller."""
        ...
