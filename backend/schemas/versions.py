"""Versions as they go over the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Raw, Struct

from backend.schemas.batches import RecordId


class Version(Struct, frozen=True):
    version: int
    created_at: datetime
    author: UUID
    operation: str
    note: str | None
    rows: int
    added: int
    changed: int
    removed: int
    tag: str | None
    source: Raw | None


class VersionList(Struct, frozen=True):
    data: tuple[Version, ...]
    total: int
    has_more: bool


class Change(Struct, frozen=True):
    """What one write does to a dataset, to be published as its next version."""

    operation: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    note: str | None = None
    source: object = None


class Restore(Struct, frozen=True, forbid_unknown_fields=True):
    """To what a dataset, or some of its records, go back: a version's number or tag, or a moment."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    as_of: str | None = None
    ids: Annotated[tuple[RecordId, ...], Meta(min_length=1, max_length=10_000)] | None = None
    note: Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*$")] | None = None


class Tag(Struct, frozen=True, forbid_unknown_fields=True):
    """A version's name: 1 to 100 characters, and not only digits."""

    tag: Annotated[str, Meta(min_length=1, max_length=100)]
