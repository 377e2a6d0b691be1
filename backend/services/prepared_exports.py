"""Exports that are made beside the requests, into files that all workers serve for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import Struct, structs

from backend.errors import (
    AppError,
    DatasetNotFound,
    ExportGivenUp,
    ExportNotFound,
    ExportNotReady,
    LimitExceeded,
    VersionPruned,
)
from backend.query.nodes import Query
from backend.repositories import datasets, lookup, members, prepared_exports, selections, workspaces
from backend.repositories.database import Database, Tx
from backend.repositories.prepared_exports import CHUNK, Claimed, Lease, NewExport
from backend.schemas.access import Action, permit
from backend.schemas.addresses import API_PATH
from backend.schemas.callers import Caller
from backend.schemas.exports import ExportOptions
from backend.schemas.prepared_exports import PreparedExport, PreparedExportList
from backend.services.exports import Asked, ExportService, Plan
from backend.services.failures import problem_json
from backend.services.identifiers import uuid7
from backend.services.leases import ATTEMPTS, noted, tried, while_ours
from backend.services.pauses import repeated
from backend.writers import writer_for

log = structlog.get_logger()
LEASE = timedelta(seconds=10)
"""After so long without a beat others take an export over."""
MOST = 100
"""Files that a workspace may have at a time."""
MOST_OF_USER = 10
"""Files that a user may have sent for at a time, to all workspaces."""
_MAKE_ROOM = "delete one, or wait until one expires."
_BEAT = 1.0
_POLL = 1.0


class Request(Struct, frozen=True, array_like=True):
    """What an export was asked for, as it waits in the database."""

    query: Query
    options: ExportOptions


class PreparedExportService:
    """`keep`: how long a finished file can be had; `most_bytes`: of all files of a workspace, 0 for any number.

    Each process makes one at a time.
    """

    def __init__(self, database: Database, exports: ExportService, *, keep: timedelta, most_bytes: int) -> None:
        self._database = database
        self._exports = exports
        self._keep = keep
        self._most_bytes = most_bytes
        self._worker = uuid4()
        self._wake = asyncio.Event()

    async def prepare(self, caller: Caller, asked: Asked) -> PreparedExport:
        """Promises a file, or finds the one that was promised for the same request: of the version of now.

        Raises what an export raises before its first byte, and LimitExceeded where there are too many.
        """
        plan, etag = await self._exports.plan(caller, asked)
        scope, snapshot = plan.chosen.scope, plan.chosen.snapshot
        async with self._database.publishing() as tx:
            await workspaces.lock(tx, scope)
            await members.lock_users(tx, [caller.user_id])
            if (same := await prepared_exports.find_same(tx, scope.id, etag, self._keep)) is not None:
                return _with_url(same)
            await self._require_room(tx, scope.id, caller.user_id)
            pinned = structs.replace(plan.query, version=None, as_of=None)
            request, file = msgspec.json.encode(Request(pinned, plan.options)), plan.announced()
            new = NewExport(
                uuid7(), scope.id, caller.user_id, snapshot.dataset_id, snapshot.version, snapshot.token, etag,
                request, file.filename, file.media_type, file.rows,
            )  # fmt: skip
            added = await prepared_exports.add(tx, new)
        await self._database.once_published(self._wake.set)
        return added

    async def _require_room(self, tx: Tx, workspace_id: UUID, user_id: UUID) -> None:
        """Raises LimitExceeded. The workspace and the user are locked, so that the numbers are exact."""
        of_workspace, of_user = await prepared_exports.count(tx, workspace_id, user_id)
        if of_user >= MOST_OF_USER:
            raise LimitExceeded(f"A user has up to {MOST_OF_USER} prepared exports; {_MAKE_ROOM}")
        if of_workspace >= MOST:
            raise LimitExceeded(f"A workspace has up to {MOST} prepared exports; {_MAKE_ROOM}")
        await self._require_bytes(tx, workspace_id, 1)

    async def _require_bytes(self, tx: Tx, workspace_id: UUID, more: int) -> None:
        """Raises LimitExceeded where so many more would be too many."""
        if self._most_bytes and await prepared_exports.stored(tx, workspace_id) + more > self._most_bytes:
            limit = f"SHEAF_WORKSPACE_EXPORT_BYTES, {self._most_bytes:,}"
            raise LimitExceeded(f"The workspace's prepared exports would take more bytes than {limit}; {_MAKE_ROOM}")

    async def list_page(self, caller: Caller, *, workspace: str | None, limit: int, offset: int) -> PreparedExportList:
        """Those of one workspace, the newest first. Raises WorkspaceNotFound."""
        async with self._database.read() as tx:
            scope = lookup.workspace(caller, workspace)
            found, total = await prepared_exports.list_page(tx, scope, limit=limit, offset=offset)
        return PreparedExportList(tuple(map(_with_url, found)), total, offset + len(found) < total)

    async def get(self, caller: Caller, export_id: UUID) -> PreparedExport:
        """How far it is. Raises ExportNotFound, also where its dataset is deleted or its version pruned."""
        async with self._database.read() as tx:
            workspace_id, _ = await _sent(tx, caller, export_id)
            found = await prepared_exports.find(tx, lookup.workspace_of(caller, workspace_id), export_id)
        if found is None:
            raise ExportNotFound
        return _with_url(found)

    async def finished(self, caller: Caller, export_id: UUID) -> PreparedExport:
        """The same of one whose file is there. Raises ExportNotFound, ExportNotReady."""
        found = await self.get(caller, export_id)
        if found.state == "failed":
            raise ExportNotReady("This export has failed; its status says why.")
        if found.state != "done":
            raise ExportNotReady(headers={"Retry-After": "1"})
        return found

    def read(self, export: PreparedExport, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of a finished file from `start` until before `stop`.

        Raises ExportNotFound in their midst where the file was removed meanwhile, so that they do not end well.
        """
        return _all_of(prepared_exports.chunks(self._database, export.id, start, stop), stop - start)

    async def delete(self, caller: Caller, export_id: UUID) -> None:
        """Removes it, whatever its state. Raises ExportNotFound, and Forbidden for another user's."""
        async with self._database.transaction() as tx:
            workspace_id, user_id = await _sent(tx, caller, export_id)
            scope = lookup.workspace_of(caller, workspace_id)
            if user_id != caller.user_id:
                permit(Action.DELETE_EXPORTS, scope.role)
            await prepared_exports.delete(tx, scope.id, export_id)

    async def sweep(self) -> None:
        """Removes those that have expired, and those of versions that can be read no more."""
        async with self._database.transaction() as tx:
            await prepared_exports.sweep(tx)
            scopes = await workspaces.list_scopes(tx)
        for scope in scopes:
            async with self._database.transaction() as tx:
                await prepared_exports.sweep_unreadable(tx, scope)

    async def work(self) -> None:
        """Makes what was promised, here or by another worker that is gone, until it is cancelled."""
        await repeated(self._make, _POLL, self._wake)

    async def _make(self) -> None:
        while (claimed := await self._claim()) is not None:
            await self._take_on(claimed)

    async def _claim(self) -> Claimed | None:
        async with self._database.read() as tx:
            return await prepared_exports.claim(tx, self._worker, LEASE)

    async def _take_on(self, claimed: Claimed) -> None:
        """Makes an export that this worker has claimed, and writes down how it ended."""
        lease, made = Lease(claimed.id, self._worker, claimed.attempts), _Made(claimed.rows)
        async with tried(claimed.id, claimed.attempts, partial(self._release, lease), partial(self._fail, lease)):
            if claimed.attempts > ATTEMPTS:
                raise ExportGivenUp
            await while_ours(self._write(lease, claimed, made), partial(self._renew, lease, made), _BEAT)

    async def _renew(self, lease: Lease, made: _Made) -> bool:
        """False where it was deleted, or is another worker's by now."""
        try:
            async with self._database.read() as tx:
                return await prepared_exports.renew(tx, lease, LEASE, made.percent)
        except AppError as error:
            log.warning("export_lease_not_renewed", error=str(error))
            return True

    async def _write(self, lease: Lease, claimed: Claimed, made: _Made) -> None:
        chunks = await self._exports.made(await self._plan(claimed), on_rows=made.add)
        number, held = 0, bytearray()
        async with aclosing(chunks):
            async for chunk in chunks:
                held += chunk
                while len(held) >= CHUNK:
                    if not await self._keep_chunk(claimed, lease, number, bytes(held[:CHUNK])):
                        return
                    del held[:CHUNK]
                    number += 1
        if not held or await self._keep_chunk(claimed, lease, number, bytes(held)):
            async with self._database.transaction() as tx:
                await prepared_exports.finish(tx, lease, self._keep)

    async def _keep_chunk(self, claimed: Claimed, lease: Lease, number: int, data: bytes) -> bool:
        """Raises LimitExceeded. Files that are made at the same moment may together take some chunks more."""
        async with self._database.read() as tx:
            await self._require_bytes(tx, claimed.workspace_id, len(data))
            return await prepared_exports.add_chunk(tx, lease, number, data)

    async def _plan(self, claimed: Claimed) -> Plan:
        """Raises DatasetNotFound, VersionPruned."""
        request = msgspec.json.decode(claimed.request, type=Request)
        async with self._database.snapshot() as tx:
            scope = await workspaces.find(tx, claimed.workspace_id)
            head = None if scope is None else await datasets.find(tx, scope, claimed.dataset_id)
            if scope is None or head is None:
                raise DatasetNotFound
            snapshot = await lookup.snapshot(tx, scope, head, version=str(claimed.version))
        if snapshot.token != claimed.token:
            raise VersionPruned
        chosen = selections.selection(scope, snapshot, request.query, self._database.fold)
        return Plan(chosen, request.query, request.options, writer_for(request.options), claimed.rows)

    async def _fail(self, lease: Lease, error: Exception) -> None:
        await noted(self._database, lambda tx: prepared_exports.fail(tx, lease, problem_json(error), self._keep))

    async def _release(self, lease: Lease, *, counts: bool = False, wait: timedelta = timedelta()) -> None:
        await noted(self._database, lambda tx: prepared_exports.release(tx, lease, counts=counts, wait=wait))


class _Made:
    """Of how many records so many are in the file; counted by the thread that makes it."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._done = 0

    def add(self, rows: int) -> None:
        self._done += rows

    @property
    def percent(self) -> float:
        return round(100 * min(self._done / self._rows, 1), 1) if self._rows else 0.0


def _with_url(found: PreparedExport) -> PreparedExport:
    return structs.replace(found, url=f"{API_PATH}/exports/{found.id}/file") if found.state == "done" else found


async def _sent(tx: Tx, caller: Caller, export_id: UUID) -> tuple[UUID, UUID]:
    """Which of the caller's workspaces it belongs to, and who has sent for it. Raises ExportNotFound."""
    found = await prepared_exports.sent(tx, [each.id for each in caller.workspaces], export_id)
    if found is None:
        raise ExportNotFound
    return found


async def _all_of(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        size -= len(chunk)
        yield chunk
    if size:
        raise ExportNotFound
