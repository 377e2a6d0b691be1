"""Workspaces and their members, as they go over the wire."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from backend.schemas.datasets import Description
from backend.schemas.users import Role


class Workspace(Struct, frozen=True):
    """A workspace as one of its members sees it.

    `role`, `is_default`: the caller's. `rows`, `bytes`: of its datasets, live records and size on disk.
    """

    id: UUID
    slug: str
    name: str
    description: str | None
    role: Role
    is_default: bool
    datasets: int
    rows: int
    bytes: int
    members: int
    created_at: datetime
    updated_at: datetime


class WorkspaceHead(Struct, frozen=True):
    """A workspace with the number of its changes."""

    workspace: Workspace
    revision: int

    @property
    def etag(self) -> str:
        """Its revision, by which alone a write is checked, and a digest of all that is told, for who reads again."""
        digest = blake2b(msgspec.json.encode(self.workspace), digest_size=9).hexdigest()
        return f'"{self.revision}.{digest}"'


class WorkspaceList(Struct, frozen=True):
    data: tuple[Workspace, ...]
    total: int
    has_more: bool


class WorkspaceCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """Without `slug` it is made of the name."""

    name: str
    slug: str | None = None
    description: Description | None = None


class WorkspacePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Absent leaves a field alone; a null description clears it. A new name leaves the slug as it is."""

    name: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


class MemberPut(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class Member(Struct, frozen=True):
    """A user in a workspace; `created_at`: since when."""

    id: UUID
    name: str
    role: Role
    created_at: datetime


class MemberList(Struct, frozen=True):
    data: tuple[Member, ...]
    total: int
    has_more: bool
