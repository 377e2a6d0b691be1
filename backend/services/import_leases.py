"""The imports that this process runs: told of, cancelled, and kept from others, twice a second."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from backend.errors import ImportCancelled, Unavailable
from backend.repositories import imports
from backend.repositories.database import Database
from backend.services.failures import problem_json
from backend.services.jobs import Imported
from backend.services.leases import noted
from backend.services.pauses import repeated
from backend.services.progress import Progress

LEASE = timedelta(seconds=10)
"""After so long without a beat others take an import over."""
_BEAT = 0.5
_PATIENCE = 2.0
"""Seconds that a cancelled import gets to stop at its next batch."""


class _Held(Struct, eq=False):
    """`settling`: its end is being written, so that it is no longer ours to stop."""

    progress: Progress
    task: asyncio.Task[Imported]
    settling: bool = False
    lost: bool = False
    stopping: asyncio.Task[None] | None = None


class Leases:
    def __init__(self, database: Database) -> None:
        self.worker = uuid4()
        self._database = database
        self._held: dict[UUID, _Held] = {}

    async def hold(self, import_id: UUID, progress: Progress, work: Coroutine[Any, Any, Imported]) -> Imported:
        """Runs an import whose lease this worker has. Raises ImportCancelled, Unavailable when the lease is lost."""
        task = asyncio.create_task(work)
        held = self._held[import_id] = _Held(progress, task)
        try:
            await asyncio.wait([task])
        finally:
            progress.cancelled = True
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            if held.stopping is not None:
                held.stopping.cancel()
            del self._held[import_id]
        if task.cancelled() or isinstance(task.exception(), ImportCancelled):
            raise interrupted() if held.lost else ImportCancelled
        return task.result()

    def settling(self, import_id: UUID) -> None:
        """Its end is about to be written."""
        if (held := self._held.get(import_id)) is not None:
            held.settling = True

    def stop(self, import_id: UUID, *, lost: bool = False) -> None:
        """Ends an import that this process runs, at its next batch or, where that takes long, at once."""
        held = self._held.get(import_id)
        if held is None or held.settling or held.stopping is not None:
            return
        held.progress.cancelled, held.lost = True, lost
        held.stopping = asyncio.create_task(_stop(held.task))

    async def end(self, import_id: UUID, error: Exception) -> None:
        """Writes down that an import of this worker was cancelled or failed."""
        problem = None if isinstance(error, ImportCancelled) else problem_json(error)
        await noted(self._database, lambda tx: imports.end(tx, self.worker, import_id, problem))

    async def drop(self, import_id: UUID) -> None:
        """Forgets an import whose caller gets no answer."""
        await noted(self._database, lambda tx: imports.drop(tx, self.worker, import_id))

    async def release(self, import_id: UUID, *, counts: bool = False, wait: timedelta = timedelta()) -> None:
        """Gives an import back to the queue, for after a `wait`; `counts`: it was an attempt."""
        await noted(self._database, lambda tx: imports.release(tx, self.worker, import_id, counts=counts, wait=wait))

    async def keep(self) -> None:
        """Renews the leases and tells how far each import is, until it is cancelled."""
        await repeated(self._beat, _BEAT)

    async def _beat(self) -> None:
        if not self._held:
            return
        beats = [
            imports.Beat(import_id, held.progress.phase, held.progress.rows, held.progress.percent)
            for import_id, held in self._held.items()
        ]
        async with self._database.read() as tx:
            renewed = await imports.renew(tx, self.worker, LEASE, beats)
        for beat in beats:
            if renewed.get(beat.id, True):
                self.stop(beat.id, lost=beat.id not in renewed)


def interrupted() -> Unavailable:
    """Somebody else has the lease, or nobody."""
    return Unavailable("The import was interrupted; nothing of it was stored.", headers={"Retry-After": "1"})


async def _stop(task: asyncio.Task[Imported]) -> None:
    await asyncio.wait([task], timeout=_PATIENCE)
    task.cancel()
