"""The running service for every integration test, and datasets in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from support.archives import archive
from support.datasets import orders, people, typed
from support.server import Server
from support.service import (
    anonymous,
    client,
    common,
    connect,
    make_user,
    once,
    reader,
    service,
    stranger,
    upload,
    user,
)

from backend.repositories.database import Database

__all__ = [
    "anonymous", "archive", "client", "common", "connect", "make_user", "once", "orders", "people", "reader", "service",
    "stranger", "typed", "upload", "user",
]  # fmt: skip


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service to be killed; whoever kills it starts it again, or waits for another worker."""
    with Server(tmp_path_factory.mktemp("mortal")) as running:
        yield running


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await Database(postgres_url, size=4, bulk_size=4, prepare=True).open()
    yield opened
    await opened.close()
