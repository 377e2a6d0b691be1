"""Records as they go over the wire. `data` is JSON text straight from the database."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import UNSET, Raw, Struct, UnsetType

from backend.schemas.problems import ErrorItem


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


class Image(Struct, frozen=True):
    """What a record was from `version` on, until before `until` (null: to this day), and who wrote it."""

    version: int
    until: int | None
    created_at: datetime
    author: UUID
    operation: str
    data: Raw


class RecordHistory(Struct, frozen=True):
    """A record's images, the oldest first."""

    data: list[Image]
    total: int
    has_more: bool


class RecordCount(Struct, frozen=True, omit_defaults=True):
    """`total_is`: `at_least` where counting stopped at `count`."""

    count: int
    version: int
    total_is: Literal["at_least"] | None = None


class Written(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a write of several records answers; in a dry run what it would. `data`: where it is asked for."""

    data: list[Record] | UnsetType = UNSET
    count: int
    added: int
    version: int
    dry_run: bool = False


class Appended(Struct, frozen=True, omit_defaults=True):
    """What came of more records than are answered one by one: their ids go from `first_id` to `last_id`.

    In a dry run `version` is the one that they would make.
    """

    count: int
    added: int
    version: int
    first_id: int | None
    last_id: int | None
    dry_run: bool = False


class Changed(Struct, frozen=True, omit_defaults=True):
    """What a write of many records did, or would do in a dry run: then `version` is the one that it would make.

    `data`: the new images of created and changed records, where they are asked for. `errors`: what a partial write
    left out.
    """

    version: int
    added: int
    changed: int
    removed: int
    unchanged: int
    data: list[Record] | UnsetType = UNSET
    errors: tuple[ErrorItem, ...] = ()
    dry_run: bool = False
