"""An exported workspace as a new one: all of it, checked against its manifest, in one transaction, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from backend.errors import BadCells, DuplicateKeys, InvalidRecord, LimitExceeded, UnreadableFile
from backend.query.text import shown
from backend.readers.archived import ArchivedFiles
from backend.readers.base import ReadLimits
from backend.readers.exact import ExactSource
from backend.repositories import members, own_workspaces, record_keys, workspaces
from backend.repositories.database import Database, Tx, translating
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.datasets import Head
from backend.schemas.imports import ImportOptions
from backend.schemas.limits import Quotas
from backend.schemas.versions import Change
from backend.schemas.workspace_archives import (
    ArchivedDataset,
    ImportedDataset,
    ImportedFrom,
    Manifest,
    PlannedWorkspace,
    WorkspaceImport,
    WorkspaceImportPlan,
    WorkspaceImportRequest,
)
from backend.schemas.workspaces import WorkspaceHead
from backend.services.first_imports import load_table
from backend.services.first_version import NewDataset, publish
from backend.services.identifiers import check_name, uuid7
from backend.services.loads import Load, Target
from backend.services.members import Forgotten
from backend.services.progress import Progress
from backend.services.quotas import NO_QUOTAS, Room
from backend.services.uploads import Upload
from backend.services.workspace_contents import ALONGSIDE, ArchivedSchema, Contents
from backend.services.workspaces import free_slug


class Imported(Struct, frozen=True):
    head: WorkspaceHead
    answer: WorkspaceImport


class WorkspaceImportService:
    def __init__(
        self,
        database: Database,
        forgotten: Forgotten,
        limits: ReadLimits,
        *,
        concurrency: int,
        quotas: Quotas = NO_QUOTAS,
    ) -> None:
        """`limits`: of the archive and each of its files; `quotas`: of the workspace that it becomes."""
        self._database = database
        self._forgotten = forgotten
        self._limits = limits
        self._quotas = quotas
        self._places = asyncio.Semaphore(concurrency)

    async def check(self, caller: Caller, asked: WorkspaceImportRequest) -> None:
        """Before a body is read. Raises InvalidName, WorkspaceSlugTaken."""
        if asked.name is not None:
            check_name(asked.name)
        if asked.slug is not None:
            async with self._database.rolled_back() as tx:
                await free_slug(tx, caller, asked.slug, "")

    async def run(
        self, caller: Caller, upload: Upload, asked: WorkspaceImportRequest
    ) -> Imported | WorkspaceImportPlan:
        """The new workspace, or in a dry run what it would be.

        Raises UnreadableFile, LimitExceeded, QuotaExceeded and TooLarge for what cannot come in, InvalidName,
        WorkspaceSlugTaken.
        """
        started, progress = perf_counter(), Progress()
        async with self._places:
            with await asyncio.to_thread(ArchivedFiles, upload.file, max_inflated=self._limits.max_inflated) as files:
                contents = await asyncio.to_thread(Contents, files, self._limits)
                manifest = contents.manifest
                Room(self._quotas).check(datasets=len(manifest.datasets), rows=manifest.rows, size=upload.size)
                bringing = _Bringing(self._database, caller, contents, self._limits, self._quotas, progress)
                try:
                    await asyncio.to_thread(contents.verify, progress)
                    if asked.dry_run:
                        await asyncio.to_thread(bringing.look)
                        return await self._planned(caller, asked, manifest)
                    imported = await bringing.run(asked, started)
                finally:
                    progress.cancelled = True
        await self._forgotten()
        return imported

    async def _planned(self, caller: Caller, asked: WorkspaceImportRequest, manifest: Manifest) -> WorkspaceImportPlan:
        name = check_name(asked.name or manifest.workspace.name)
        async with self._database.rolled_back() as tx:
            slug = await free_slug(tx, caller, asked.slug, manifest.workspace.slug)
        workspace = PlannedWorkspace(slug, name, manifest.workspace.description)
        return WorkspaceImportPlan(
            workspace, tuple(_imported(manifest, each, None) for each in manifest.datasets), manifest.rows
        )


class _Bringing:
    """One archive on its way in."""

    def __init__(
        self,
        database: Database,
        caller: Caller,
        contents: Contents,
        limits: ReadLimits,
        quotas: Quotas,
        progress: Progress,
    ) -> None:
        self._database = database
        self._caller = caller
        self._contents = contents
        self._limits = limits
        self._quotas = quotas
        self._progress = progress

    def look(self) -> None:
        """Every file read to its end and nothing stored. Blocking."""
        for dataset in self._contents.manifest.datasets:
            load, _ = self._load(dataset, self._contents.schema(dataset))
            with _about(dataset):
                load.look()
                _check_rows(dataset, load)

    async def run(self, asked: WorkspaceImportRequest, started: float) -> Imported:
        """The user's lock, which their other new workspaces wait for, is taken at the end."""
        manifest, caller = self._contents.manifest, self._caller
        name, description = check_name(asked.name or manifest.workspace.name), manifest.workspace.description
        scope = WorkspaceScope(uuid7(), asked.slug or manifest.workspace.slug, name, "owner", has_schema=False)
        async with self._database.publishing() as tx:
            if len(manifest.datasets) > ALONGSIDE:
                await workspaces.take_turn(tx)
            await workspaces.add(tx, scope.id, scope.slug, name, description)
            if manifest.datasets:
                await workspaces.ensure_schema(tx, scope)
                scope = structs.replace(scope, has_schema=True)
            heads = [await self._store(tx, scope, dataset) for dataset in manifest.datasets]
            slug = await free_slug(tx, caller, asked.slug, manifest.workspace.slug)
            if slug != scope.slug:
                await workspaces.set_slug(tx, scope, slug)
            await members.add(tx, scope.id, caller.user_id, "owner")
            made = await own_workspaces.find(tx, caller.user_id, scope.id)
        if made is None:
            raise TypeError("a workspace that was just made is there")
        found = tuple(
            _imported(manifest, each, head.dataset.id) for each, head in zip(manifest.datasets, heads, strict=True)
        )
        return Imported(made, WorkspaceImport(made.workspace, found, manifest.rows, round(perf_counter() - started, 3)))

    async def _store(self, tx: Tx, scope: WorkspaceScope, dataset: ArchivedDataset) -> Head:
        """One dataset at version 1; its evidence is what the archive says: values may have changed since."""
        manifest, schema = self._contents.manifest, await asyncio.to_thread(self._contents.schema, dataset)
        load, exact = self._load(dataset, schema)
        key = schema.named(dataset.key)
        with _about(dataset):
            dataset_id = await load_table(tx, self._progress, scope, load)
            _check_rows(dataset, load)
            if key is not None:
                with translating(key.name):
                    await record_keys.build(tx, scope, dataset_id, key)
        origin = _origin(manifest, dataset)
        source = {"format": manifest.options.format, "filename": dataset.data.file, "sha256": dataset.data.sha256}
        new = NewDataset(
            id=dataset_id,
            name=dataset.name,
            slug=dataset.slug,
            columns=schema.columns,
            evidence=schema.evidence,
            change=Change("import", added=load.rows, source={**source, "origin": msgspec.to_builtins(origin)}),
            description=dataset.description,
            open_schema=dataset.open_schema,
            key=None if key is None else key.key,
            next_id=exact.last_id + 1 if manifest.options.ids else None,
            keep_versions=dataset.keep_versions,
            keep_days=dataset.keep_days,
        )
        return await publish(tx, self._caller, scope, new, self._quotas)

    def _load(self, dataset: ArchivedDataset, schema: ArchivedSchema) -> tuple[Load, ExactSource]:
        """A load in which nothing is inferred: types, formats and nulls are those of the schema."""
        source, first_id = self._contents.source(dataset, schema), None if self._contents.manifest.options.ids else 1
        target = Target(columns={column.name: column for column in schema.columns}, first_id=first_id)
        return Load(source, ImportOptions(), self._limits, self._progress, target=target), source


