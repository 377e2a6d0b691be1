"""The versions of a dataset: list, read, name."""

from __future__ import annotations

from datetime import UTC, datetime

from backend.errors import VersionNotFound
from backend.repositories import lookup, pruning, versions
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import Head
from backend.schemas.versions import Version, VersionList
from backend.services.identifiers import check_tag
from backend.services.turns import turn


class VersionService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(
        self, caller: Caller, ref: str, workspace: str | None, *, limit: int, offset: int
    ) -> VersionList:
        """The newest first."""
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            page, total = await versions.list_page(tx, scope, head.dataset.id, limit=limit, offset=offset)
        return VersionList(page, total, offset + len(page) < total)

    async def get(self, caller: Caller, ref: str, workspace: str | None, version: int) -> Version:
        """Raises DatasetNotFound, VersionNotFound, VersionPruned."""
        async with self._database.read() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            return await _found(tx, scope, head, version)

    async def tag(self, caller: Caller, ref: str, workspace: str | None, version: int, tag: str | None) -> Version:
        """The version with this tag from now on, None: with none; then it is pruned if nothing else keeps it.

        Raises DatasetNotFound, VersionNotFound, VersionPruned, TagTaken, Invalid.
        """
        name = None if tag is None else check_tag(tag)
        async with turn(self._database, caller, ref, workspace), self._database.publishing() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace, lock=True)
            await _found(tx, scope, head, version)
            await versions.set_tag(tx, scope, head.dataset.id, version, name)
            found = await _found(tx, scope, head, version)
            if name is None:
                await pruning.mark(tx, scope, head.dataset, newest=head.dataset.version, at=datetime.now(UTC))
            return found


async def _found(tx: Tx, scope: WorkspaceScope, head: Head, version: int) -> Version:
    found = await versions.find(tx, scope, head.dataset.id, version)
    if found is None:
        raise VersionNotFound
    return found
