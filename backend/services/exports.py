"""A dataset at a version, filtered and sorted, as a file that leaves as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from hashlib import blake2b

import msgspec
from msgspec import Struct

from backend.errors import InvalidQuery, LimitExceeded
from backend.metrics import BYTES_EXPORTED, EXPORTS, ROWS_EXPORTED
from backend.query.compile import is_wide
from backend.query.nodes import Query
from backend.repositories import extents, lookup, selections
from backend.repositories.copying import copy_out
from backend.repositories.database import BulkTx, Database, Tx
from backend.repositories.selections import Selection
from backend.schemas.callers import Caller
from backend.schemas.columns import RECORD_ID, Column
from backend.schemas.exports import ExportOptions
from backend.schemas.problems import ErrorItem
from backend.services import spool
from backend.services.indexing import IndexService
from backend.services.preconditions import matches
from backend.writers import Table, Writer, writer_for

_IDS = Column(RECORD_ID, RECORD_ID, "integer", nullable=False)


class Announced(Struct, frozen=True):
    """What is said of a file before it leaves; nothing about the request can be wrong any more."""

    filename: str
    media_type: str
    version: int
    rows: int


class Export(Announced, frozen=True):
    """A file that is ready to leave."""

    chunks: AsyncIterator[bytes]


class Asked(Struct, frozen=True):
    """What a caller wants as a file: which dataset, what of it, and how it is written."""

    ref: str
    workspace: str | None
    query: Query
    options: ExportOptions


class Plan(Struct, frozen=True):
    """An export that can be made: everything about the request has been checked."""

    chosen: Selection
    query: Query
    options: ExportOptions
    writer: Writer
    rows: int

    def announced(self) -> Announced:
        snapshot, writer = self.chosen.snapshot, self.writer
        return Announced(f"{snapshot.name}.{writer.extension}", writer.media_type, snapshot.version, self.rows)


class _Found(Struct, frozen=True):
    """What an export would be made of; `newest`: of the dataset as it is now."""

    chosen: Selection
    writer: Writer
    etag: str
    newest: bool


class ExportService:
    def __init__(self, database: Database, streams: spool.Streams, indexing: IndexService) -> None:
        self._database = database
        self._indexing = indexing
        self._streams = streams

    async def start(self, caller: Caller, asked: Asked, *, if_none_match: str | None) -> tuple[Export | None, str]:
        """The export and its ETag; no export when `if_none_match` names that.

        Everything is checked now: once the first byte is out, no error can reach the client. Raises LimitExceeded where
        that takes too long, as the others do.
        """
        async with self._streams.in_time():
            plan, etag = await self._plan_unless_known(caller, asked, if_none_match)
            if plan is None:
                return None, etag
            told = plan.announced()
            chunks = await self.made(plan, caller)
            return Export(told.filename, told.media_type, told.version, told.rows, chunks), etag

    async def announce(
        self, caller: Caller, asked: Asked, *, if_none_match: str | None
    ) -> tuple[Announced | None, str]:
        """What `start` would say of the export, with none made."""
        async with self._streams.in_time():
            plan, etag = await self._plan_unless_known(caller, asked, if_none_match)
        return None if plan is None else plan.announced(), etag

    async def plan(self, caller: Caller, asked: Asked) -> tuple[Plan, str]:
        """What `start` would do, and the ETag."""
        async with self._streams.in_time(), self._database.snapshot() as tx:
            found = await self._find(tx, caller, asked)
            return await _checked(tx, found, asked), found.etag

    async def _plan_unless_known(self, caller: Caller, asked: Asked, known: str | None) -> tuple[Plan | None, str]:
        async with self._database.snapshot() as tx:
            found = await self._find(tx, caller, asked)
            if matches(known, found.etag, weak=True):
                return None, found.etag
            return await _checked(tx, found, asked), found.etag

    async def _find(self, tx: Tx, caller: Caller, asked: Asked) -> _Found:
        query = asked.query
        if query.cursor is not None:
            raise InvalidQuery("An export has no pages; leave `cursor` out.")
        writer = writer_for(asked.options)
        scope, head = await lookup.head(tx, caller, asked.ref, asked.workspace)
        snapshot = await lookup.snapshot(tx, scope, head, version=query.version, as_of=query.as_of)
        chosen = selections.selection(scope, snapshot, query, self._database.fold)
        etag = f'W/"{snapshot.token}.{head.revision}.{chosen.fingerprint.hex()}.{_tag(asked.options)}"'
        self._indexing.note(chosen, newest=snapshot.token == head.token)
        return _Found(chosen, writer, etag, snapshot.token == head.token)

    async def made(
        self, plan: Plan, caller: Caller | None = None, *, on_rows: Callable[[int], object] | None = None
    ) -> AsyncGenerator[bytes]:
        """The file in chunks, once the first is there; `on_rows` is told of each few records, from a thread.

        `caller`: who takes it; None: the service itself.
        """

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                file = written(tx, plan.chosen, plan.query, plan.writer, plan.options, rows=plan.rows, on_rows=on_rows)
                for chunk in file:
                    BYTES_EXPORTED.labels(plan.options.format).inc(len(chunk))
                    out.put(chunk)
            EXPORTS.labels(plan.options.format).inc()
            ROWS_EXPORTED.labels(plan.options.format).inc(plan.rows)

        return await self._streams.start(produce, None if caller is None else caller.user_id)


async def _checked(tx: Tx, found: _Found, asked: Asked) -> Plan:
    """Raises LimitExceeded."""
    query = asked.query
    await check_limits(tx, found.chosen, query, found.writer, asked.options, newest=found.newest)
    most = None if query.limit is None else query.offset + query.limit
    matching = await selections.count(tx, found.chosen, newest=found.newest, at_most=most)
    rows = max((matching if most is None else min(matching, most)) - query.offset, 0)
    return Plan(found.chosen, query, asked.options, found.writer, rows)


def written(
    tx: BulkTx,
    chosen: Selection,
    query: Query,
    writer: Writer,
    options: ExportOptions,
    *,
    rows: int,
    on_rows: Callable[[int], object] | None = None,
) -> Iterator[bytes]:
    """The file of a selection of so many `rows`, in chunks. Blocking. Raises VersionPruned, DatasetNotFound."""
    columns = chosen.compiled.columns
    table = Table(
        chosen.snapshot.name,
        (_IDS, *columns) if options.ids else columns,
        rows,
        wide=is_wide(columns),
        extents=extents.extents(tx, chosen, query, writer.measured(columns)),
    )
    delimiter = writer.delimiter(options)
    statement = selections.export_statement(tx, chosen, query, delimiter=delimiter, ids=options.ids)
    records = copy_out(tx, statement)
    yield from writer.write(records if on_rows is None else _counted(records, on_rows), table, options)


def _counted(records: Iterator[list[bytes]], on_rows: Callable[[int], object]) -> Iterator[list[bytes]]:
    for some in records:
        yield some
        on_rows(len(some))


def _tag(options: ExportOptions) -> str:
    return blake2b(msgspec.json.encode(options), digest_size=6).hexdigest()


async def check_limits(
    tx: Tx, chosen: Selection, query: Query, writer: Writer, options: ExportOptions, *, newest: bool
) -> None:
    """Raises LimitExceeded for what the format cannot hold, before the first byte is sent."""
    limits = writer.limits
    if limits is None:
        return
    columns = chosen.compiled.columns
    if (count := len(columns) + options.ids) > limits.columns:
        raise LimitExceeded(f"This format has at most {limits.columns:,} columns; select fewer than {count:,}.")
    found = await extents.first_long_cell(tx, chosen, query, limits.cell, newest=newest)
    if found is not None:
        record_id, key = found
        name = next(column.name for column in columns if column.key == key)
        reason = f"This format holds {limits.cell:,} characters a cell; {name!r} of record {record_id} has more."
        raise LimitExceeded(reason, errors=[ErrorItem(reason, pointer=f"/records/{record_id}", column=name)])
