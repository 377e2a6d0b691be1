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
        self._under_way: dict[_Key, asyncio.Task[None]] = {}
        self._next: dict[_Key, list[asyncio.Future[bool]]] = {}

    async def holds(self, found: Found) -> bool:
        """Whether the dataset is there under its name, at a version that is kept, or still the newest."""
        key = found.snapshot.dataset_id, found.snapshot.token, found.ref, found.newest
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if (waiting := self._next.get(key)) is not None:
            waiting.append(answer)
        else:
            self._next[key] = [answer]
            if key not in self._under_way:
                self._under_way[key] = asyncio.create_task(self._ask(key, found))
        return await answer

    async def _ask(self, key: _Key, found: Found) -> None:
        """One question after the other: who comes while one is under way, waits for its end with all others."""
        waiting: list[asyncio.Future[bool]] = []
        try:
            while waiting := self._next.pop(key, []):
                await self._answer(waiting, found)
                await asyncio.sleep(0)  # answers leave, and who has just come joins the next question
        finally:
            del self._under_way[key]
            for answer in (*waiting, *self._next.pop(key, ())):
                answer.cancel()  # this process ends

    async def _answer(self, waiting: list[asyncio.Future[bool]], found: Found) -> None:
        held, failure = False, None
        try:
            async with self._database.read() as tx:
                held = await current.holds(tx, found)
        except Exception as error:
            failure = error
        for answer in waiting:
            if answer.done():
                continue  # nobody waits for it any more
            if failure is None:
                answer.set_result(held)
            else:
                answer.set_exception(failure)
