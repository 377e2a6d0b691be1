"""The composition root: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from backend import settings as configuration
from backend.cache import Cache
from backend.controllers import API, ROOT
from backend.controllers.access import Access
from backend.controllers.documented import Summaries
from backend.controllers.head import with_head
from backend.controllers.limits import Limits
from backend.controllers.problems import problem_details
from backend.controllers.retries import Retries
from backend.controllers.schema_page import SchemaPage
from backend.controllers.short_way import shortened
from backend.logs import configure_logging
from backend.observing import observed
from backend.query.seal import Seal
from backend.readers.base import ReadLimits
from backend.repositories import secrets
from backend.repositories.database import Database
from backend.schemas.limits import Quotas
from backend.security.auth import PUBLIC, Authentication
from backend.security.idempotency import Idempotency
from backend.services.answers import Answers
from backend.services.api_keys import KeyPolicy
from backend.services.datasets import DatasetService
from backend.services.diffs import DiffService
from backend.services.exports import ExportService
from backend.services.filtered_writes import FilteredWriteService
from backend.services.health import HealthService
from backend.services.idempotency import IdempotencyService
from backend.services.import_leases import Leases
from backend.services.import_queue import ImportQueue
from backend.services.import_runs import ImportRuns
from backend.services.import_watch import ImportWatch
from backend.services.importers import Importers
from backend.services.imports import ImportService
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
from backend.services.upkeep import upkeep
from backend.services.uploads import UploadFolder
from backend.services.upserts import UpsertService
from backend.services.users import UserService
from backend.services.versions import VersionService
from backend.services.workspace_exports import WorkspaceExportService
from backend.services.workspace_imports import WorkspaceImportService
from backend.services.workspaces import WorkspaceService
from backend.services.writing import Writers
from backend.settings import Settings

if TYPE_CHECKING:
    from litestar.types import ASGIApp

log = structlog.get_logger()
SCHEMA = "/schema"
"""Where the OpenAPI document is, and the page that shows it."""


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service; it connects when its lifespan begins."""
    settings = settings or configuration.load(os.environ)
    configure_logging(settings.log_level)
    _spool(settings).mkdir(parents=True, exist_ok=True)
    return with_head(observed(_litestar(settings, _database(settings))))


def _database(settings: Settings) -> Database:
    return Database(
        settings.database_url,
        size=settings.database_pool,
        bulk_size=settings.concurrent_exports,
        prepare=settings.prepared_statements,
    )


def _litestar(settings: Settings, database: Database) -> ASGIApp:
    users = _users(settings, database)
    datasets = _datasets(settings, database)
    leases, repeats, seal = Leases(database), IdempotencyService(database), Seal()
    cache = _cache(settings, seal)
    importers = _importers(settings, database, leases)
    watch = ImportWatch(database, leases, keep=timedelta(days=settings.import_days))
    workspaces = WorkspaceService(database, users.forgotten_everywhere, grace=timedelta(days=settings.undelete_days))
    streams, exports, prepared = _exports(settings, database)
    hourly = upkeep([each.sweep for each in (workspaces, datasets, watch, importers.uploads, repeats, prepared)])
    work = (hourly, importers.queue.work, leases.keep, prepared.work, PruningService(database).work)
    queries = QueryService(database, streams, seal, Answers(cache, memory=settings.cache_memory))
    made = {
        "users": users,
        "workspaces": workspaces,
        "members": MemberService(database, users.forgotten_everywhere),
        "workspace_imports": _workspace_imports(settings, database, users),
        "datasets": datasets,
        "importers": importers,
        "import_watch": watch,
        "limits": _told(settings),
        "exports": exports,
        "prepared": prepared,
        "queries": queries,
    }
    app = Litestar(
        [Router("/api/v1", route_handlers=API), *ROOT],
        dependencies=_dependencies(settings, database, seal, streams, **made, health=HealthService(database, cache)),
        middleware=[Authentication(users), Idempotency(repeats, most=_largest(settings))],
        plugins=[problem_details(settings.max_body), Summaries(), Access(), Retries()],
        lifespan=[_running(database, seal, cache, work)],
        openapi_config=_openapi(),
        request_max_body_size=settings.max_body,
        logging_config=None,
    )
    return shortened(app, users, queries)


def _datasets(settings: Settings, database: Database) -> DatasetService:
    grace = timedelta(days=settings.undelete_days)
    return DatasetService(database, grace=grace, max_columns=settings.max_columns, quotas=_quotas(settings))


