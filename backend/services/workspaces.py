"""Workspaces: list, read, make, change, choose as default, delete, undelete; and the end of deleted ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from msgspec import UNSET

from backend.errors import AppError, Conflict, InvalidName, PreconditionFailed, WorkspaceNotFound, WorkspaceSlugTaken
from backend.query.text import shown
from backend.repositories import datasets, imports, lookup, members, own_workspaces, stores, workspaces
from backend.repositories.database import Database, Tx
from backend.repositories.holding import writes_to
from backend.schemas.access import permit
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.problems import ErrorItem
from backend.schemas.workspaces import WorkspaceCreate, WorkspaceHead, WorkspaceList, WorkspacePatch
from backend.services.identifiers import RESERVED_SLUGS, check_name, slugify, uuid7, workspace_slug
from backend.services.members import Forgotten, find_defaults, make_room
from backend.services.preconditions import matches

log = structlog.get_logger()
_STEP = 50
"""Datasets of a deleted workspace that one transaction removes."""


class WorkspaceService:
    def __init__(self, database: Database, forgotten: Forgotten, *, grace: timedelta) -> None:
        """`grace`: how long a deleted workspace can be restored."""
        self._database = database
        self._forgotten = forgotten
        self._grace = grace

    async def list_page(self, caller: Caller, *, limit: int, offset: int) -> WorkspaceList:
        """The caller's workspaces, the default one first."""
        async with self._database.read() as tx:
            found, total = await own_workspaces.list_page(tx, caller.user_id, limit=limit, offset=offset)
        return WorkspaceList(tuple(found), total, offset + len(found) < total)

    async def get(self, caller: Caller, ref: str) -> WorkspaceHead:
        """Raises WorkspaceNotFound."""
        scope = lookup.workspace(caller, ref)
        async with self._database.read() as tx:
            return await _head(tx, caller, scope.id)

    async def create(self, caller: Caller, wanted: WorkspaceCreate) -> WorkspaceHead:
        """An empty workspace of the caller's own. Raises InvalidName, WorkspaceSlugTaken, LimitExceeded."""
        name, workspace_id = check_name(wanted.name), uuid7()
        async with self._database.publishing() as tx:
            slug = await free_slug(tx, caller, wanted.slug, name)
            await workspaces.add(tx, workspace_id, slug, name, wanted.description)
            await members.add(tx, workspace_id, caller.user_id, "owner")
            made = await _head(tx, caller, workspace_id)
        await self._forgotten()
        return made

    async def patch(self, caller: Caller, ref: str, changes: WorkspacePatch, *, if_match: str | None) -> WorkspaceHead:
        """Renames, describes. Raises InvalidName, WorkspaceSlugTaken, WorkspaceNotFound, PreconditionFailed."""
        scope = lookup.workspace(caller, ref)
        async with self._database.publishing() as tx:
            await workspaces.lock(tx, scope)
            head = await _own(tx, caller, scope.id, if_match)
            values: dict[str, object] = {}
            if changes.name is not UNSET:
                values["name"] = check_name(changes.name)
            if changes.slug is not UNSET:
                await members.lock_users(tx, [caller.user_id])
                values["slug"] = _check_slug(changes.slug, await own_workspaces.slugs(tx, caller.user_id), scope.id)
            if changes.description is not UNSET:
                values["description"] = changes.description
            if any(getattr(head.workspace, name) != value for name, value in values.items()):
                await workspaces.patch(tx, scope, {**values, "updated_at": datetime.now(UTC)})
                head = await _head(tx, caller, scope.id)
        if not values.keys().isdisjoint({"name", "slug"}):
            await self._forgotten()
        return head

    async def choose(self, caller: Caller, ref: str) -> WorkspaceHead:
        """Makes a workspace the caller's default one. Raises WorkspaceNotFound."""
        scope = lookup.workspace(caller, ref)
        async with self._database.publishing() as tx:
            await workspaces.lock(tx, scope)
            await members.lock_users(tx, [caller.user_id])
            head = await _head(tx, caller, scope.id)
            if not head.workspace.is_default:
                await members.choose_default(tx, scope.id, caller.user_id)
                head = await _head(tx, caller, scope.id)
        await self._forgotten()
        return head

    async def delete(self, caller: Caller, ref: str, *, if_match: str | None) -> None:
        """Nobody reaches the workspace or anything in it from now on; it can be restored for a grace time.

        Writes that have begun are waited for, imports are cancelled. Raises WorkspaceNotFound, PreconditionFailed.
        """
        scope = lookup.workspace(caller, ref)
        async with self._database.publishing() as tx:
            await workspaces.lock_datasets(tx, scope)
            await workspaces.lock(tx, scope)
            await _own(tx, caller, scope.id, if_match)
            user_ids = await members.list_ids(tx, scope.id)
            await members.lock_users(tx, user_ids)
            await workspaces.delete(tx, scope, datetime.now(UTC))
            await members.nobodys_default(tx, scope.id)
            await find_defaults(tx, user_ids)
            await imports.cancel_all(tx, scope.id)
        await self._forgotten()

    async def undelete(self, caller: Caller, ref: str) -> WorkspaceHead:
        """Brings a deleted workspace back, by its id or the slug that it had.

        Raises WorkspaceNotFound, also for one that is not deleted, Conflict for a slug that several had, LimitExceeded.
        """
        now = datetime.now(UTC)
        async with self._database.publishing() as tx:
            named = lookup.as_uuid(ref) or ref
            scope, deleted_at = _only(
                caller, ref, await own_workspaces.find_deleted(tx, caller.user_id, named, now - self._grace)
            )
            writes_to(scope.id)
            await make_room(tx, caller.user_id, invited=scope.invited)
            slug = workspace_slug(scope.slug, (await own_workspaces.slugs(tx, caller.user_id)).values())
            await workspaces.restore(tx, scope, deleted_at, slug, now)
            head = await _head(tx, caller, scope.id)
        await self._forgotten()
        return head

    async def sweep(self) -> None:
        """Removes for good what was deleted longer ago than the grace time."""
        before = datetime.now(UTC) - self._grace
        async with self._database.read() as tx:
            expired = await workspaces.list_expired(tx, before)
        for scope in expired:
            try:
                await self._remove(scope, before)
            except AppError as error:
                log.warning("workspace_not_removed", workspace=str(scope.id), error=str(error))

    async def _remove(self, scope: WorkspaceScope, before: datetime) -> None:
        """In steps, each whole: whoever comes after one that was killed goes on. Nobody can undelete it once the first
        is done, which leaves it without members.
        """
        async with self._database.transaction() as tx:
            if not await workspaces.claim_expired(tx, scope, before):
                return
            await members.remove_all(tx, scope.id)
        while scope.has_schema:
            async with self._database.transaction() as tx:
                if not await workspaces.claim_expired(tx, scope, before):
                    return
                some = await datasets.list_some(tx, scope, _STEP)
                for dataset_id in some:
                    await stores.drop_all(tx, scope, dataset_id)
                    await datasets.remove(tx, scope, dataset_id)
            if len(some) < _STEP:
                break
        async with self._database.transaction() as tx:
            if await workspaces.claim_expired(tx, scope, before):
                await workspaces.remove(tx, scope)


