"""History that is no longer kept is removed beside the requests, in small steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from backend.repositories import datasets, pruning, stores, workspaces
from backend.repositories.database import Database
from backend.repositories.pruning import Gap
from backend.schemas.callers import WorkspaceScope
from backend.services.pauses import repeated

STEP = 10_000
"""Images that one transaction removes."""
GRACE = timedelta(minutes=5)
"""So long after its commit, at least, a record table stays that was written anew elsewhere."""
_EVERY = 60.0


class PruningService:
    """Any process may sweep at any time, and end at any time: each step is whole, and those to a dataset take turns."""

    def __init__(self, database: Database, *, step: int = STEP, grace: timedelta = GRACE) -> None:
        self._database = database
        self._grace = grace
        self._step = step

    async def work(self) -> None:
        """Sweeps each minute."""
        await repeated(self.sweep, _EVERY)

    async def sweep(self) -> None:
        """Prunes what has grown too old, removes what nobody can read any more, and drops tables that nobody reads."""
        async with self._database.read() as tx:
            scopes = await workspaces.list_scopes(tx)
        for scope in scopes:
            async with self._database.read() as tx:
                due = await pruning.list_due(tx, scope)
            for dataset_id in due:
                await self._prune(scope, dataset_id)
            await self._drop_retired(scope)

    async def _drop_retired(self, scope: WorkspaceScope) -> None:
        async with self._database.read() as tx:
            retired = await stores.list_retired(tx, scope, self._grace)
        for store in retired:
            async with self._database.transaction() as tx:
                await stores.try_drop(tx, scope, store)

    async def _prune(self, scope: WorkspaceScope, dataset_id: UUID) -> None:
        async with self._database.transaction() as tx:
            head = await datasets.find(tx, scope, dataset_id, lock=True)
            if head is None:
                return
            await pruning.mark(tx, scope, head.dataset, newest=head.dataset.version, at=datetime.now(UTC))
        async with self._database.read() as tx:
            gaps = await pruning.list_gaps(tx, scope, dataset_id)
        for gap in gaps:
            while await self._remove(scope, dataset_id, gap):
                pass

    async def _remove(self, scope: WorkspaceScope, dataset_id: UUID, gap: Gap) -> bool:
        """Whether there may be more to remove, by this process."""
        async with self._database.transaction() as tx:
            if not await pruning.try_lock(tx, dataset_id):
                return False
            if (head := await datasets.find(tx, scope, dataset_id)) is None:
                return False
            removed = await pruning.remove(tx, scope, head.store, gap, most=self._step)
            if removed < self._step:
                await pruning.mark_swept(tx, scope, dataset_id, gap)
        return removed == self._step
