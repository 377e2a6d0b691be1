"""JSON: records as objects by column name, in the columns' order, each on its line.

PostgreSQL writes the lines, which pass as they come.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers.base import Limits, Rows, Table


class JsonWriter(Struct, frozen=True):
    """Lines as they are, or in one array of all records."""

    media_type: str
    extension: str
    array: bool
    options: frozenset[str] = frozenset()
    limits: Limits | None = None

    def delimiter(self, options: ExportOptions) -> None:
        """Lines of JSON are wanted."""

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """None: texts are written as they are."""
        return ()

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """A chunk for each list of records; of an array the bracket at once."""
        return _array(rows) if self.array else (b"".join(some) for some in rows)


def _array(rows: Rows) -> Iterator[bytes]:
    yield b"["
    before = b"\n"
    for some in rows:
        if some:
            yield before + b"".join(some)[:-1].replace(b"\n", b",\n")
            before = b",\n"
    yield b"\n]\n"


JSON = JsonWriter("application/json", "json", array=True)
NDJSON = JsonWriter("application/x-ndjson", "ndjson", array=False)
