"""The composition root: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from backend import settings as configuration
from backend.cache import Cache
from backend.controllers import API, ROOT
from backend.controllers.documented import Summaries
from backend.controllers.head import with_head
from backend.controllers.problems import problem_details
from backend.controllers.schema_page import SchemaPage
from backend.errors import AppError
from backend.logs import configure_logging
from backend.observing import observed
from backend.readers.base import ReadLimits
from backend.repositories.database import Database
from backend.security.auth import Authentication
from backend.services.datasets import DatasetService
from backend.services.exports import ExportService
from backend.services.health import HealthService
from backend.services.imports import ImportService
from backend.services.record_writes import RecordWriteService
from backend.services.records import RecordService
from backend.services.schemas import SchemaService
from backend.services.spool import Streams
from backend.services.uploads import UploadFolder
from backend.services.users import UserService
from backend.services.versions import VersionService
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


def _litestar(settings: Settings, database: Database) -> Litestar:
    users = UserService(database, registration_open=settings.registration == "open")
    datasets = DatasetService(database, grace=timedelta(days=settings.undelete_days), max_columns=settings.max_columns)
    cache = Cache(settings.redis_url) if settings.redis_url else None
    return Litestar(
        [Router("/api/v1", route_handlers=API), *ROOT],
        dependencies=_dependencies(
            settings, database, users=users, datasets=datasets, health=HealthService(database, cache)
        ),
        middleware=[Authentication(users)],
        plugins=[problem_details(settings.max_body), Summaries()],
        lifespan=[_running(database, cache, datasets)],
        openapi_config=_openapi(),
        request_max_body_size=settings.max_body,
        logging_config=None,
    )


def _dependencies(settings: Settings, database: Database, **made: object) -> dict[str, Provide]:
    limits = ReadLimits(
        max_line=settings.max_line,
        max_cell=settings.max_cell,
        max_columns=settings.max_columns,
        max_rows=settings.max_rows,
        workbook_memory=int(settings.workbook_memory),
        workbook_seconds=settings.workbook_seconds,
        max_inflated=int(settings.max_inflated),
        folder=_spool(settings),
    )
    streams = Streams(_spool(settings), concurrency=settings.concurrent_exports)
    parts: dict[str, object] = {
        **made,
        "imports": ImportService(database, limits, concurrency=settings.concurrent_imports),
        "records": RecordService(database, streams),
        "record_writes": RecordWriteService(database, max_columns=settings.max_columns),
        "schemas": SchemaService(database, max_columns=settings.max_columns),
        "versions": VersionService(database),
        "exports": ExportService(database, streams),
        "upload_folder": UploadFolder(_spool(settings), settings.max_upload, settings.max_body),
    }
    return {name: Provide(_give(part), sync_to_thread=False) for name, part in parts.items()}


def _give(part: object) -> Callable[[], Any]:
    def give() -> Any:
        return part

    return give


def _spool(settings: Settings) -> Path:
    """Where uploads and streams to slow clients wait; files without names, so a killed process leaves none."""
    return settings.data / "spool"


def _running(database: Database, cache: Cache | None, datasets: DatasetService) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await database.open()
        upkeep = asyncio.create_task(_upkeep(datasets))
        try:
            yield
        finally:
            upkeep.cancel()
            await asyncio.wait([upkeep])
            await database.close()
            if cache is not None:
                await cache.close()

    return lifespan


async def _upkeep(datasets: DatasetService) -> None:
    """What nobody waits for, once an hour."""
    while True:
        try:
            await datasets.sweep()
        except AppError as error:
            log.warning("upkeep_failed", error=str(error))
        await asyncio.sleep(3600)


def _openapi() -> OpenAPIConfig:
    key = SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header")
    bearer = SecurityScheme(type="http", scheme="bearer")
    return OpenAPIConfig(
        title="Sheaf",
        version="0.1.0",
        description="Spreadsheets in, versioned datasets, spreadsheets out.",
        components=Components(security_schemes={"key": key, "bearer": bearer}),
        security=[{"key": []}, {"bearer": []}],
        path=SCHEMA,
        render_plugins=[SchemaPage(SCHEMA), YamlRenderPlugin()],
    )
