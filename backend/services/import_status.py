"""How far imports are, for those who ask; and their end, for those who wish it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import get_args
from uuid import UUID

from backend.errors import ImportEnded, ImportNotFound
from backend.repositories import imports, lookup, users
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.import_status import ImportList, ImportStatus
from backend.schemas.users import KeyOrigin
from backend.services.import_leases import Leases

_EVERY = 0.5
_PATIENCE = 50
"""How often, ten times a second, it is looked whether a cancelled import has ended."""
OPEN = ("queued", "running")


class ImportStatusService:
    def __init__(self, database: Database, leases: Leases, *, keep: timedelta) -> None:
        """`keep`: how long an import that has ended can be looked up."""
        self._database = database
        self._leases = leases
        self._keep = keep

    async def get(self, caller: Caller, import_id: UUID) -> ImportStatus:
        """How far it is, as its worker told half a second ago. Raises ImportNotFound."""
        async with self._database.read() as tx:
            status = await imports.find(tx, [scope.id for scope in caller.workspaces], import_id)
        if status is None:
            raise ImportNotFound
        return status

    async def list_page(self, caller: Caller, *, workspace: str | None, limit: int, offset: int) -> ImportList:
        """The imports of one workspace, the newest first, without their reports. Raises WorkspaceNotFound."""
        scope = lookup.workspace(caller, workspace)
        async with self._database.read() as tx:
            found, total = await imports.list_page(tx, scope.id, limit=limit, offset=offset)
        return ImportList(tuple(found), total, offset + len(found) < total)

    async def events(self, caller: Caller, status: ImportStatus) -> AsyncIterator[ImportStatus]:
        """How far it is, twice a second until it has ended or the caller's key does not open it any more.

        Between two looks no connection is held.
        """
        while status.state in OPEN:
            yield status
            await asyncio.sleep(_EVERY)
            async with self._database.read() as tx:
                now = await users.find_caller(tx, caller.key_hash, get_args(KeyOrigin))
                found = now and await imports.find(tx, [scope.id for scope in now.workspaces], status.id)
            if not found:
                return
            status = found
        yield status

    async def cancel(self, caller: Caller, import_id: UUID) -> ImportStatus:
        """Ends it; where its worker has not stopped within a few seconds the state is still `running`.

        Raises ImportNotFound, Forbidden, and ImportEnded for one that is over.
        """
        async with self._database.transaction() as tx:
            found = await imports.workspace_id_of(tx, [scope.id for scope in caller.workspaces], import_id)
            if found is None:
                raise ImportNotFound
            state = await imports.cancel(tx, lookup.workspace_of(caller, found).id, import_id)
        if state is None:
            raise ImportEnded
        self._leases.stop(import_id)
        status = await self.get(caller, import_id)
        for _ in range(_PATIENCE):
            if status.state not in OPEN:
                break
            await asyncio.sleep(0.1)
            status = await self.get(caller, import_id)
        return status

    async def sweep(self) -> None:
        """Forgets imports that ended long ago."""
        async with self._database.read() as tx:
            await imports.drop_old(tx, self._keep)
