"""Reading one record, and what it ever was."""

from __future__ import annotations

from datetime import datetime

from backend.errors import DatasetNotFound, RecordNotFound
from backend.repositories import lookup, records
from backend.repositories.database import Database
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import Snapshot
from backend.schemas.records import Record, RecordHistory


class RecordService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        record_id: int,
        *,
        version: str | None,
        as_of: datetime | None,
    ) -> tuple[Record, str]:
        """One record and its ETag. Raises RecordNotFound."""
        lasts = means_one(version, as_of)
        if lasts and (known := lookup.remembered(caller, ref, workspace, at=version)) is not None:
            found = await self._find(known, record_id, ref, newest=version is None)
            if found is not None:
                return found
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            snapshot = await lookup.snapshot(tx, scope, head, version=version, as_of=as_of)
            found = await records.find(tx, scope, snapshot, record_id)
        if lasts:
            lookup.remember(caller, ref, workspace, (scope, snapshot), at=version)
        if found is None:
            raise RecordNotFound
        return found

    async def _find(
        self, known: tuple[WorkspaceScope, Snapshot], record_id: int, ref: str, *, newest: bool
    ) -> tuple[Record, str] | None:
        """What was found a moment ago; None where that is not so any more."""
        try:
            async with self._database.read() as tx:
                return await records.find(tx, *known, record_id, ref=ref, newest=newest)
        except DatasetNotFound:  # the records lie elsewhere by now
            return None

    async def history(
        self, caller: Caller, ref: str, workspace: str | None, record_id: int, *, limit: int, offset: int
    ) -> RecordHistory:
        """All that a record ever was, a deleted one too. Raises RecordNotFound for one that never was."""
        async with self._database.snapshot() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace)
            images, total = await records.history(tx, scope, head, record_id, limit=limit, offset=offset)
        if not total:
            raise RecordNotFound
        return RecordHistory(images, total, offset + len(images) < total)


def means_one(version: str | None, as_of: datetime | None) -> bool:
    """A tag or a moment may mean another version later."""
    return as_of is None and (version is None or version.isdecimal())
