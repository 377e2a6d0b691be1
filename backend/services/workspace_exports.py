"""A workspace as one ZIP that leaves as a stream: each dataset as a file with its schema and versions, a manifest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import msgspec
from msgspec import Struct

from backend.errors import LimitExceeded
from backend.query.nodes import Query
from backend.query.text import shown
from backend.repositories import datasets, lookup, selections, workspace_archives
from backend.repositories.database import BulkTx, Database
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Snapshot
from backend.schemas.exports import ExportOptions
from backend.schemas.workspace_archives import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    ArchivedColumns,
    ArchivedDataset,
    ArchivedFile,
    ArchivedWorkspace,
    Manifest,
)
from backend.services import spool
from backend.services.exports import check_limits, written
from backend.services.identifiers import first_free
from backend.services.schemas import column_infos
from backend.writers import Writer, writer_for
from backend.writers.archive import Archive

_ALL = Query()
_LARGE = 2**30
"""A dataset that takes as many bytes on disk may make a file of 4 GB."""
_LONGEST_FOLDER = 200
"""Bytes; file systems take names of 255."""
_DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10))}
"""What Windows takes for no file."""


class AnnouncedArchive(Struct, frozen=True):
    """What is said of an archive before it leaves; `rows`: of all datasets together."""

    filename: str
    rows: int


class ArchiveExport(AnnouncedArchive, frozen=True):
    """An archive that is ready to leave."""

    chunks: AsyncIterator[bytes]


class _Plan(Struct, frozen=True):
    """What goes into an archive: all datasets as they were at one moment, `at`."""

    scope: WorkspaceScope
    workspace: ArchivedWorkspace
    heads: Sequence[Head]
    at: datetime
    options: ExportOptions
    writer: Writer

    def announced(self) -> AnnouncedArchive:
        return AnnouncedArchive(f"{self.workspace.slug}.zip", sum(head.dataset.rows for head in self.heads))


class WorkspaceExportService:
    def __init__(self, database: Database, streams: spool.Streams) -> None:
        self._database = database
        self._streams = streams

    async def start(self, caller: Caller, ref: str, options: ExportOptions) -> ArchiveExport:
        """The archive of a workspace. What can be wrong with the request is raised now, before the first byte.

        Raises WorkspaceNotFound, Forbidden, InvalidQuery, LimitExceeded.
        """
        plan = await self._plan(caller, ref, options)

        def produce(out: spool.Spool) -> None:
            self._write(plan, out)

        told = plan.announced()
        chunks = await self._streams.start(produce, caller.user_id)
        return ArchiveExport(told.filename, told.rows, chunks)

    async def announce(self, caller: Caller, ref: str, options: ExportOptions) -> AnnouncedArchive:
        """What `start` would say of the archive, with none made."""
        return (await self._plan(caller, ref, options)).announced()

    async def _plan(self, caller: Caller, ref: str, options: ExportOptions) -> _Plan:
        writer = writer_for(options)
        scope = lookup.workspace(caller, ref)
        async with self._database.snapshot() as tx:
            workspace, at = await workspace_archives.about(tx, scope), datetime.now(UTC)
            heads = await datasets.list_all(tx, scope)
            for head in heads if writer.limits is not None else ():
                snapshot = await lookup.snapshot(tx, scope, head)
                chosen = selections.selection(scope, snapshot, _ALL, self._database.fold)
                try:
                    await check_limits(tx, chosen, _ALL, writer, options, newest=True)
                except LimitExceeded as error:
                    raise LimitExceeded(f"{shown(head.dataset.slug)}: {error}", errors=error.errors) from error
        return _Plan(scope, workspace, heads, at, options, writer)

    def _write(self, plan: _Plan, out: spool.Spool) -> None:
        """Blocking. Each dataset has a snapshot of its own: none is held for longer than it takes to read it."""
        packing = _Packing(out)
        listed = []
        for head, folder in zip(plan.heads, _folders(plan.heads), strict=True):
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                listed.append(_write_dataset(tx, plan, head, folder, packing, self._database.fold))
        manifest = Manifest(FORMAT, FORMAT_VERSION, plan.at, plan.workspace, plan.options, tuple(listed))
        packing.add(MANIFEST, [_pretty(manifest)])
        packing.finish()


class _Packing:
    """An archive on its way out, file by file."""

    def __init__(self, out: spool.Spool) -> None:
        self._out = out
        self._archive = Archive()

    def add(self, name: str, chunks: Iterable[bytes], *, large: bool = False) -> ArchivedFile:
        digest, size = sha256(), 0
        self._out.put(self._archive.begin(name, large=large))
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if packed := self._archive.add(chunk):
                self._out.put(packed)
        self._out.put(self._archive.end())
        return ArchivedFile(name, size, digest.hexdigest())

    def finish(self) -> None:
        self._out.put(self._archive.finish())


def _write_dataset(tx: BulkTx, plan: _Plan, head: Head, folder: str, packing: _Packing, fold: str) -> ArchivedDataset:
    """Raises VersionPruned when the version that was to be written is gone by now."""
    dataset, scope, writer = head.dataset, plan.scope, plan.writer
    columns, evidence = workspace_archives.list_columns(tx, scope, dataset.id, dataset.version)
    told = (dataset.version, head.token, dataset.rows, columns, dataset.name, head.revision)
    snapshot = Snapshot(dataset.id, head.store, *told)
    chosen = selections.new_selection(scope, snapshot, _ALL, fold)
    path = f"datasets/{folder}"
    chunks = written(tx, chosen, _ALL, writer, plan.options, rows=dataset.rows)
    data = packing.add(f"{path}/data.{writer.extension}", chunks, large=dataset.bytes >= _LARGE)
    schema = packing.add(f"{path}/schema.json", [_schema(columns, evidence)])
    versions = packing.add(f"{path}/versions.ndjson", _version_lines(tx, scope, dataset.id, dataset.version))
    ((newest,),) = workspace_archives.list_versions(tx, scope, dataset.id, since=dataset.version, until=dataset.version)
    return ArchivedDataset(
        **{name: getattr(dataset, name) for name in _DATASET_FIELDS},
        open_schema=head.open_schema,
        **{name: getattr(newest, name) for name in _VERSION_FIELDS},
        data=data,
        schema=schema,
        versions=versions,
    )


_VERSION_FIELDS = ("version", "created_at", "author", "operation", "note", "tag")
_DATASET_FIELDS = (
    "id", "slug", "name", "description", "kind", "key", "keep_versions", "keep_days", "rows", "columns",
)  # fmt: skip


def _schema(columns: Sequence[Column], evidence: Mapping[str, bytes | None]) -> bytes:
    return _pretty(ArchivedColumns(column_infos(columns, evidence)))


def _version_lines(tx: BulkTx, scope: WorkspaceScope, dataset_id: UUID, until: int) -> Iterator[bytes]:
    for page in workspace_archives.list_versions(tx, scope, dataset_id, until=until):
        yield b"".join(msgspec.json.encode(version) + b"\n" for version in page)


def _pretty(content: Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _folders(heads: Sequence[Head]) -> Iterator[str]:
    """A name for each dataset's folder that every file system takes: its slug wherever that is one."""
    taken: set[str] = set()
    for head in heads:
        name = head.dataset.slug.encode()[:_LONGEST_FOLDER].decode(errors="ignore")
        name = f"{name}-" if name in _DEVICES else name
        taken.add(name := first_free(name, lambda each: each not in taken, joiner="-"))
        yield name
