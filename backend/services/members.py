"""Members of workspaces and their roles; whoever changes them holds the workspace's lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from backend.errors import LastOwner, LimitExceeded, MemberNotFound, UserNotFound, WorkspaceNotFound
from backend.repositories import imports, lookup, members, workspaces
from backend.repositories.database import Database, Tx
from backend.schemas.access import Action, permit
from backend.schemas.callers import Caller
from backend.schemas.users import Membership, Role
from backend.schemas.workspaces import Member, MemberList
from backend.services.identifiers import uuid7, workspace_slug

MOST_WORKSPACES = 1_000
"""Of a user: so many of their own, and so many that others added them to, which so take no room from them."""
Forgotten = Callable[[], Awaitable[None]]
"""Returns when what was committed holds for every worker, see `UserService.forgotten_everywhere`."""


class MemberService:
    def __init__(self, database: Database, forgotten: Forgotten) -> None:
        self._database = database
        self._forgotten = forgotten

    async def list_page(self, caller: Caller, ref: str, *, limit: int, offset: int) -> MemberList:
        """The oldest members first. Raises WorkspaceNotFound."""
        scope = lookup.workspace(caller, ref)
        async with self._database.read() as tx:
            found, total = await members.list_page(tx, scope.id, limit=limit, offset=offset)
        return MemberList(tuple(found), total, offset + len(found) < total)

    async def put(self, caller: Caller, ref: str, user: str, role: Role) -> tuple[Member, bool]:
        """The member with this role from now on, and whether they are new.

        Raises WorkspaceNotFound, UserNotFound, LastOwner, LimitExceeded, and Forbidden for who is no owner.
        """
        scope = lookup.workspace(caller, ref)
        user_id = _user_id(caller, user)
        async with self._database.publishing() as tx:
            await workspaces.lock(tx, scope)
            permit(caller.action, (await _member(tx, scope.id, caller.user_id)).role)
            was = user_id and await members.find(tx, scope.id, user_id)
            if user_id is None or not (was or await members.is_user(tx, user_id)):
                raise UserNotFound
            if not was:
                await make_room(tx, user_id, invited=True)
                await members.add(tx, scope.id, user_id, role, invited=True)
            elif was.role != role:
                await _keep_an_owner(tx, scope.id, was)
                await members.change(tx, scope.id, user_id, role)
            if role == "viewer":
                await imports.stop(tx, scope.id, user_id)
            member = await _member(tx, scope.id, user_id)
        await self._forgotten()
        return member, was is None

    async def remove(self, caller: Caller, ref: str, user: str) -> None:
        """Raises WorkspaceNotFound, MemberNotFound, LastOwner, and Forbidden where it is neither oneself nor an owner's
        to do.
        """
        scope = lookup.workspace(caller, ref)
        user_id = _user_id(caller, user)
        async with self._database.publishing() as tx:
            await workspaces.lock(tx, scope)
            own = await _member(tx, scope.id, caller.user_id)
            if user_id != caller.user_id:
                permit(Action.CHANGE_MEMBERS, own.role)
            was = user_id and await members.find(tx, scope.id, user_id)
            if not was:
                raise MemberNotFound
            await _keep_an_owner(tx, scope.id, was)
            await members.lock_users(tx, [was.id])
            await members.remove(tx, scope.id, was.id)
            await imports.stop(tx, scope.id, was.id)
            await find_defaults(tx, [was.id])
        await self._forgotten()


async def make_room(tx: Tx, user_id: UUID, *, invited: bool = False) -> None:
    """Until the transaction ends, the user gets no workspace but from it; `invited`: by somebody else.

    Raises LimitExceeded.
    """
    await members.lock_users(tx, [user_id])
    if await members.count_of(tx, user_id, invited=invited) >= MOST_WORKSPACES:
        kind = "that others added them to" if invited else "of their own"
        raise LimitExceeded(f"A user has at most {MOST_WORKSPACES:,} workspaces {kind}.")


async def find_defaults(tx: Tx, user_ids: Sequence[UUID]) -> None:
    """Whoever of these users has no default workspace gets their next one, or a new one. They are locked."""
    for user_id, name in await members.next_defaults(tx, user_ids):
        await add_own(tx, user_id, name)


async def add_own(tx: Tx, user_id: UUID, name: str) -> Membership:
    """The default workspace of a user who has none."""
    own = Membership(uuid7(), workspace_slug(name), name, "owner")
    await workspaces.add(tx, own.id, own.slug, own.name)
    await members.add(tx, own.id, user_id, own.role, default=True)
    return own


async def _member(tx: Tx, workspace_id: UUID, user_id: UUID) -> Member:
    """As it is now that nobody else changes it. Raises WorkspaceNotFound for who was removed meanwhile."""
    found = await members.find(tx, workspace_id, user_id)
    if found is None:
        raise WorkspaceNotFound
    return found


async def _keep_an_owner(tx: Tx, workspace_id: UUID, leaving: Member) -> None:
    """Raises LastOwner when nobody else could look after the workspace."""
    if leaving.role == "owner" and not await members.owners(tx, workspace_id) - {leaving.id}:
        raise LastOwner


def _user_id(caller: Caller, user: str) -> UUID | None:
    return caller.user_id if user == "me" else lookup.as_uuid(user)
