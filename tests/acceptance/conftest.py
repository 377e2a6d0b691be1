"""One running service, and one user of it, for all real files."""

from collections.abc import Iterator

import pytest
from support.client import Client
from support.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("service"), ephemeral=True)
    yield running.start()
    running.stop()


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    user = Client.register(server.base)
    yield user
    user.close()
