"""Who is calling, and the part of the database that a call may touch."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from backend.schemas.access import Action
from backend.schemas.users import KeyScope, Role


class WorkspaceScope(Struct, frozen=True, cache_hash=True):
    """One workspace: what every repository method is bound to.

    `has_schema` is false until the workspace holds its first dataset. `invited`: somebody else made the caller a
    member.
    """

    id: UUID
    slug: str
    name: str
    role: Role
    has_schema: bool
    invited: bool = False

    @property
    def schema(self) -> str:
        """The PostgreSQL schema that holds the workspace's datasets."""
        return f"ws_{self.id.hex}"


class Caller(Struct, frozen=True):
    """The owner of the key that came with a request; `workspaces` has the default one first.

    `action`: what the call does, and so which role it takes in the workspace that it touches.
    """

    user_id: UUID
    user_name: str
    key_id: UUID
    key_scope: KeyScope
    workspaces: tuple[WorkspaceScope, ...]
    key_expires_at: datetime | None = None
    key_hash: bytes = b""
    action: Action = Action.READ_ACCOUNT