@contextmanager
def _about(dataset: ArchivedDataset) -> Iterator[None]:
    """Whatever is wrong within the block is said to be wrong with the dataset's data file."""
    file = shown(dataset.data.file)
    try:
        yield
    except BadCells as error:
        cell = error.errors[0]
        text = f"{file}: row {cell.row}, column {cell.column!r}: {cell.message}."
        raise UnreadableFile(text, errors=error.errors) from error
    except LimitExceeded as error:
        raise LimitExceeded(f"{file}: {error}") from error
    except (UnreadableFile, DuplicateKeys, InvalidRecord) as error:
        raise UnreadableFile(f"{file}: {error}", errors=error.errors) from error


def _check_rows(dataset: ArchivedDataset, load: Load) -> None:
    if load.rows != dataset.rows:
        raise UnreadableFile(f"it has {load.rows:,} records; the manifest says {dataset.rows:,}.")


def _origin(manifest: Manifest, dataset: ArchivedDataset) -> ImportedFrom:
    return ImportedFrom(manifest.workspace.id, dataset.id, dataset.version)


def _imported(manifest: Manifest, dataset: ArchivedDataset, dataset_id: UUID | None) -> ImportedDataset:
    return ImportedDataset(
        dataset_id,
        dataset.slug,
        dataset.name,
        dataset.rows,
        dataset.columns,
        dataset.data.bytes,
        dataset.data.sha256,
        _origin(manifest, dataset),
    )
