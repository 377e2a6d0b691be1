"""Real servers for every test: a private PostgreSQL and Valkey in a temporary folder, started once."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.fixtures import caller, server
from support.turns import Turns

from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.runtime import Runtime
from backend.embedded.valkey import EmbeddedValkey
from backend.repositories.migrate import upgrade

__all__ = ["caller", "server"]

TURNS = pytest.StashKey[Turns]()

_MEASURED = 3

SLOW = [HealthCheck.too_slow]
settings.register_profile("other", deadline=None, suppress_health_check=SLOW)
settings.register_profile("same", deadline=None, suppress_health_check=SLOW, derandomize=True)
settings.load_profile("same")  # no test depends on how busy the machine is, nor on luck


def pytest_make_parametrize_id(val: object) -> str | None:
    """Packed files hold the time: shown in names, they would give a test another name in each process."""
    return "packed" if isinstance(val, bytes) and val.startswith((b"\x1f\x8b", b"PK")) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What collecting makes stays: looking for garbage in it, then and later, takes time and finds none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is taken of the first cases of a test: thousands more run without it, in half of the time."""
    cases = Counter[str]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        if cases[test] > _MEASURED or {"acceptance", "property"} & set(item.path.parts):
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Each process of pytest-xdist measures its coverage by itself: not as a child of this one a second time."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_configure(config: pytest.Config) -> None:
    """In a process of pytest-xdist, find the folder that all of them share."""
    if hasattr(config, "workerinput"):
        config.stash[TURNS] = Turns(Path(config.getoption("basetemp")).parent)


def pytest_unconfigure(config: pytest.Config) -> None:
    if turns := config.stash.get(TURNS, None):
        turns.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    turns = item.config.stash.get(TURNS, None)
    with turns.turn(alone=item.get_closest_marker("alone") is not None) if turns else nullcontext():
        return (yield)


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
