"""What every export format offers, and what it is given."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions, Extent

Rows = Iterable[Sequence[bytes]]
"""Records in lists of any length, each record as one message of `COPY … TO STDOUT (FORMAT csv)`, its LF included.

Null is an unquoted empty field, empty text `""`. A wide table's record is one field, a JSON array of its texts and
nulls. The header is not among them. The iterator may block.

For a writer without a delimiter: each record as a JSON object by column name, its LF the only bare one in it.
"""


class Table(Struct, frozen=True):
    """What is about to be written: `rows` is the exact number of records that will come.

    `extents`: by column key, of the columns that are measured.
    """

    title: str
    columns: tuple[Column, ...]
    rows: int
    wide: bool = False
    extents: Mapping[str, Extent] = {}


class Limits(Struct, frozen=True):
    """What one file of a format can hold. The caller refuses what goes beyond before the first byte is sent."""

    columns: int
    cell: int
    """Longest cell, in UTF-16 code units: a character beyond U+FFFF counts twice."""


class Writer(Protocol):
    """One export format.

    `options`: the names in `ExportOptions` that it takes beside those that all take; `limits`: None where a file can
    hold anything.
    """

    @property
    def media_type(self) -> str: ...
    @property
    def extension(self) -> str: ...
    @property
    def options(self) -> frozenset[str]: ...
    @property
    def limits(self) -> Limits | None: ...

    def delimiter(self, options: ExportOptions) -> str | None:
        """The DELIMITER that COPY must use; NULL, QUOTE and ESCAPE keep their defaults. None: JSON is wanted."""
        ...

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """Those of the columns whose extents must be known before the first byte."""
        ...

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """The file in chunks, in memory that does not grow with it. Blocking: for a thread."""
        ...