def _cache(settings: Settings, seal: Seal) -> Cache | None:
    keep = timedelta(minutes=settings.cache_minutes)
    return Cache(settings.redis_url, seal, keep=keep) if settings.redis_url else None


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


def _exports(settings: Settings, database: Database) -> tuple[Streams, ExportService, PreparedExportService]:
    streams = Streams(_spool(settings), concurrency=settings.concurrent_exports)
    exports = ExportService(database, streams)
    keep = timedelta(hours=settings.export_hours)
    prepared = PreparedExportService(database, exports, keep=keep, most_bytes=settings.workspace_export_bytes)
    return streams, exports, prepared


def _importers(settings: Settings, database: Database, leases: Leases) -> Importers:
    service = ImportService(
        database, _limits(settings), concurrency=settings.concurrent_imports, quotas=_quotas(settings)
    )
    folder = _folder(settings)
    uploads = KeptUploads(database, folder, keep=timedelta(hours=settings.upload_hours))
    queue = ImportQueue(database, service, leases, uploads, places=settings.concurrent_imports)
    return Importers(service, folder, ImportRuns(database, service, leases), queue, uploads)


def _folder(settings: Settings) -> UploadFolder:
    return UploadFolder(_spool(settings), settings.max_upload, settings.max_body)


def _largest(settings: Settings) -> int:
    """No body is larger: a file with its form around it, or JSON."""
    return max(settings.max_upload, settings.max_body) + 2**20


def _quotas(settings: Settings) -> Quotas:
    return Quotas(settings.workspace_datasets, settings.workspace_rows, settings.workspace_bytes)


def _told(settings: Settings) -> Limits:
    """Each limit that is a setting, by its name."""
    names = set(Limits.__struct_fields__) & set(Settings.__struct_fields__)
    return msgspec.convert({name: int(getattr(settings, name)) or None for name in names}, Limits)


def _limits(settings: Settings) -> ReadLimits:
    return ReadLimits(
        max_line=settings.max_line,
        max_cell=settings.max_cell,
        max_columns=settings.max_columns,
        max_rows=settings.max_rows,
        workbook_memory=int(settings.workbook_memory),
        workbook_seconds=settings.workbook_seconds,
        max_inflated=int(settings.max_inflated),
        folder=_spool(settings),
    )


def _dependencies(
    settings: Settings, database: Database, seal: Seal, streams: Streams, **made: object
) -> dict[str, Provide]:
    quotas = _quotas(settings)
    writers = Writers(database, quotas)
    writes = RecordWriteService(writers, SmallWrites(database, quotas), max_columns=settings.max_columns)
    parts: dict[str, object] = {
        **made,
        "records": RecordService(database),
        "record_writes": writes,
        "record_streams": RecordStreams(database, writers, writes, _folder(settings), _limits(settings)),
        "upserts": UpsertService(writers, max_columns=settings.max_columns),
        "keyed_records": KeyedRecordService(database, writers, writes),
        "filtered_writes": FilteredWriteService(database, writers, max_columns=settings.max_columns),
        "schemas": SchemaService(database, writers, max_columns=settings.max_columns),
        "versions": VersionService(database),
        "diffs": DiffService(database, streams, seal),
        "restores": RestoreService(database, writers),
        "workspace_exports": WorkspaceExportService(database, streams),
        "rejected_files": RejectedFiles(database, streams),
    }
    return {name: Provide(_give(part), sync_to_thread=False) for name, part in parts.items()}


def _give(part: object) -> Callable[[], Any]:
    def give() -> Any:
        return part

    return give


def _spool(settings: Settings) -> Path:
    """Where uploads and streams to slow clients wait; files without names, so a killed process leaves none."""
    return settings.data / "spool"


Work = Callable[[], Coroutine[Any, Any, None]]


def _running(database: Database, seal: Seal, cache: Cache | None, work: Sequence[Work]) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await database.open()
        async with database.read() as tx:
            seal.use(await secrets.cursors(tx))
        tasks = [asyncio.create_task(each()) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await database.close()
            if cache is not None:
                await cache.close()

    return lifespan


def _openapi() -> OpenAPIConfig:
    key = SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header")
    bearer = SecurityScheme(type="http", scheme="bearer")
    return OpenAPIConfig(
        title="Sheaf",
        version="0.1.0",
        description="Spreadsheets in, versioned datasets, spreadsheets out.",
        components=Components(security_schemes={"key": key, "bearer": bearer}),
        security=[{"key": []}, {"bearer": []}],
        openapi_router=Router(SCHEMA, route_handlers=[], include_in_schema=False, opt=PUBLIC),
        render_plugins=[SchemaPage(SCHEMA), YamlRenderPlugin()],
    )
