"""Versions as they go over the wire."""

from datetime import datetime
from uuid import UUID

from msgspec import Raw, Struct


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
