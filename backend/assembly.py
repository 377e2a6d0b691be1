"""Every service, made from the settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from backend.cache import Cache
from backend.controllers.limits import Limits
from backend.query.seal import Seal
from backend.readers.base import ReadLimits
from backend.repositories.database import Database
from backend.repositories.probes import PROBE_CONNECTIONS, Probe
from backend.schemas.limits import Quotas
from backend.services.answers import Answers
from backend.services.api_keys import KeyPolicy
from backend.services.datasets import DatasetService
from backend.services.diffs import DiffService
from backend.services.explanations import ExplanationService
from backend.services.export_queue import ExportQueue
from backend.services.exports import ExportService
from backend.services.figures import FigureService, Place
from backend.services.filtered_writes import FilteredWriteService
from backend.services.health import HealthService
from backend.services.idempotency import IdempotencyService
from backend.services.import_leases import Leases
from backend.services.import_queue import ImportQueue
from backend.services.import_runs import ImportRuns
from backend.services.import_status import ImportStatusService
from backend.services.importers import Importers
from backend.services.imports import ImportService
from backend.services.indexing import INDEX_CONNECTIONS, IndexLimits, IndexService
from backend.services.kept_uploads import KeptUploads
from backend.services.keyed_records import KeyedRecordService
from backend.services.members import MemberService
from backend.services.prepared_exports import PreparedExportService
from backend.services.pruning import PruningService
from backend.services.queries import QueryService
from backend.services.record_streams import RecordStreams
from backend.services.record_writes import RecordWriteService
from backend.services.records import RecordService
from backend.services.rejected_files import RejectedFiles
from backend.services.restores import RestoreService
from backend.services.schemas import SchemaService
from backend.services.small_writes import SmallWrites
from backend.services.spool import Streams
from backend.services.upkeep import Work, upkeep
from backend.services.uploads import UploadFolder
from backend.services.upserts import UpsertService
from backend.services.users import UserService
from backend.services.versions import VersionService
from backend.services.workspace_exports import WorkspaceExportService
from backend.services.workspace_imports import WorkspaceImportService
from backend.services.workspaces import WorkspaceService
from backend.services.writing import Writers
from backend.serving import Stopping
from backend.settings import Settings


class Assembled(msgspec.Struct, frozen=True):
    """What the application is made of.

    `parts`: what handlers ask for, by name; `work`: what runs beside the requests, until it is cancelled.
    """

    database: Database
    probe: Probe
    seal: Seal
    cache: Cache | None
    users: UserService
    queries: QueryService
    answers: Answers
    repeats: IdempotencyService
    parts: dict[str, object]
    work: tuple[Work, ...]


def assemble(settings: Settings, stopping: Stopping | None = None, place: Place | None = None) -> Assembled:
    """Nothing is connected yet. `place`: where workers keep their figures, if this is one of several processes."""
    database, probe = _database(settings), Probe(settings.database_url)
    users, datasets = _users(settings, database), _datasets(settings, database)
    leases, repeats, prepared = Leases(database), IdempotencyService(database), PreparedExportService(database)
    cache = _cache(settings, seal := Seal())
    importers = _importers(settings, database, leases)
    status = ImportStatusService(database, leases, keep=timedelta(days=settings.import_days))
    workspaces = WorkspaceService(database, users.forgotten_everywhere, grace=timedelta(days=settings.undelete_days))
    indexing = IndexService(database, IndexLimits(settings.index_rows, settings.index_days, settings.index_budget))
    streams, exports, export_queue = _exports(settings, database, indexing)
    hourly = upkeep([each.sweep for each in (workspaces, datasets, status, importers.uploads, repeats, prepared)])
    figures = FigureService(database, probe, place)
    work = (hourly, importers.queue.work, leases.keep, export_queue.work, PruningService(database).work, figures.work)
    answers = Answers(cache, memory=settings.cache_memory)
    queries = QueryService(database, streams, seal, answers, indexing)
    parts = {
        "users": users,
        "workspaces": workspaces,
        "members": MemberService(database, users.forgotten_everywhere),
        "workspace_exports": WorkspaceExportService(database, streams),
        "workspace_imports": _workspace_imports(settings, database, users),
        "datasets": datasets,
        "importers": importers,
        "import_status": status,
        "rejected_files": RejectedFiles(database, streams),
        "limits": _public_limits(settings),
        "exports": exports,
        "export_queue": export_queue,
        "prepared": prepared,
        "queries": queries,
        "explanations": ExplanationService(database, queries, indexing),
        "records": RecordService(database),
        "versions": VersionService(database),
        "diffs": DiffService(database, streams, seal),
        "figures": figures,
        "health": HealthService(probe, cache, stopping or Stopping()),
        **_writes(settings, database),
    }
    return Assembled(database, probe, seal, cache, users, queries, answers, repeats, parts, (*work, indexing.work))


def _writes(settings: Settings, database: Database) -> dict[str, object]:
    quotas, limits = _quotas(settings), _limits(settings)
    writers = Writers(database, quotas)
    writes = RecordWriteService(writers, SmallWrites(database, quotas, limits=limits), limits=limits)
    return {
        "record_writes": writes,
        "record_streams": RecordStreams(database, writers, writes, _folder(settings), limits),
        "upserts": UpsertService(writers, limits=limits),
        "keyed_records": KeyedRecordService(database, writers, writes),
        "filtered_writes": FilteredWriteService(database, writers, limits=limits),
        "schemas": SchemaService(database, writers, max_columns=settings.max_columns),
        "restores": RestoreService(database, writers, limits=limits),
    }


def _database(settings: Settings) -> Database:
    return Database(
        settings.database_url,
        size=settings.database_pool,
        bulk_size=settings.concurrent_exports,
        prepare=settings.prepared_statements,
        wait=settings.wait_seconds,
        patience=settings.statement_seconds,
    )


def most_connections(settings: Settings) -> int:
    """So many database connections one worker may open."""
    return settings.database_pool + settings.concurrent_exports + PROBE_CONNECTIONS + INDEX_CONNECTIONS


def _datasets(settings: Settings, database: Database) -> DatasetService:
    grace = timedelta(days=settings.undelete_days)
    return DatasetService(database, grace=grace, max_columns=settings.max_columns, quotas=_quotas(settings))


def _cache(settings: Settings, seal: Seal) -> Cache | None:
    keep = timedelta(minutes=settings.cache_minutes)
    return Cache(settings.redis_url, seal, keep=keep, patience=settings.cache_seconds) if settings.redis_url else None


def _users(settings: Settings, database: Database) -> UserService:
    policy = KeyPolicy.of(settings.key_policy, settings.listed_keys)
    is_open = settings.registration == "open"
    return UserService(database, registration_open=is_open, policy=policy, memory=settings.key_memory)


def _workspace_imports(settings: Settings, database: Database, users: UserService) -> WorkspaceImportService:
    return WorkspaceImportService(
        database,
        users.forgotten_everywhere,
        _limits(settings),
        concurrency=settings.concurrent_imports,
        quotas=_quotas(settings),
    )


def _exports(
    settings: Settings, database: Database, indexing: IndexService
) -> tuple[Streams, ExportService, ExportQueue]:
    streams = Streams(
        spool_folder(settings),
        concurrency=settings.concurrent_exports,
        wait=settings.wait_seconds,
        page=settings.statement_seconds,
        disk=settings.spool_bytes,
    )
    exports = ExportService(database, streams, indexing)
    keep = timedelta(hours=settings.export_hours)
    queue = ExportQueue(database, exports, keep=keep, most_bytes=settings.workspace_export_bytes)
    return streams, exports, queue


def _importers(settings: Settings, database: Database, leases: Leases) -> Importers:
    service = ImportService(
        database, _limits(settings), concurrency=settings.concurrent_imports, quotas=_quotas(settings)
    )
    folder = _folder(settings)
    keep = timedelta(hours=settings.upload_hours)
    uploads = KeptUploads(database, folder, keep=keep, most_bytes=settings.workspace_upload_bytes)
    queue = ImportQueue(database, service, leases, uploads, places=settings.concurrent_imports)
    return Importers(service, folder, ImportRuns(database, service, leases), queue, uploads)


def _folder(settings: Settings) -> UploadFolder:
    return UploadFolder(spool_folder(settings), settings.max_upload, settings.max_body)


def largest_body(settings: Settings) -> int:
    """No body is larger: a file with its form around it, or JSON."""
    return max(settings.max_upload, settings.max_body) + 2**20


def _quotas(settings: Settings) -> Quotas:
    return Quotas(settings.workspace_datasets, settings.workspace_rows, settings.workspace_bytes)


def _public_limits(settings: Settings) -> Limits:
    """Each limit that is a setting, by its name."""
    names = set(Limits.__struct_fields__) & set(Settings.__struct_fields__)
    given = {name: getattr(settings, name) or None for name in names}
    sizes = {name: int(value) for name, value in given.items() if isinstance(value, int)}
    return msgspec.convert({**given, **sizes}, Limits)


def _limits(settings: Settings) -> ReadLimits:
    return ReadLimits(
        max_line=settings.max_line,
        max_cell=settings.max_cell,
        max_columns=settings.max_columns,
        max_rows=settings.max_rows,
        workbook_memory=int(settings.workbook_memory),
        workbook_seconds=settings.workbook_seconds,
        max_inflated=int(settings.max_inflated),
        folder=spool_folder(settings),
    )


def spool_folder(settings: Settings) -> Path:
    """Where uploads and streams to slow clients wait; files without names, so a killed process leaves none."""
    return settings.data / "spool"
