"""Users, their keys and their workspaces, as they go over the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

KeyScope = Literal["read", "write"]
Role = Literal["owner", "editor", "viewer"]
PersonName = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class UserCreate(Struct, frozen=True, forbid_unknown_fields=True):
    name: PersonName


class User(Struct, frozen=True):
    id: UUID
    name: str


class Membership(Struct, frozen=True):
    """A workspace as one of its members sees it."""

    id: UUID
    slug: str
    name: str
    role: Role


class Registered(Struct, frozen=True):
    """A new user; `api_key` is shown this once."""

    user: User
    workspace: Membership
    api_key: str


class Me(Struct, frozen=True):
    """The caller; the default workspace comes first."""

    id: UUID
    name: str
    workspaces: tuple[Membership, ...]


class KeyCreate(Struct, frozen=True, forbid_unknown_fields=True):
    name: PersonName | None = None
    expires_at: datetime | None = None
    scope: KeyScope = "write"


class Key(Struct, frozen=True):
    """An API key without its secret."""

    id: UUID
    name: str | None
    scope: KeyScope
    created_at: datetime
    expires_at: datetime | None


class KeyIssued(Struct, frozen=True):
    """A new key; `api_key` is shown this once."""

    id: UUID
    name: str | None
    scope: KeyScope
    expires_at: datetime | None
    api_key: str


class KeyRotated(Struct, frozen=True):
    api_key: str


class KeyList(Struct, frozen=True):
    data: tuple[Key, ...]
    total: int
    has_more: bool = False
