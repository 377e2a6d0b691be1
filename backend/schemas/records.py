"""Records as they go over the wire. `data` is JSON text straight from the database."""

from typing import Literal

from msgspec import Raw, Struct


class Record(Struct, frozen=True):
    """`id` is stable for the dataset's life; `version` is the dataset version that last changed the record."""

    id: int
    version: int
    data: Raw


class RecordPage(Struct, frozen=True, omit_defaults=True):
    data: list[Record]
    count: int
    has_more: bool
    next: str | None
    version: int
    execution_time_ms: float
    total: int | None = None
    total_is: Literal["at_least"] | None = None


class RecordCount(Struct, frozen=True):
    count: int
    version: int


class Written(Struct, frozen=True):
    """What a write of several records answers."""

    data: list[Record]
    count: int
    version: int