async def free_slug(tx: Tx, caller: Caller, wanted: str | None, name: str) -> str:
    """The slug of a new workspace of the caller's, the one that is `wanted` or one made of the name.

    No other one gets it until the transaction ends. Raises InvalidName, WorkspaceSlugTaken, LimitExceeded.
    """
    await make_room(tx, caller.user_id)
    taken = await own_workspaces.slugs(tx, caller.user_id)
    if wanted is not None:
        return _check_slug(wanted, taken)
    return workspace_slug(name, taken.values())


async def _head(tx: Tx, caller: Caller, workspace_id: UUID) -> WorkspaceHead:
    """Raises WorkspaceNotFound where it was deleted, or the caller is no member any more."""
    head = await own_workspaces.find(tx, caller.user_id, workspace_id)
    if head is None:
        raise WorkspaceNotFound
    return head


async def _own(tx: Tx, caller: Caller, workspace_id: UUID, if_match: str | None) -> WorkspaceHead:
    """A workspace that is locked, as its owner is about to change it.

    Raises WorkspaceNotFound, Forbidden for who was demoted meanwhile, PreconditionFailed.
    """
    head = await _head(tx, caller, workspace_id)
    permit(caller.action, head.workspace.role)
    if if_match is not None and not matches(re.sub(r'\.[0-9a-f]+"', '"', if_match), f'"{head.revision}"', weak=False):
        raise PreconditionFailed(headers={"ETag": head.etag})
    return head


def _only(
    caller: Caller, ref: str, found: Sequence[tuple[WorkspaceScope, datetime]]
) -> tuple[WorkspaceScope, datetime]:
    """The deleted workspace that is meant.

    Raises Conflict where it may be several, WorkspaceNotFound where it is none, and Forbidden where the caller is a
    member of one that is there, and no owner.
    """
    if not found:
        lookup.workspace(caller, ref)
        raise WorkspaceNotFound
    if len(found) > 1:
        ids = ", ".join(str(scope.id) for scope, _ in found)
        raise Conflict(f"Several deleted workspaces were called {shown(ref)}; name the one you mean by its id: {ids}.")
    return found[0]


def _check_slug(slug: str, taken: Mapping[UUID, str], own: UUID | None = None) -> str:
    """Raises InvalidName, WorkspaceSlugTaken."""
    if not slug or slugify(slug) != slug or slug in RESERVED_SLUGS:
        reason = f"A slug is of lower-case letters and digits joined by single hyphens, not {shown(slug)}."
        if slug in RESERVED_SLUGS:
            reason = f"{shown(slug)} stands for a call of its own and can be no workspace's slug."
        raise InvalidName(reason, errors=[ErrorItem(reason, pointer="/slug", code="INVALID_VALUE")])
    if any(slug == each for workspace_id, each in taken.items() if workspace_id != own):
        raise WorkspaceSlugTaken
    return slug
