"""The versions of a dataset: list and read."""

from __future__ import annotations

from backend.errors import VersionNotFound
from backend.repositories import lookup, versions
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.versions import Version, VersionList


class VersionService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(
        self, caller: Caller, ref: str, workspace: str | None, *, limit: int, offset: int
    ) -> VersionList:
        """The newest first."""
        async with self._database.read() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            page, total = await versions.list_page(tx, scope, head.dataset.id, limit=limit, offset=offset)
        return VersionList(page, total, offset + len(page) < total)

    async def get(self, caller: Caller, ref: str, workspace: str | None, version: int) -> Version:
        """Raises DatasetNotFound, VersionNotFound."""
        async with self._database.read() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            found = await versions.find(tx, scope, head.dataset.id, version)
        if found is None:
            raise VersionNotFound
        return found
