"""Who may do what: the one table that decides, as docs/access.md shows it."""

from enum import Enum

from backend.errors import Forbidden
from backend.schemas.users import KeyScope, Role

ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")
"""From the one who may least to the one who may most."""


class Action(Enum):
    """What a call does; each handler names one.

    Told of each: what it is in words, the least role in the workspace that it takes (none where it is about the
    caller alone), and the scope that the key must have.
    """

    READ_ACCOUNT = "see one's own account and keys", None, "read"
    CHANGE_ACCOUNT = "issue, rotate and revoke one's own keys", None, "write"
    ADD_WORKSPACES = "make or import a workspace", None, "write"

    READ_WORKSPACE = "see a workspace and its members", "viewer", "read"
    EXPORT_WORKSPACE = "export a workspace", "viewer", "read"
    CHOOSE_DEFAULT = "make a workspace one's default", "viewer", "write"
    LEAVE_WORKSPACE = "leave a workspace", "viewer", "write"
    CHANGE_MEMBERS = "add and remove members, change their roles", "owner", "write"
    CHANGE_WORKSPACE = "rename, describe, delete and undelete a workspace", "owner", "write"

    READ_DATASETS = "list, read, query and export datasets, follow imports", "viewer", "read"
    DELETE_OWN_EXPORTS = "delete one's own prepared exports", "viewer", "write"
    DELETE_EXPORTS = "delete others' prepared exports", "editor", "write"
    WRITE_RECORDS = "write records, by hand or from a file", "editor", "write"
    CHANGE_DATASETS = "make, describe, reshape, tag, restore, delete and undelete datasets", "editor", "write"

    def __init__(self, words: str, role: Role | None, key: KeyScope) -> None:
        self.words = words
        self.roles = ROLES if role is None else ROLES[ROLES.index(role) :]
        self.in_workspace = role is not None
        self.key_scopes: tuple[KeyScope, ...] = ("write",) if key == "write" else ("read", "write")

    @property
    def writes(self) -> bool:
        return "read" not in self.key_scopes


def permit(action: Action, role: Role) -> None:
    """Raises Forbidden for a role that the table does not let do it."""
    if role not in action.roles:
        takes = " or ".join(action.roles)
        raise Forbidden(f"You are {_WITH_ARTICLE[role]} of this workspace; to {action.words} takes an {takes}.")


_WITH_ARTICLE: dict[Role, str] = {"viewer": "a viewer", "editor": "an editor", "owner": "an owner"}
