"""The supervisor: starts the private servers and the workers, replaces what dies, ends everything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from types import FrameType
from typing import NoReturn
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace

from backend.embedded.failure import Failure, as_failure
from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.runtime import Runtime
from backend.embedded.valkey import EmbeddedValkey
from backend.logs import configure_logging
from backend.repositories.migrate import upgrade
from backend.settings import Settings
from backend.supervisor.client import Client
from backend.supervisor.keys import keep_bootstrap_key, operator
from backend.supervisor.samples import samples
from backend.supervisor.workers import Restarted, Workers, watch

log = structlog.get_logger()

DATABASE_ADDRESS = "database_url"
"""File in the data folder that says where the private database answers, while it runs."""
_MEMORY = {"MALLOC_ARENA_MAX": "2"}
"""Else the C library keeps what is freed in eight parts a processor, and a thread finds what is in its own alone."""


class Request(Struct, frozen=True):
    """What the command line asks for besides the settings."""

    settings: Settings
    ephemeral: bool = False
    sample: bool = False
    key: bool = True


class _Stop(BaseException):
    """SIGTERM, SIGINT or SIGHUP has come."""


class _Budget:
    """The seconds in which everything ends, counted from the signal."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = 0.0

    def begin(self) -> None:
        self._begun = time.monotonic()

    def left(self) -> float:
        return max(0.5, self._begun + self._seconds - time.monotonic())


def serve(request: Request) -> None:
    """Run the service until it is told to stop. Raises Failure when it cannot start."""
    configure_logging(request.settings.log_level)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    budget = _Budget(6.5 + request.settings.drain_seconds)
    with contextlib.suppress(_Stop), contextlib.ExitStack() as stack:
        try:
            with as_failure("The service cannot start"):
                children = _start(request, stack, budget)
            watch(children)
        finally:
            budget.begin()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stop


def _start(request: Request, stack: contextlib.ExitStack, budget: _Budget) -> list[Restarted]:
    """Start everything, each with its end on the stack, and say so."""
    settings = request.settings
    runtime = Runtime()
    stack.callback(runtime.close)
    listener = stack.enter_context(_listen(settings.host, settings.port))
    data = DataFolder(runtime.path / "data" if request.ephemeral else settings.data)
    stack.callback(data.close)
    settings, servers = _start_servers(request, data, runtime, stack, budget)
    _migrate(settings.database_url)
    _bootstrap(settings)
    key = _operator_key(settings, data) if request.key and settings.key_policy != "listed" else None

    figures = runtime.path / "figures"
    figures.mkdir(mode=0o700)
    workers = Workers(listener, _environment(settings), settings.workers, figures, drain=settings.drain_seconds)
    stack.callback(workers.stop)
    workers.start()
    client = Client(listener.getsockname()[:2])
    client.wait_until_ready(workers.check)
    _announce(listener, key)
    if request.sample and (owner := key or next(iter(settings.listed_keys), None)):
        client.load(samples(), owner)
        print("Sample datasets: sales, users, products", flush=True)  # noqa: T201
    return [*servers, *workers.each()]


def _listen(host: str, port: int) -> socket.socket:
    """Bind the address now, so that a port in use is told before anything else starts."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Failure(
            f"Cannot listen on {host}, port {port}: {error.strerror}; choose another with --host or --port."
        ) from error


def _start_servers(
    request: Request, data: DataFolder, runtime: Runtime, stack: contextlib.ExitStack, budget: _Budget
) -> tuple[Settings, list[Restarted]]:
    """Start PostgreSQL and Valkey where no address is given; the settings then hold theirs."""
    settings = replace(request.settings, data=data.path)
    servers: list[Restarted] = []
    if not settings.database_url:
        postgres = EmbeddedPostgres(data, runtime, ephemeral=request.ephemeral)
        stack.callback(lambda: postgres.stop(budget.left()))
        postgres.start()
        data.write(DATABASE_ADDRESS, postgres.url)
        stack.callback((data.path / DATABASE_ADDRESS).unlink, missing_ok=True)
        settings = replace(settings, database_url=postgres.url)
        servers.append(Restarted("postgres", postgres))
    if not settings.redis_url:
        valkey = EmbeddedValkey(data, runtime)
        stack.callback(valkey.stop)
        valkey.start()
        settings = replace(settings, redis_url=valkey.url)
        servers.append(Restarted("valkey", valkey))
    return settings, servers


def _migrate(url: str) -> None:
    with as_failure("The database cannot be prepared"):
        upgrade(url)


def with_database(settings: Settings) -> Settings:
    """The settings with the address of the database: the given one, or that of the service now running."""
    if settings.database_url:
        return settings
    kept = settings.data / DATABASE_ADDRESS
    if not kept.exists():
        raise Failure(f"Set SHEAF_DATABASE_URL, or start the service that has its data in {settings.data} first.")
    return replace(settings, database_url=kept.read_text().strip())


def _bootstrap(settings: Settings) -> None:
    """The key of the configuration, before anyone can send it; and a warning where keys open too little or much."""
    if settings.key_policy == "any":
        log.warning("any_key_opens_the_service", detail="SHEAF_KEY_POLICY=any is for development")
    if settings.bootstrap_key:
        with as_failure("The key of SHEAF_BOOTSTRAP_KEY cannot be made"):
            works = asyncio.run(keep_bootstrap_key(settings))
        if not works:
            log.warning("bootstrap_key_is_dead", detail="it was revoked, or its user is disabled; choose another one")


def _operator_key(settings: Settings, data: DataFolder) -> str:
    """The key kept in the data folder, renewed when it does not work any more."""
    user = data.read("operator")
    with as_failure("The first API key cannot be made"):
        found = asyncio.run(operator(settings, user_id=UUID(user) if user else None, api_key=data.read("api_key")))
    data.write("operator", str(found.user_id))
    data.write("api_key", found.api_key)
    return found.api_key


def _environment(settings: Settings) -> dict[str, str]:
    """What the workers read their own settings from; what they put aside goes into the data folder."""
    ours = {"SHEAF_BOOTSTRAP_KEY", "SHEAF_BOOTSTRAP_KEY_FILE", "SHEAF_DATABASE_URL_FILE", "SHEAF_REDIS_URL_FILE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    told = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "DATA": str(settings.data)}
    spool = {"TMPDIR": str(settings.data / "spool")}
    return {**_MEMORY, **kept, **spool, **{f"SHEAF_{name}": value for name, value in told.items()}}


def _announce(listener: socket.socket, key: str | None) -> None:
    host, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    print(f"Sheaf is ready at http://{name}:{port}", flush=True)  # noqa: T201
    if key:
        print(f"API key: {key}", flush=True)  # noqa: T201
