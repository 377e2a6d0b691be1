"""Asking whether what was found still holds, once for all who want to know at the same time."""

from __future__ import annotations

import asyncio
from typing import TypeAlias
from uuid import UUID

from backend.repositories import current
from backend.repositories.current import Found
from backend.repositories.database import Database

_Key: TypeAlias = tuple[UUID, str, str, bool]


class Current:
    """Nobody is told what was asked before they came: a question is shared by those who are there when it is sent."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._under_way: dict[_Key, asyncio.Task[bool]] = {}
        self._next: dict[_Key, asyncio.Task[bool]] = {}

    async def holds(self, found: Found) -> bool:
        """Whether the dataset is there under its name, at a version that is kept, or still the newest."""
        key = found.snapshot.dataset_id, found.snapshot.token, found.ref, found.newest
        asking = self._next.get(key)
        if asking is None:
            asking = self._next[key] = asyncio.create_task(self._ask(key, found))
            asking.add_done_callback(_seen)
        return await asyncio.shield(asking)

    async def _ask(self, key: _Key, found: Found) -> bool:
        """One at a time: who comes while one is under way, waits for its end together with all others."""
        if (before := self._under_way.get(key)) is not None:
            await asyncio.wait([before])
        self._under_way[key] = self._next.pop(key)
        try:
            async with self._database.read() as tx:
                return await current.holds(tx, found)
        finally:
            del self._under_way[key]


def _seen(asking: asyncio.Task[bool]) -> None:
    """A failure is told to those who wait; should nobody wait any more, nobody minds."""
    if not asking.cancelled():
        asking.exception()
