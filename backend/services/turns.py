"""Turns of those who write to one dataset, so that they never hold the connections that writers to another need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from uuid import UUID
from weakref import WeakValueDictionary

from backend.repositories import lookup
from backend.repositories.database import Database
from backend.repositories.remembered import Remembered
from backend.schemas.callers import Caller

_turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
_named = Remembered[tuple[UUID, str], tuple[UUID, float]](10_000)
"""The dataset that a slug names, and until when that is believed: a wrong one costs an unneeded wait, nothing else."""
_BELIEVED = 1.0


@asynccontextmanager
async def turn(database: Database, caller: Caller, ref: str, workspace: str | None) -> AsyncIterator[None]:
    """One at a time within this process, whatever the dataset is called. Raises DatasetNotFound, WorkspaceNotFound."""
    dataset_id = lookup.as_uuid(ref)
    if dataset_id is None:
        dataset_id = await _called(database, caller, ref, workspace)
    async with _turns.setdefault(dataset_id, asyncio.Lock()):
        yield


async def _called(database: Database, caller: Caller, slug: str, workspace: str | None) -> UUID:
    place = (lookup.workspace(caller, workspace).id, slug)
    known, until = _named.get(place) or (None, 0.0)
    if known is None or until < monotonic():
        async with database.read() as tx:
            _, head = await lookup.head(tx, caller, slug, workspace)
        known = head.dataset.id
        _named.put(place, (known, monotonic() + _BELIEVED), 1)
    return known
