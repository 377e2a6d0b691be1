"""Imports whose callers wait for them."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
from msgspec import structs

from backend.errors import Forbidden, ImportCancelled
from backend.repositories import imports, lookup, users
from backend.repositories.database import Database, Tx
from backend.schemas.access import Action
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import ImportAnswer, SheetsAnswer
from backend.schemas.imports import ImportRequest
from backend.schemas.plans import AnyPlan
from backend.services.identifiers import uuid7
from backend.services.import_leases import LEASE, Leases, interrupted
from backend.services.imports import ImportService
from backend.services.jobs import Imported, Job, Settle
from backend.services.progress import Progress
from backend.services.uploads import Upload


class ImportRuns:
    def __init__(self, database: Database, service: ImportService, leases: Leases) -> None:
        self._database = database
        self._service = service
        self._leases = leases

    async def plan(self, caller: Caller, upload: Upload, request: ImportRequest, *, bounded: bool = False) -> AnyPlan:
        """What an import would do, and nothing done; `bounded` by the quotas of the workspace."""
        planned = structs.replace(request, dry_run=True)
        job = Job(uuid7(), caller, upload, planned, Progress(), _unsettled, bounded=bounded)
        try:
            answer = (await self._service.run(job)).answer
        finally:
            job.progress.cancelled = True
        if not isinstance(answer, AnyPlan):
            raise TypeError("a dry run answers a plan")
        return answer

    async def run(self, caller: Caller, upload: Upload, request: ImportRequest) -> Imported:
        """One import to its end; others can see how far it is and cancel it, which raises ImportCancelled."""
        if request.dry_run:
            return Imported(await self.plan(caller, upload, request, bounded=True))
        import_id = uuid7()
        async with self._database.read() as tx:
            scope = await target(tx, caller, request)
            await imports.add_running(
                tx, import_id, scope.id, caller.user_id, msgspec.json.encode(request), upload.size,
                worker=self._leases.worker, lease=LEASE,
            )  # fmt: skip
        settle = settling(self._leases, import_id, caller.user_id, scope.id)
        job = Job(import_id, caller, upload, request, Progress(), settle)
        try:
            return await self._leases.hold(import_id, job.progress, self._service.run(job))
        except asyncio.CancelledError:
            await self._leases.drop(import_id)
            raise
        except Exception as error:
            await self._leases.end(import_id, error)
            raise


async def target(tx: Tx, caller: Caller, request: ImportRequest) -> WorkspaceScope:
    """The workspace that an import goes into. Raises WorkspaceNotFound, DatasetNotFound."""
    if request.dataset is None:
        return lookup.workspace(caller, request.workspace)
    scope, _ = await lookup.head(tx, caller, request.dataset, request.workspace)
    return scope


async def asker(tx: Tx, user_id: UUID, workspace_id: UUID) -> Caller:
    """Who asked for an import, with a key or without. Raises Forbidden when they may not write there any more."""
    caller = await users.find_member(tx, user_id)
    if caller is None or all(scope.id != workspace_id for scope in caller.workspaces):
        raise Forbidden("Who asked for this import is no member of the workspace any more; nothing of it was stored.")
    caller = structs.replace(caller, action=Action.WRITE_RECORDS)
    lookup.workspace_of(caller, workspace_id)
    return caller


def settling(leases: Leases, import_id: UUID, user_id: UUID, workspace_id: UUID) -> Settle:
    """Ends an import as done with what publishes it, if who asked for it may still write there.

    Raises Forbidden, ImportCancelled, and Unavailable when the lease is lost.
    """

    async def settle(tx: Tx, answer: ImportAnswer | SheetsAnswer) -> None:
        await asker(tx, user_id, workspace_id)
        leases.settling(import_id)
        told, rows, made = msgspec.json.encode(answer), answer.rows, answer.dataset_id
        if not await imports.finish(tx, leases.worker, import_id, rows=rows, dataset_id=made, answer=told):
            raise ImportCancelled if await imports.is_ours(tx, leases.worker, import_id) else interrupted()

    return settle


async def _unsettled(_: object, __: object) -> None:
    """A dry run publishes nothing."""
