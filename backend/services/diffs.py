"""What is different between two versions of a dataset."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from backend.errors import InvalidCursor
from backend.repositories import diffs, lookup, selections
from backend.repositories.copying import copy_out
from backend.repositories.database import Database, Tx
from backend.repositories.diffs import Between, Images
from backend.schemas.callers import Caller
from backend.schemas.columns import Column
from backend.schemas.diffs import CellDifference, ColumnDifference, ColumnState, Diff, DiffSummary, RecordDifference
from backend.services import spool

_NULL = Raw(b"null")
_values = msgspec.json.Decoder(dict[str, Raw])
_CURSOR = re.compile(r"([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,18})")


class DiffService:
    def __init__(self, database: Database, streams: spool.Streams) -> None:
        self._database = database
        self._streams = streams

    async def summary(
        self, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
    ) -> DiffSummary:
        """How many records differ. Raises DatasetNotFound, VersionNotFound, VersionPruned."""
        async with self._database.snapshot() as tx:
            told = await _between(tx, caller, ref, workspace, before, after)
            counts = await diffs.summary(tx, told)
        return DiffSummary(*counts, _columns(told))

    async def page(
        self,
        caller: Caller,
        ref: str,
        workspace: str | None,
        before: str | None,
        after: str | None,
        *,
        cursor: str | None,
        limit: int,
    ) -> Diff:
        """The records that differ, cell by cell; `cursor`: those of the next page, between the same versions.

        Raises DatasetNotFound, VersionNotFound, VersionPruned, InvalidCursor.
        """
        behind = 0
        if cursor is not None:
            before, after, behind = _place(cursor, before, after)
        async with self._database.snapshot() as tx:
            told = await _between(tx, caller, ref, workspace, before, after)
            counts = await diffs.summary(tx, told)
            images = await diffs.list_page(tx, told, behind=behind, limit=limit + 1)
        data = tuple(map(_comparing(told), images[:limit]))
        following = _cursor(told, data[-1].id) if len(images) > limit else None
        return Diff(
            told.before.version,
            told.after.version,
            *counts,
            _columns(told),
            data,
            len(data),
            following is not None,
            following,
        )

    async def stream(
        self, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
    ) -> tuple[int, int, AsyncIterator[bytes]]:
        """Both versions and all records that differ, a JSON object a line.

        Raises DatasetNotFound, VersionNotFound, VersionPruned.
        """
        async with self._database.snapshot() as tx:
            told = await _between(tx, caller, ref, workspace, before, after)
        compare, encode = _comparing(told), msgspec.json.encode

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                for version in (told.before, told.after):
                    selections.check_kept(tx, told.scope, version)
                for lines in copy_out(tx, diffs.stream_statement(tx, told)):
                    out.put(b"".join([encode(compare(diffs.read_line(line))) + b"\n" for line in lines]))

        return told.before.version, told.after.version, await self._streams.start(produce)


async def _between(
    tx: Tx, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
) -> Between:
    """Both versions; without `after` the newest, without `before` the one ahead of that."""
    scope, head = await lookup.head(tx, caller, ref, workspace)
    later = await lookup.snapshot(tx, scope, head, version=after)
    wanted = before if before is not None else str(max(1, later.version - 1))
    return await diffs.between(tx, scope, await lookup.snapshot(tx, scope, head, version=wanted), later)


def _cursor(told: Between, last: int) -> str:
    return f"{told.before.version}-{told.after.version}-{last}"


def _place(cursor: str, before: str | None, after: str | None) -> tuple[str, str, int]:
    """Both versions and the record that a cursor is behind; the same versions may be named beside it, no others."""
    found = _CURSOR.fullmatch(cursor)
    if found is None or any(
        named is not None and named.isdecimal() and named != pinned
        for named, pinned in zip((before, after), found.groups(), strict=False)
    ):
        raise InvalidCursor
    return found[1], found[2], int(found[3])


def _comparing(told: Between) -> Callable[[Images], RecordDifference]:
    """Tells two images apart. Columns are called as in the later version, those of a removed record as in its own."""
    known = {column.key for column in told.before.columns}

    def compare(images: Images) -> RecordDifference:
        before = {} if images.before is None else _values.decode(images.before)
        after = {} if images.after is None else _values.decode(images.after)
        cells = dict[str, CellDifference]()
        for column in told.before.columns if images.after is None else told.after.columns:
            b = before.get(column.key, _NULL) if column.key in known else _NULL
            a = after.get(column.key, _NULL)
            if bytes(b) != bytes(a):
                cells[column.name] = CellDifference(b, a)
        change: Literal["added", "changed", "removed"] = "changed"
        if images.before is None or images.after is None:
            change = "added" if images.before is None else "removed"
        return RecordDifference(images.id, change, cells)

    return compare


def _columns(told: Between) -> tuple[ColumnDifference, ...]:
    """The columns that are not what they were, those of the later version first."""
    before, after = told.before.columns, told.after.columns
    moved = _moved(before, after)
    earlier = {column.key: (place, column) for place, column in enumerate(before, 1)}
    found = list[ColumnDifference]()
    for place, column in enumerate(after, 1):
        was = earlier.pop(column.key, None)
        if was is None:
            found.append(ColumnDifference("added", None, _state(place, column)))
        elif was[1] != column or column.key in moved:
            found.append(ColumnDifference("changed", _state(*was), _state(place, column)))
    return (*found, *(ColumnDifference("removed", _state(*gone), None) for gone in earlier.values()))


def _moved(before: Sequence[Column], after: Sequence[Column]) -> set[str]:
    """The keys of columns that have another place among those of both versions."""
    both = {column.key for column in before} & {column.key for column in after}
    orders = ([column.key for column in columns if column.key in both] for columns in (before, after))
    return {b for b, a in zip(*orders, strict=True) if a != b}


def _state(place: int, column: Column) -> ColumnState:
    return ColumnState(column.name, column.type, column.format, column.nullable, column.description, place)
