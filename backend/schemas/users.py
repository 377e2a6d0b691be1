"""Users, their keys and their workspaces, as they go over the wire."""

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""What an API key looks like, whoever made it up."""
KeyScope = Literal["read", "write"]
KeyOrigin = Literal["issued", "bootstrap", "presented"]
"""Where a key comes from: this service, its configuration, or whoever was the first to send it."""
Role = Literal["owner", "editor", "viewer"]
PersonName = Annotated[str, Meta(min_length=1, max_length=200)]


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
    """An API key without its secret; `current`: the one that the request came with."""

    id: UUID
    name: str | None
    scope: KeyScope
    created_at: datetime
    expires_at: datetime | None
    current: bool


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


class Account(Struct, frozen=True):
    """A user as the operator sees them; `keys`: how many are neither revoked nor expired."""

    id: UUID
    name: str
    created_at: datetime
    disabled_at: datetime | None
    keys: int


class AccountKey(Struct, frozen=True):
    """A key that is not revoked, as the operator sees it."""

    id: UUID
    user_id: UUID
    user_name: str
    name: str | None
    scope: KeyScope
    origin: KeyOrigin
    created_at: datetime
    expires_at: datetime | None
