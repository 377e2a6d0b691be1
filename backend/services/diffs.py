"""What is different between two versions of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from backend.repositories import diffs, lookup
from backend.repositories.database import Database, Tx
from backend.repositories.diffs import Images
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot
from backend.schemas.diffs import CellDifference, Diff, DiffSummary, RecordDifference

_NULL = Raw(b"null")
_values = msgspec.json.Decoder(dict[str, Raw])


class DiffService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def summary(
        self, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
    ) -> DiffSummary:
        """How many records differ. Raises DatasetNotFound, VersionNotFound."""
        async with self._database.read() as tx:
            scope, earlier, later = await _snapshots(tx, caller, ref, workspace, before, after)
            return await diffs.summary(tx, scope, earlier, later)

    async def page(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        before: str | None,
        after: str | None,
        *,
        behind: int,
        limit: int,
    ) -> Diff:
        """The records that differ, cell by cell, those behind an id. Raises DatasetNotFound, VersionNotFound."""
        async with self._database.read() as tx:
            scope, earlier, later = await _snapshots(tx, caller, ref, workspace, before, after)
            total = await diffs.summary(tx, scope, earlier, later)
            images = await diffs.list_page(tx, scope, earlier, later, behind=behind, limit=limit + 1)
        names = _names(earlier.columns, later.columns)
        data = tuple(_difference(each, names) for each in images[:limit])
        following = data[-1].id if len(images) > limit else None
        counts = (total.added, total.changed, total.removed)
        return Diff(earlier.version, later.version, *counts, data, len(data), following is not None, following)


async def _snapshots(
    tx: Tx, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
) -> tuple[WorkspaceScope, Snapshot, Snapshot]:
    """Both versions; without `after` the newest, without `before` the one ahead of that."""
    scope, head = await lookup.head(tx, caller, ref, workspace)
    later = await lookup.snapshot(tx, scope, head, version=after)
    wanted = before if before is not None else str(max(1, later.version - 1))
    return scope, await lookup.snapshot(tx, scope, head, version=wanted), later


def _names(before: Sequence[Column], after: Sequence[Column]) -> dict[str, str]:
    """Column key → name, of all columns of both versions; the later name counts."""
    return {column.key: column.name for column in (*after, *before)} | {column.key: column.name for column in after}


def _difference(images: Images, names: Mapping[str, str]) -> RecordDifference:
    before = {} if images.before is None else _values.decode(images.before)
    after = {} if images.after is None else _values.decode(images.after)
    cells = {
        name: CellDifference(before.get(key, _NULL), after.get(key, _NULL))
        for key, name in names.items()
        if bytes(before.get(key, _NULL)) != bytes(after.get(key, _NULL))
    }
    if images.before is None:
        return RecordDifference(images.id, "added", cells)
    return RecordDifference(images.id, "removed" if images.after is None else "changed", cells)
