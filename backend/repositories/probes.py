"""Questions about the database itself, asked beside the pool of the requests."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from backend.errors import Unavailable
from backend.repositories.database import Tx, translating

T = TypeVar("T")
PROBE_CONNECTIONS = 2
"""That one `Probe` has at most: one for each of its questions."""
_PATIENCE = 2.0
"""Seconds that one question may take, connecting included."""
_ENDING = 6.0
"""Seconds that the driver gets to cancel a statement; longer than it takes for that by itself."""
SCRIPTS = next(
    path for name in ("alembic", "sheaf_migrations") if (path := Path(__file__).parents[2] / name / "env.py").exists()
).parent
"""The folder of the migrations: beside this package in the sources, and under another name where it is installed."""
_QUEUES = """
SELECT 'imports' AS queue, state, count(*) AS number,
    coalesce(extract(epoch FROM max(now() - created_at)), 0)::float8 AS oldest
FROM sheaf.imports WHERE state IN ('queued', 'running') GROUP BY state
UNION ALL
SELECT 'exports', state, count(*), coalesce(extract(epoch FROM max(now() - created_at)), 0)::float8
FROM sheaf.exports GROUP BY state
"""


class Queued(Struct, frozen=True):
    """Jobs of one state: of `imports`, or of prepared `exports`; the age of the oldest one, in seconds."""

    queue: str
    state: str
    number: int
    oldest: float


class Probe:
    """Has an answer in two seconds, also where all connections of the pool are taken or the server is paused.

    Each of the two questions has one connection at most, however many ask it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: Tx | None = None
        self._asking: set[asyncio.Task[object]] = set()
        self._turns: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def migration(self) -> str:
        """The newest migration that was run. Raises Unavailable."""
        return await self._ask(_migration)

    async def queues(self) -> list[Queued]:
        """How many imports wait and run, and how many prepared exports there are. Raises Unavailable."""
        return await self._ask(_queues)

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking, timeout=_PATIENCE)
        if self._kept is not None:
            await self._kept.close()

    async def _ask(self, question: Callable[[Tx], Awaitable[T]]) -> T:
        task = asyncio.create_task(self._in_turn(question))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        if not (await asyncio.wait([task], timeout=_PATIENCE))[0]:
            leaving = asyncio.create_task(_end(task))
            self._asking.add(leaving)
            leaving.add_done_callback(self._asking.discard)
            raise Unavailable("The database does not answer in time.", headers={"Retry-After": "1"})
        return await task

    async def _in_turn(self, question: Callable[[Tx], Awaitable[T]]) -> T:
        async with self._turns[question]:
            return await self._answer(question)

    async def _answer(self, question: Callable[[Tx], Awaitable[T]]) -> T:
        """With the connection of the last time if that still is one."""
        kept, self._kept = self._kept, None
        with translating():
            if kept is not None:
                try:
                    return await self._put(kept, question)
                except psycopg.OperationalError:
                    pass  # the server was restarted since
            new = await AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=None)
            try:
                return await self._put(new, question)
            except psycopg.errors.UndefinedTable as error:
                raise Unavailable("The database holds nothing of Sheaf; run `sheaf migrate`.") from error

    async def _put(self, tx: Tx, question: Callable[[Tx], Awaitable[T]]) -> T:
        try:
            told = await question(tx)
        except BaseException:
            await tx.close()
            raise
        if self._kept is None:
            self._kept = tx
        else:
            await tx.close()
        return told


async def _end(task: asyncio.Task[T]) -> None:
    """Cancels it; the driver then waits for the server's word, until it is cancelled again."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_ENDING)
    if not task.cancelled():
        task.exception()


async def _migration(tx: Tx) -> str:
    row = await (await tx.execute("SELECT version_num FROM sheaf.alembic_version")).fetchone()
    return row[0] if row else ""


async def _queues(tx: Tx) -> list[Queued]:
    async with tx.cursor(row_factory=class_row(Queued)) as cursor:
        await cursor.execute(_QUEUES)
        return await cursor.fetchall()


def newest_migration() -> str:
    """The one that this program brings along; its file's name begins with it."""
    return max(path.name.partition("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))
