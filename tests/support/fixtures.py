"""One running service for all tests that need a real one, and a user of it."""

from collections.abc import Iterator

import pytest

from support.client import Client
from support.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`sheaf serve --ephemeral` with default settings."""
    with Server(tmp_path_factory.mktemp("service"), ephemeral=True) as running:
        yield running


@pytest.fixture
def caller(server: Server) -> Iterator[Client]:
    """A new user; the workspace is empty."""
    with Client.register(server.base) as user:
        yield user
