"""One user for all real files."""

from collections.abc import Iterator

import pytest
from support.client import Client
from support.server import Server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    with Client.register(server.base) as user:
        yield user
