"""A file becomes a dataset: read, infer, COPY, publish, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import perf_counter
from uuid import UUID

import msgspec

from backend.errors import DatasetNameTaken, LimitExceeded
from backend.inference import ColumnPlan, Inference, conflicts, encode, unguarded
from backend.readers import open_source
from backend.readers.base import ReadLimits, Source
from backend.repositories import datasets, lookup, records, workspaces
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, ImportAnswer
from backend.schemas.imports import ImportOptions, ImportReport
from backend.schemas.versions import Change
from backend.services.first_version import NewDataset, publish
from backend.services.identifiers import check_name, first_free, name_from_file, slugify, uuid7
from backend.services.keys import keys_for
from backend.services.prefetch import prefetch
from backend.services.uploads import Upload


class ImportService:
    def __init__(self, database: Database, limits: ReadLimits, *, concurrency: int) -> None:
        self._database = database
        self._limits = limits
        self._places = asyncio.Semaphore(concurrency)

    async def check_free(self, caller: Caller, name: str, workspace: str | None) -> None:
        """Before a body is read: raises WorkspaceNotFound, InvalidName, DatasetNameTaken."""
        scope = lookup.workspace(caller, workspace)
        wanted = check_name(name)
        async with self._database.read() as tx:
            names, _ = await datasets.taken(tx, scope, name=wanted, slug=slugify(wanted) or "dataset")
        if wanted.lower() in names:
            raise DatasetNameTaken

    async def create(
        self, caller: Caller, upload: Upload, *, name: str | None, workspace: str | None, options: ImportOptions
    ) -> tuple[Head, ImportAnswer]:
        """A new dataset at version 1, or nothing at all."""
        scope = lookup.workspace(caller, workspace)
        wanted = check_name(name) if name is not None else None
        started = perf_counter()
        async with self._places:
            source = await asyncio.to_thread(self._open, upload, options)
            try:
                await self._ensure_schema(scope)
                load = Load(source, options, self._limits)
                head = await self._store(caller, scope, upload, load, wanted)
            finally:
                await asyncio.to_thread(source.close)
        report = _report(upload, load, perf_counter() - started)
        return head, ImportAnswer(head.dataset, report)

    def _open(self, upload: Upload, options: ImportOptions) -> Source:
        return open_source(
            upload.file,
            filename=upload.filename,
            media_type=upload.media_type,
            options=options,
            limits=self._limits,
            told=upload.format,
            charset=upload.charset,
        )

    async def _ensure_schema(self, scope: WorkspaceScope) -> None:
        if not scope.has_schema:
            async with self._database.transaction() as tx:
                await workspaces.ensure_schema(tx, scope)

    async def _store(
        self, caller: Caller, scope: WorkspaceScope, upload: Upload, load: Load, wanted: str | None
    ) -> Head:
        dataset_id = uuid7()
        scope = msgspec.structs.replace(scope, has_schema=True)
        async with self._database.transaction() as tx:
            await records.create_table(tx, scope, dataset_id)
            await records.load(tx, scope, dataset_id, prefetch(load.lines()))
            if load.redo:
                await records.empty(tx, scope, dataset_id)
                await records.load(tx, scope, dataset_id, prefetch(load.lines_again()))
            await records.add_primary_key(tx, scope, dataset_id)
            await records.analyze(tx, scope, dataset_id)
            await workspaces.lock(tx, scope)
            return await _publish(tx, caller, scope, dataset_id, upload, load, wanted)


class Load:
    """One file on its way into COPY lines, typed by what was seen so far.

    When a later batch shows that what was already sent was typed too strictly, `redo` is set, no more lines are
    made, the rest of the file is only looked at, and `lines_again` goes over it once more.
    """

    def __init__(self, source: Source, options: ImportOptions, limits: ReadLimits) -> None:
        self.source = source
        self.inference = Inference(options, source.warnings)
        self.rows = 0
        self.redo = False
        self._limits = limits
        self._unguard = options.decode_formulas
        self._plan: tuple[ColumnPlan, ...] = ()
        self._keys: list[str] = []

    @property
    def names(self) -> list[str]:
        """The columns' names as far as they are known: longer rows add some."""
        return unguarded(self.source.names) if self._unguard else self.source.names

    @property
    def columns(self) -> list[Column]:
        keys = keys_for(self.names, self._keys)
        return [
            Column(key, name, plan.type, plan.format)
            for key, name, plan in zip(keys, self.names, self.inference.plan(), strict=True)
        ]

    def lines(self) -> Iterator[bytes]:
        """First pass: looks and encodes. Blocking; for a worker thread."""
        for batch in self.source.batches():
            cleaned = self.inference.observe(batch, self.names)
            plan = self.inference.plan()
            self.redo = self.redo or conflicts(self._plan, plan)
            self._plan = plan
            if self.redo:
                continue
            self._keys = keys_for(self.names, self._keys)
            first_id = self.rows + 1
            self.rows += cleaned.frame.height
            if self.rows > self._limits.max_rows:
                raise LimitExceeded(f"The file has more rows than SHEAF_MAX_ROWS, {self._limits.max_rows:,}.")
            yield encode(cleaned, plan, self._keys, first_id=first_id, version=1)
        self.inference.finish(self.names)

    def lines_again(self) -> Iterator[bytes]:
        """Second pass, with the types that the whole file asks for."""
        self.rows = 0
        self._keys = keys_for(self.names, self._keys)
        for batch in self.source.batches():
            cleaned = self.inference.clean(batch, self.names)
            yield encode(cleaned, self._plan, self._keys, first_id=self.rows + 1, version=1)
            self.rows += cleaned.frame.height


async def _publish(
    tx: Tx, caller: Caller, scope: WorkspaceScope, dataset_id: UUID, upload: Upload, load: Load, wanted: str | None
) -> Head:
    name, slug = await _free_names(tx, scope, wanted, upload.filename)
    source = {"filename": upload.filename, "format": load.source.format, "sha256": upload.sha256}
    new = NewDataset(
        id=dataset_id,
        name=name,
        slug=slug,
        columns=load.columns,
        evidence=[msgspec.json.encode(each) for each in load.inference.evidence()],
        change=Change("import", added=load.rows, source=source),
    )
    return await publish(tx, caller, scope, new)


async def _free_names(tx: Tx, scope: WorkspaceScope, wanted: str | None, filename: str | None) -> tuple[str, str]:
    """A name and a slug. Raises DatasetNameTaken when the caller asked for a name that is in use."""
    name = wanted or name_from_file(filename)
    slug = slugify(name) or "dataset"
    names, slugs = await datasets.taken(tx, scope, name=name, slug=slug)
    if wanted is not None and wanted.lower() in names:
        raise DatasetNameTaken
    free_name = first_free(name, lambda each: each.lower() not in names)
    return free_name, first_free(slugify(free_name) or "dataset", lambda each: each not in slugs, joiner="-")


def _report(upload: Upload, load: Load, seconds: float) -> ImportReport:
    source = load.source
    return ImportReport(
        format=source.format,
        encoding=source.encoding,
        delimiter=source.delimiter,
        quote=source.quote,
        sheet=source.sheet,
        header_row=source.header_row,
        rows=load.rows,
        columns=len(load.names),
        rejected=load.inference.rejected,
        bytes=upload.size,
        sha256=upload.sha256,
        seconds=round(seconds, 3),
        warnings=tuple(source.warnings.items),
        warnings_total=source.warnings.total,
    )
