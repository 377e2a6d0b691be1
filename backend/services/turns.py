"""Turns of those who write to one dataset, so that they never hold the connections that writers to another need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from uuid import UUID
from weakref import WeakValueDictionary

from backend.errors import DatasetNotFound
from backend.repositories import lookup, workspaces
from backend.repositories.database import Database, Tx
from backend.repositories.remembered import Remembered
from backend.schemas.callers import Caller, WorkspaceScope

Place = tuple[UUID, UUID]
"""A workspace and a dataset in it, or one that would be: nobody waits for those who write in other workspaces."""
_turns: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()
_found = Remembered[tuple[tuple[WorkspaceScope, ...], str, str | None], tuple[Place, float]](10_000)
"""The dataset that is meant, and until when that is believed: a wrong one costs an unneeded wait, nothing else."""
_BELIEVED = 1.0


@asynccontextmanager
async def turn(database: Database, caller: Caller, ref: str, workspace: str | None) -> AsyncIterator[None]:
    """One at a time within this process, whatever the dataset is called. Raises DatasetNotFound, WorkspaceNotFound."""
    async with _turns.setdefault(await _place(database, caller, ref, workspace), asyncio.Lock()):
        yield


async def _place(database: Database, caller: Caller, ref: str, workspace: str | None) -> Place:
    dataset_id = lookup.as_uuid(ref)
    if dataset_id is not None and (scope := lookup.told_scope(caller, dataset_id, workspace)) is not None:
        return scope.id, dataset_id
    asked = (caller.workspaces, ref, workspace)
    place, until = _found.get(asked) or (None, 0.0)
    if place is None or until < monotonic():
        async with database.read() as tx:
            place = await _looked_up(tx, caller, ref, workspace)
        _found.put(asked, (place, monotonic() + _BELIEVED), 1)
    return place


async def _looked_up(tx: Tx, caller: Caller, ref: str, workspace: str | None) -> Place:
    """A deleted one is found by its id alone."""
    if (dataset_id := lookup.as_uuid(ref)) is None:
        scope, head = await lookup.head(tx, caller, ref, workspace)
        return scope.id, head.dataset.id
    found = await workspaces.find_scope(tx, caller.workspaces, dataset_id)
    if found is None:
        raise DatasetNotFound
    return found.id, dataset_id
