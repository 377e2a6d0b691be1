"""Imports that were promised: each is run to its end once, by whichever worker has room."""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic
from uuid import UUID

import msgspec
from msgspec import structs

from backend.errors import ImportCancelled, ImportGivenUp, UploadNotFound
from backend.repositories import imports
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.import_status import ImportStatus
from backend.schemas.imports import ImportRequest
from backend.schemas.plans import AnyPlan, KeptFile, Plan
from backend.services.identifiers import uuid7
from backend.services.import_leases import LEASE, Leases
from backend.services.import_runs import asker, settling, target
from backend.services.imports import ImportService
from backend.services.jobs import Imported, Job
from backend.services.kept_uploads import KeptUploads
from backend.services.leases import ATTEMPTS, tried
from backend.services.pauses import repeated
from backend.services.progress import Progress
from backend.services.uploads import Upload

_POLL = 1.0


class ImportQueue:
    def __init__(
        self, database: Database, service: ImportService, leases: Leases, uploads: KeptUploads, *, places: int
    ) -> None:
        """`places`: so many imports are run at a time, those of waiting callers counted too."""
        self._database = database
        self._service = service
        self._leases = leases
        self._uploads = uploads
        self._places = places
        self._sweep_at = 0.0
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def add(self, caller: Caller, upload: Upload | UUID, request: ImportRequest) -> ImportStatus:
        """Promises an import of a received file, or of one that is kept; both are stored when this returns.

        Raises UploadNotFound, WorkspaceNotFound, DatasetNotFound, LimitExceeded.
        """
        async with self._database.publishing() as tx:
            scope = await target(tx, caller, request)
            if isinstance(upload, UUID):
                found = await self._uploads.find(tx, caller, upload)
                upload_id, size = found.id, found.size
            else:
                upload_id, _ = await self._uploads.store(tx, caller, scope, upload, kept=request.dry_run)
                size = upload.size
            import_id, placed = uuid7(), msgspec.json.encode(structs.replace(request, workspace=str(scope.id)))
            await imports.add(tx, import_id, scope.id, caller.user_id, upload_id, placed, size)
            status = await imports.get(tx, import_id, scope.id)
        await self._database.once_published(self._wake.set)
        return status

    async def work(self) -> None:
        """Runs what was promised, here or by another worker that is gone, until it is cancelled."""
        try:
            await repeated(self._begin_all, _POLL, self._wake)
        finally:
            await self._stop()

    async def _begin_all(self) -> None:
        while (claimed := await self._claim()) is not None:
            self._begin(claimed)
        await self._sweep_abandoned()

    def _begin(self, claimed: imports.Claimed) -> None:
        task = asyncio.create_task(self._take_on(claimed))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _sweep_abandoned(self) -> None:
        """Ends those whose callers waited for a process that is gone; seldom, for seldom there are any."""
        if monotonic() < self._sweep_at:
            return
        self._sweep_at = monotonic() + LEASE.total_seconds()
        async with self._database.read() as tx:
            await imports.drop_abandoned(tx)

    async def _claim(self) -> imports.Claimed | None:
        if len(self._running) >= self._places or not self._service.has_room:
            return None
        async with self._database.read() as tx:
            return await imports.claim(tx, self._leases.worker, LEASE)

    async def _take_on(self, claimed: imports.Claimed) -> None:
        """Runs an import that this worker has claimed, and writes down how it ended."""
        progress, leases = Progress(), self._leases
        release, end = partial(leases.release, claimed.id), partial(leases.end, claimed.id)
        async with tried(claimed.id, claimed.attempts, release, end):
            if claimed.cancelled:
                raise ImportCancelled
            if claimed.attempts > ATTEMPTS:
                raise ImportGivenUp
            await leases.hold(claimed.id, progress, self._run(claimed, progress))

    async def _run(self, claimed: imports.Claimed, progress: Progress) -> Imported:
        async with self._database.read() as tx:
            caller = await asker(tx, claimed.user_id, claimed.workspace_id)
        request = structs.replace(
            msgspec.json.decode(claimed.request, type=ImportRequest), workspace=str(claimed.workspace_id)
        )
        if claimed.upload_id is None:
            raise UploadNotFound
        async with self._uploads.open(caller, claimed.upload_id, even_expired=True) as (upload, found):
            settle = settling(self._leases, claimed.id, claimed.user_id, claimed.workspace_id)
            job = Job(claimed.id, caller, upload, request, progress, settle)
            imported = await self._service.run(job)
        if isinstance(imported.answer, AnyPlan):
            await self._planned(claimed.id, imported.answer, KeptFile(found.id, found.expires_at))
        return imported

    async def _planned(self, import_id: UUID, plan: AnyPlan, kept: KeptFile) -> None:
        self._leases.settling(import_id)
        answer, rows = msgspec.json.encode(structs.replace(plan, upload=kept)), _rows(plan)
        async with self._database.transaction() as tx:
            await imports.finish(tx, self._leases.worker, import_id, rows=rows, dataset_id=None, answer=answer)


def _rows(plan: AnyPlan) -> int:
    return sum(each.report.rows for each in ([plan] if isinstance(plan, Plan) else plan.plans))
