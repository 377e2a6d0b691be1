"""A dataset that a long write has to itself: others' writes are refused, nobody waits for a lock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from backend.errors import DatasetBusy, DatasetNotFound
from backend.repositories import dataset_leases, datasets
from backend.repositories.database import Database, Tx
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Head
from backend.services.leases import noted
from backend.services.pauses import beside

LEASE = timedelta(seconds=30)
"""So long after its last sign of life a long write has its dataset to itself."""
_BEAT = 10.0
RETRY = {"Retry-After": "5"}


def refuse_busy(head: Head, own: UUID | None = None) -> None:
    """Raises DatasetBusy while somebody other than `own` has the dataset to themselves."""
    if head.busy not in {None, own}:
        raise DatasetBusy(headers=RETRY)


class Lease:
    """The claim of one long write, an import or another, to one dataset."""

    def __init__(self, database: Database, scope: WorkspaceScope, dataset_id: UUID, holder: UUID) -> None:
        self._database = database
        self._claim = (scope, dataset_id, holder)

    async def take(self, tx: Tx) -> None:
        """Raises DatasetBusy when another write has the dataset."""
        if not await dataset_leases.take(tx, *self._claim, LEASE):
            raise DatasetBusy(headers=RETRY)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Renews a lease that was taken, for a block, and gives it back when the block fails."""
        try:
            async with beside(self._renew, _BEAT):
                yield
        except BaseException:
            await self.give_back()
            raise

    async def lock(self, tx: Tx, version: int) -> Head:
        """Locks the head row, to publish. Raises DatasetNotFound, and DatasetBusy when the lease was lost.

        Once it has run out there is no waiting for the lock: who holds it may want ids that this transaction has used.
        """
        scope, dataset_id, _ = self._claim
        still = await dataset_leases.is_free(tx, *self._claim) and await dataset_leases.renew(tx, *self._claim, LEASE)
        head = await datasets.find(tx, scope, dataset_id, lock=still)
        if head is None:
            raise DatasetNotFound
        if not still or head.dataset.version != version:
            text = "This write stood still for too long, and others wrote meanwhile; try again."
            raise DatasetBusy(text, headers=RETRY)
        return head

    async def release(self, tx: Tx) -> None:
        await dataset_leases.release(tx, *self._claim)

    async def give_back(self) -> None:
        """Releases the lease by itself, as far as the database answers."""
        await noted(self._database, self.release)

    async def _renew(self) -> None:
        async with self._database.read() as tx:
            await dataset_leases.renew(tx, *self._claim, LEASE)
