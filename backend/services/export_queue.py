"""Exports that were promised: each is made once, by whichever worker has room, into a file in chunks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import Struct, structs

from backend.errors import AppError, DatasetNotFound, ExportGivenUp, LimitExceeded, VersionPruned
from backend.query.nodes import Query
from backend.repositories import datasets, export_queue, lookup, members, selections, workspaces
from backend.repositories.database import Database, Tx
from backend.repositories.export_queue import Claimed, Lease, NewExport
from backend.repositories.prepared_exports import CHUNK
from backend.schemas.callers import Caller
from backend.schemas.exports import ExportOptions
from backend.schemas.prepared_exports import PreparedExport
from backend.services.exports import Asked, ExportService, Plan
from backend.services.failures import problem_json
from backend.services.identifiers import uuid7
from backend.services.leases import ATTEMPTS, noted, tried, while_ours
from backend.services.pauses import repeated
from backend.services.prepared_exports import with_url
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


class ExportQueue:
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

    async def add(self, caller: Caller, asked: Asked) -> PreparedExport:
        """Promises a file, or finds the one that was promised for the same request: of the version of now.

        Raises what an export raises before its first byte, and LimitExceeded where there are too many.
        """
        plan, etag = await self._exports.plan(caller, asked)
        scope, snapshot = plan.chosen.scope, plan.chosen.snapshot
        async with self._database.publishing() as tx:
            await workspaces.lock(tx, scope)
            await members.lock_users(tx, [caller.user_id])
            if (same := await export_queue.find_same(tx, scope.id, etag, self._keep)) is not None:
                return with_url(same)
            await self._require_room(tx, scope.id, caller.user_id)
            pinned = structs.replace(plan.query, version=None, as_of=None)
            request, file = msgspec.json.encode(Request(pinned, plan.options)), plan.announced()
            new = NewExport(
                uuid7(), scope.id, caller.user_id, snapshot.dataset_id, snapshot.version, snapshot.token, etag,
                request, file.filename, file.media_type, file.rows,
            )  # fmt: skip
            added = await export_queue.add(tx, new)
        await self._database.once_published(self._wake.set)
        return added

    async def _require_room(self, tx: Tx, workspace_id: UUID, user_id: UUID) -> None:
        """Raises LimitExceeded. The workspace and the user are locked, so that the numbers are exact."""
        of_workspace, of_user = await export_queue.count(tx, workspace_id, user_id)
        if of_user >= MOST_OF_USER:
            raise LimitExceeded(f"A user has up to {MOST_OF_USER} prepared exports; {_MAKE_ROOM}")
        if of_workspace >= MOST:
            raise LimitExceeded(f"A workspace has up to {MOST} prepared exports; {_MAKE_ROOM}")
        await self._require_bytes(tx, workspace_id, 1)

    async def _require_bytes(self, tx: Tx, workspace_id: UUID, more: int) -> None:
        """Raises LimitExceeded where so many more would be too many."""
        if self._most_bytes and await export_queue.stored(tx, workspace_id) + more > self._most_bytes:
            limit = f"SHEAF_WORKSPACE_EXPORT_BYTES, {self._most_bytes:,}"
            raise LimitExceeded(f"The workspace's prepared exports would take more bytes than {limit}; {_MAKE_ROOM}")

    async def work(self) -> None:
        """Makes what was promised, here or by another worker that is gone, until it is cancelled."""
        await repeated(self._make, _POLL, self._wake)

    async def _make(self) -> None:
        while (claimed := await self._claim()) is not None:
            await self._take_on(claimed)

    async def _claim(self) -> Claimed | None:
        async with self._database.read() as tx:
            return await export_queue.claim(tx, self._worker, LEASE)

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
                return await export_queue.renew(tx, lease, LEASE, made.percent)
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
                await export_queue.finish(tx, lease, self._keep)

    async def _keep_chunk(self, claimed: Claimed, lease: Lease, number: int, data: bytes) -> bool:
        """Raises LimitExceeded. Files that are made at the same moment may together take some chunks more."""
        async with self._database.read() as tx:
            await self._require_bytes(tx, claimed.workspace_id, len(data))
            return await export_queue.add_chunk(tx, lease, number, data)

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
        await noted(self._database, lambda tx: export_queue.fail(tx, lease, problem_json(error), self._keep))

    async def _release(self, lease: Lease, *, counts: bool = False, wait: timedelta = timedelta()) -> None:
        await noted(self._database, lambda tx: export_queue.release(tx, lease, counts=counts, wait=wait))


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
