"""Real servers for every test: a private PostgreSQL and Valkey in a temporary folder, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fixtures import caller, server

from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.runtime import Runtime
from backend.embedded.valkey import EmbeddedValkey
from backend.repositories.migrate import upgrade

__all__ = ["caller", "server"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    runtime = Runtime()
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def data_folder(runtime: Runtime) -> Iterator[DataFolder]:
    folder = DataFolder(runtime.path / "data")
    yield folder
    folder.close()


@pytest.fixture(scope="session")
def empty_postgres_url(data_folder: DataFolder, runtime: Runtime) -> Iterator[str]:
    """Address of a running PostgreSQL, its database still empty."""
    server = EmbeddedPostgres(data_folder, runtime, ephemeral=True)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(empty_postgres_url: str) -> str:
    """Address of a running PostgreSQL with the project's schema."""
    upgrade(empty_postgres_url)
    return empty_postgres_url


@pytest.fixture(scope="session")
def redis_url(data_folder: DataFolder, runtime: Runtime) -> Iterator[str]:
    """Address of a running Valkey."""
    server = EmbeddedValkey(data_folder, runtime)
    server.start()
    yield server.url
    server.stop()
