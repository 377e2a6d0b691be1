"""A dataset's columns as they are at one version."""

from typing import Literal

from msgspec import Struct

RECORD_ID = "__id"
"""What a query calls the record's own id; no column can be called so."""
LAST_ID = 2**53 - 1
"""The largest id of a record: every client's JSON holds it exactly."""

ColumnType = Literal["integer", "number", "boolean", "date", "datetime", "time", "text", "json"]


class Column(Struct, frozen=True, cache_hash=True):
    """One column: the immutable key its values are stored under, and what it is called and means at a version.

    `format` is the word for true as the file wrote it (boolean; None: `true`) or the shape of a date, datetime
    or time: its digits as `0`, its zone suffix verbatim (`0000-00-00T00:00:00Z`).
    """

    key: str
    name: str
    type: ColumnType
    format: str | None = None
    nullable: bool = True
    description: str | None = None
