"""The composition root: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi.plugins import YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from backend import settings as configuration
from backend.assembly import Assembled, assemble, largest_body, spool_folder
from backend.controllers import API, ROOT
from backend.controllers.access import Access
from backend.controllers.documented import DocumentConfig, Summaries
from backend.controllers.fast_path import shortened
from backend.controllers.head import Options, with_head
from backend.controllers.problems import problem_details
from backend.controllers.retries import Retries
from backend.controllers.schema_page import SchemaPage, told_as_elsewhere
from backend.logs import configure_logging
from backend.observing import observed, readable
from backend.repositories import secrets
from backend.schemas.addresses import API_PATH
from backend.security.auth import PUBLIC, Authentication
from backend.security.concurrency import bounded
from backend.security.headers import protected, readable_from
from backend.security.idempotency import Idempotency
from backend.security.proxies import behind
from backend.security.rate_limit import limited
from backend.services.figures import Place
from backend.serving import Stopping
from backend.settings import Settings, SettingsError

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from backend.telemetry import Telemetry

SCHEMA = "/schema"
"""Where the OpenAPI document is, and the page that shows it."""


def create_app(
    settings: Settings | None = None, stopping: Stopping | None = None, place: Place | None = None
) -> ASGIApp:
    """The service; it connects when its lifespan begins. The rest as for `assemble`."""
    settings = settings or configuration.load(os.environ)
    configure_logging(settings.log_level)
    spool_folder(settings).mkdir(parents=True, exist_ok=True)
    stopping = stopping or Stopping()
    return application(settings, assemble(settings, stopping, place), _telemetry(os.environ), stopping)


def _telemetry(environment: Mapping[str, str]) -> Telemetry | None:
    """Where one of the standard variables says where spans go. Raises SettingsError where the extra is missing."""
    exporter, address = environment.get("OTEL_TRACES_EXPORTER", ""), "OTEL_EXPORTER_OTLP_{}ENDPOINT"
    wanted = exporter in {"otlp", "console"} or any(environment.get(address.format(of)) for of in ("", "TRACES_"))
    if not wanted or exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        return import_module("backend.telemetry").telemetry(environment)  # type: ignore[no-any-return]
    except ImportError as error:
        text = "OTEL_… variables are set, but the extra `telemetry` is not installed (`uv sync --extra telemetry`)"
        raise SettingsError(text) from error


def application(
    settings: Settings, made: Assembled, telemetry: Telemetry | None = None, stopping: Stopping | None = None
) -> ASGIApp:
    """What is around the handlers, from the outside in."""
    app = shortened(_litestar(settings, made, telemetry), made.users, made.queries)
    if settings.rates:
        app = _limited(settings, made, app)
    app = bounded(app, settings.concurrency)
    if settings.origins:
        app = readable_from(settings.origins, app)
    app = observed(protected(readable(app), page=SCHEMA), stopping or Stopping())
    app = with_head(app if telemetry is None else telemetry.traced(app))
    return behind(settings.trusted_proxies, app) if settings.trusted_proxies else app


def _limited(settings: Settings, made: Assembled, app: ASGIApp) -> ASGIApp:
    """Where any key works, each is made up: then all count by address. Raises SettingsError."""
    if made.cache is None:
        raise SettingsError("SHEAF_RATE_LIMIT needs SHEAF_REDIS_URL, where all workers count together")
    return limited(app, settings.rates, made.cache, None if settings.key_policy == "any" else made.users)


def _litestar(settings: Settings, made: Assembled, telemetry: Telemetry | None) -> Litestar:
    return Litestar(
        [Router(API_PATH, route_handlers=API), *ROOT],
        dependencies={name: Provide(_give(part), sync_to_thread=False) for name, part in made.parts.items()},
        middleware=[Authentication(made.users), Idempotency(made.repeats, most=largest_body(settings))],
        plugins=[problem_details(settings.max_body), Summaries(), Access(), Retries(), Options()],
        lifespan=[_running(made, telemetry)],
        openapi_config=_openapi(),
        request_max_body_size=settings.max_body,
        logging_config=None,
    )


def _give(part: object) -> Callable[[], Any]:
    def give() -> Any:
        return part

    return give


def _running(made: Assembled, telemetry: Telemetry | None) -> Callable[[Litestar], Any]:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await made.database.open()
        async with made.database.read() as tx:
            made.seal.use(await secrets.cursors(tx))
        tasks = [asyncio.create_task(each()) for each in made.work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await made.answers.close()
            await made.probe.close()
            await made.database.close()
            if made.cache is not None:
                await made.cache.close()
            if telemetry is not None:
                await asyncio.to_thread(telemetry.close)

    return lifespan


def _openapi() -> DocumentConfig:
    key = SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header")
    bearer = SecurityScheme(type="http", scheme="bearer")
    return DocumentConfig(
        title="Sheaf",
        version=version("sheaf"),
        description="Spreadsheets in, versioned datasets, spreadsheets out.",
        components=Components(security_schemes={"key": key, "bearer": bearer}),
        security=[{"key": []}, {"bearer": []}],
        openapi_router=Router(
            SCHEMA, route_handlers=[], include_in_schema=False, opt=PUBLIC, after_request=told_as_elsewhere
        ),
        render_plugins=[SchemaPage(SCHEMA), YamlRenderPlugin()],
    )
