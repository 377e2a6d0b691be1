"""Exports that are made beside the requests: how far they are, and their files, which all workers serve for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from msgspec import structs

from backend.errors import ExportNotFound, ExportNotReady
from backend.repositories import lookup, prepared_exports, workspaces
from backend.repositories.database import Database, Tx
from backend.schemas.access import Action, permit
from backend.schemas.addresses import API_PATH
from backend.schemas.callers import Caller
from backend.schemas.prepared_exports import PreparedExport, PreparedExportList


class PreparedExportService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(self, caller: Caller, *, workspace: str | None, limit: int, offset: int) -> PreparedExportList:
        """Those of one workspace, the newest first. Raises WorkspaceNotFound."""
        async with self._database.read() as tx:
            scope = lookup.workspace(caller, workspace)
            found, total = await prepared_exports.list_page(tx, scope, limit=limit, offset=offset)
        return PreparedExportList(tuple(map(with_url, found)), total, offset + len(found) < total)

    async def get(self, caller: Caller, export_id: UUID) -> PreparedExport:
        """How far it is. Raises ExportNotFound, also where its dataset is deleted or its version pruned."""
        async with self._database.read() as tx:
            workspace_id, _ = await _sent(tx, caller, export_id)
            found = await prepared_exports.find(tx, lookup.workspace_of(caller, workspace_id), export_id)
        if found is None:
            raise ExportNotFound
        return with_url(found)

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


def with_url(found: PreparedExport) -> PreparedExport:
    """With the place of its file where that is there."""
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
