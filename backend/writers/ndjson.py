"""JSON, a record a line: PostgreSQL writes the lines, which pass as they come."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers.base import Limits, Rows, Table


class NdjsonWriter(Struct, frozen=True):
    """Records as objects by column name, in the columns' order, each on its line."""

    media_type: str = "application/x-ndjson"
    extension: str = "ndjson"
    options: frozenset[str] = frozenset()
    limits: Limits | None = None

    def delimiter(self, options: ExportOptions) -> None:
        """Lines of JSON are wanted."""

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """None: texts are written as they are."""
        return ()

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """A chunk for each list of records."""
        for some in rows:
            yield b"".join(some)


NDJSON = NdjsonWriter()
