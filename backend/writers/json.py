"""JSON: one array of all records."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers.base import Limits, Rows, Table


class JsonWriter(Struct, frozen=True):
    """An array of objects by column name, in the columns' order, each on a line of its own."""

    media_type: str = "application/json"
    extension: str = "json"
    options: frozenset[str] = frozenset()
    limits: Limits | None = None

    def delimiter(self, options: ExportOptions) -> None:
        """Lines of JSON are wanted."""

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """None: texts are written as they are."""
        return ()

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """The bracket at once, then a chunk for each list of records."""
        yield b"["
        before = b"\n"
        for some in rows:
            if some:
                yield before + b"".join(some)[:-1].replace(b"\n", b",\n")
                before = b",\n"
        yield b"\n]\n"


JSON = JsonWriter()
