"""What is different between two versions of a dataset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from backend.errors import InvalidCursor
from backend.query.seal import Seal
from backend.repositories import diffs, lookup
from backend.repositories.copying import copy_out
from backend.repositories.database import Database, Tx
from backend.repositories.diffs import Between, Images
from backend.schemas.callers import Caller
from backend.schemas.columns import Column
from backend.schemas.diffs import CellDifference, ColumnDifference, ColumnState, Diff, DiffSummary, RecordDifference
from backend.services import spool

_NULL = Raw(b"null")
_values = msgspec.json.Decoder(dict[str, Raw])


class Place(Struct, frozen=True, array_like=True, tag="diff"):
    """Where a page ended: between which versions of which dataset, behind which record; how many differ in all."""

    dataset: UUID
    versions: tuple[int, int]
    tokens: tuple[str, str]
    last: int
    counts: tuple[int, int, int]


_places = msgspec.msgpack.Decoder(Place)


class DiffService:
    def __init__(self, database: Database, streams: spool.Streams, seal: Seal) -> None:
        self._database = database
        self._streams = streams
        self._seal = seal

    async def summary(
        self, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
    ) -> DiffSummary:
        """How many records differ. Raises DatasetNotFound, VersionNotFound, VersionPruned."""
        async with self._database.snapshot(limited=True) as tx:
            pair = await _between(tx, caller, ref, workspace, before, after)
            counts = await diffs.summary(tx, pair)
        return DiffSummary(*counts, _columns(pair))

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
        place = None if cursor is None else self._opened(cursor, before, after)
        if place is not None:
            before, after = map(str, place.versions)
        async with self._database.snapshot(limited=True) as tx:
            pair = await _between(tx, caller, ref, workspace, before, after, place)
            if place is not None and place != _place(pair, place.last, place.counts):
                raise InvalidCursor
            counts = place.counts if place else await diffs.summary(tx, pair)
            images = await diffs.list_page(tx, pair, behind=place.last if place else 0, limit=limit + 1)
        data = tuple(map(_comparing(pair), images[:limit]))
        more = len(images) > limit
        following = self._seal.sealed(msgspec.msgpack.encode(_place(pair, data[-1].id, counts))) if more else None
        return Diff(
            pair.before.version,
            pair.after.version,
            *counts,
            _columns(pair),
            data,
            len(data),
            more,
            following,
        )

    def _opened(self, cursor: str, before: str | None, after: str | None) -> Place:
        """What a cursor says; the same versions may be named beside it, no others. Raises InvalidCursor."""
        try:
            place = _places.decode(self._seal.opened(cursor))
        except msgspec.MsgspecError as error:
            raise InvalidCursor from error
        for named, version in zip((before, after), place.versions, strict=True):
            if named is not None and named.isdecimal() and named != str(version):
                raise InvalidCursor
        return place

    async def stream(
        self, caller: Caller, ref: str, workspace: str | None, before: str | None, after: str | None
    ) -> spool.Lines:
        """All records that differ, a JSON object a line, ready to begin.

        Raises DatasetNotFound, VersionNotFound, VersionPruned.
        """
        async with self._database.snapshot() as tx:
            pair = await _between(tx, caller, ref, workspace, before, after)
        compare, encode = _comparing(pair), msgspec.json.encode

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                for lines in copy_out(tx, diffs.stream_statement(tx, pair)):
                    out.put(b"".join([encode(compare(diffs.read_line(line))) + b"\n" for line in lines]))

        async def begin() -> AsyncIterator[bytes]:
            async with self._streams.in_time("compare versions that are nearer to each other."):
                return await self._streams.start(produce, caller.user_id)

        etag = f'W/"{pair.before.token}.{pair.after.token}.lines"'
        return spool.Lines(pair.after.version, etag, begin, pair.before.version)


async def _between(
    tx: Tx,
    caller: Caller,
    ref: str,
    workspace: str | None,
    before: str | None,
    after: str | None,
    place: Place | None = None,
) -> Between:
    """Both versions; without `after` the newest, without `before` the one ahead of that.

    Raises InvalidCursor for a place in another dataset.
    """
    scope, head = await lookup.head(tx, caller, ref, workspace)
    if place is not None and place.dataset != head.dataset.id:
        raise InvalidCursor
    later = await lookup.snapshot(tx, scope, head, version=after)
    wanted = before if before is not None else str(max(1, later.version - 1))
    return await diffs.between(tx, scope, await lookup.snapshot(tx, scope, head, version=wanted), later)


def _place(pair: Between, last: int, counts: tuple[int, int, int]) -> Place:
    before, after = pair.before, pair.after
    return Place(before.dataset_id, (before.version, after.version), (before.token, after.token), last, counts)


def _comparing(pair: Between) -> Callable[[Images], RecordDifference]:
    """Tells two images apart. Columns are called as in the later version, those of a removed record as in its own."""
    known = {column.key for column in pair.before.columns}

    def compare(images: Images) -> RecordDifference:
        before = {} if images.before is None else _values.decode(images.before)
        after = {} if images.after is None else _values.decode(images.after)
        cells = dict[str, CellDifference]()
        for column in pair.before.columns if images.after is None else pair.after.columns:
            b = before.get(column.key, _NULL) if column.key in known else _NULL
            a = after.get(column.key, _NULL)
            if bytes(b) != bytes(a):
                cells[column.name] = CellDifference(b, a)
        change: Literal["added", "changed", "removed"] = "changed"
        if images.before is None or images.after is None:
            change = "added" if images.before is None else "removed"
        return RecordDifference(images.id, change, cells)

    return compare


def _columns(pair: Between) -> tuple[ColumnDifference, ...]:
    """The columns that are not what they were, those of the later version first."""
    before, after = pair.before.columns, pair.after.columns
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
