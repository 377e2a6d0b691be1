"""From what a path says to a dataset at a version, within what the caller may see."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from backend.errors import Conflict, DatasetNotFound, VersionNotFound, WorkspaceNotFound
from backend.query.text import shown
from backend.repositories import datasets, versions, workspaces
from backend.repositories.database import Tx
from backend.repositories.holding import writes_to
from backend.repositories.remembered import Remembered
from backend.schemas.access import permit
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Snapshot

_COLUMNS = 50_000
"""So many columns are remembered, at 100 to 200 bytes each: of 500 versions of 100 columns, say."""
_columns = Remembered[str, tuple[Column, ...]](_COLUMNS)
_found = Remembered[tuple[tuple[WorkspaceScope, ...], str, str | None, str | None], tuple[WorkspaceScope, Snapshot]](
    _COLUMNS
)


def workspace(caller: Caller, ref: str | None) -> WorkspaceScope:
    """The caller's workspace with this id or slug; the default one without.

    Raises WorkspaceNotFound, Forbidden, and Conflict for a slug that several of them have.
    """
    return _permitted(caller, caller.workspaces[0] if ref is None else _named(caller, ref))


def workspace_of(caller: Caller, workspace_id: UUID) -> WorkspaceScope:
    """The caller's workspace that something was found in. Raises Forbidden."""
    return _permitted(caller, next(scope for scope in caller.workspaces if scope.id == workspace_id))


def _permitted(caller: Caller, scope: WorkspaceScope) -> WorkspaceScope:
    permit(caller.action, scope.role)
    writes_to(scope.id)
    return scope


def _named(caller: Caller, ref: str) -> WorkspaceScope:
    """By slug the default workspace comes first, then those that nobody else made the caller a member of: what others
    do never changes what a slug of one's own means.
    """
    for scope in caller.workspaces:
        if ref == str(scope.id):
            return scope
    found = [scope for scope in caller.workspaces if ref == scope.slug]
    if not found:
        raise WorkspaceNotFound
    if found[0] is caller.workspaces[0]:
        return found[0]
    found = [scope for scope in found if not scope.invited] or found
    if len(found) > 1:
        ids = ", ".join(str(scope.id) for scope in found)
        raise Conflict(f"Several of your workspaces are called {shown(ref)}; name the one you mean by its id: {ids}.")
    return found[0]


async def head(
    tx: Tx,
    caller: Caller,
    ref: str,
    workspace_ref: str | None = None,
    *,
    deleted_since: datetime | None = None,
    lock: bool = False,
) -> tuple[WorkspaceScope, Head]:
    """The dataset by id, in any of the caller's workspaces, or by slug, in one.

    Raises DatasetNotFound, WorkspaceNotFound, and Forbidden where the caller's role there does not suffice.
    """
    dataset_id = as_uuid(ref)
    scope = told_scope(caller, dataset_id, workspace_ref)
    if scope is None and dataset_id is not None:
        scope = await workspaces.find_scope(tx, caller.workspaces, dataset_id)
    if scope is not None and "\0" not in ref:
        found = await datasets.find(tx, scope, dataset_id or ref, deleted_since=deleted_since, lock=lock)
        if found is not None:
            return _permitted(caller, scope), found
    raise DatasetNotFound


def told_scope(caller: Caller, dataset_id: UUID | None, workspace_ref: str | None) -> WorkspaceScope | None:
    """The workspace that a dataset can only be in, by what the request says; None where that is to be looked up.

    No dataset's id: it is named by its slug. Raises WorkspaceNotFound.
    """
    if workspace_ref is not None:
        return _named(caller, workspace_ref)
    return caller.workspaces[0] if dataset_id is None or len(caller.workspaces) == 1 else None


async def snapshot(
    tx: Tx, scope: WorkspaceScope, head: Head, *, version: str | None = None, as_of: datetime | None = None
) -> Snapshot:
    """The dataset at a version (number, tag or moment), the newest one without. Raises VersionNotFound, VersionPruned.

    What it answers can be read as long as the transaction's own snapshot lasts.
    """
    dataset = head.dataset
    number, token, rows = dataset.version, head.token, dataset.rows
    if version is not None or as_of is not None:
        found = await versions.resolve(tx, scope, dataset.id, version=version, as_of=as_of)
        if found is None:
            raise VersionNotFound
        number, token, rows = found
    columns = await _columns_at(tx, scope, dataset.id, number, token)
    return Snapshot(dataset.id, head.store, number, token, rows, columns, dataset.name, head.revision)


def remember(
    caller: Caller, ref: str, workspace_ref: str | None, found: tuple[WorkspaceScope, Snapshot], *, at: str | None
) -> None:
    """Keeps a version found under this name, by its token, by its number, or as the newest.

    Whoever uses it checks that it still is.
    """
    _found.put((caller.workspaces, ref, workspace_ref, at), found, len(found[1].columns) + 10)


def remembered(
    caller: Caller, ref: str, workspace_ref: str | None, *, at: str | None
) -> tuple[WorkspaceScope, Snapshot] | None:
    """What was found before, for a caller with just these workspaces. Raises Forbidden."""
    known = _found.get((caller.workspaces, ref, workspace_ref, at))
    if known is not None:
        permit(caller.action, known[0].role)
    return known


def forget(caller: Caller, ref: str, workspace_ref: str | None, snapshot: Snapshot, *, at: str | None) -> None:
    """Drops what no longer is as it was remembered, and was the newest one perhaps."""
    for each in (at, None):
        key = caller.workspaces, ref, workspace_ref, each
        if (known := _found.get(key)) is not None and known[1].token == snapshot.token:
            _found.drop(key)


def remember_columns(token: str, columns: tuple[Column, ...]) -> None:
    """Keeps the columns of a version that is being made; if it never comes to be, nobody asks by its token."""
    _columns.put(token, columns, len(columns) + 10)


async def _columns_at(tx: Tx, scope: WorkspaceScope, dataset_id: UUID, version: int, token: str) -> tuple[Column, ...]:
    """Columns of a version never change, so they are remembered by its token."""
    if (known := _columns.get(token)) is not None:
        return known
    columns = await datasets.list_columns(tx, scope, dataset_id, version)
    remember_columns(token, columns)
    return columns


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
