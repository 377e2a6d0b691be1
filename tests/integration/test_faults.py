"""The service, its database or its client dies in the middle of an import: nothing of it stays, and work goes on."""

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from support.client import Client, problem
from support.server import Server, copied
from support.waiting import until
from support.wire import connected, head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

ROWS = 150_000
LARGE = b"id,when,city,amount\n" + b"".join(
    b"%d,2025-01-%02d,city %d,%d.50\n" % (n, n % 28 + 1, n % 97, n % 1000) for n in range(ROWS)
)
SMALL = b"id,name\n1,ann\n2,bob\n"
RELATIONS = """
    SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname LIKE 'ws\\_%' OR nspname = 'sheaf' ORDER BY 1, 2
"""


class Store:
    """What the database of a service holds, seen from the outside."""

    def __init__(self, server: Server, user: Client) -> None:
        self._server, self._key = server, user.key
        self._user: Client | None = None
        self._before = self._content(user)

    def _content(self, user: Client) -> tuple[list[str], list[tuple[str, str]]]:
        with psycopg.connect(self._server.database_url) as connection:
            return user.names(), connection.execute(RELATIONS).fetchall()

    def check_unchanged(self) -> None:
        """No dataset and no table more than before, and the next upload works."""
        user = Client(self._server.base, self._key)
        assert self._content(user) == self._before
        dataset = user.made(user.upload(LARGE, "again.csv"))
        assert user.export(dataset, newline="lf", limit=2, offset=ROWS - 2).splitlines() == [
            LARGE.splitlines()[0],
            *LARGE.splitlines()[-2:],
        ]
        user.close()


@pytest.fixture
def user(mortal: Server) -> Iterator[Client]:
    """Has one small dataset."""
    if not mortal.is_running:
        mortal.start()
    with Client.register(mortal.base) as found:
        found.made(found.upload(SMALL, "small.csv"))
        yield found


@contextmanager
def importing(server: Server, user: Client) -> Iterator[Future[httpx.Response]]:
    """A large upload whose rows are on their way into the database when the block is entered."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(user.upload, LARGE, "large.csv")
        until(lambda: copied(server) > 10_000, "rows arrive in the database")
        assert not answer.done()
        yield answer


def spooled(server: Server) -> int:
    """Bytes in temporary files that the workers hold open."""
    handles = [handle for pid in server.workers for handle in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(_temporary_size(handle) for handle in handles)


def _temporary_size(handle: Path) -> int:
    try:
        target = str(handle.readlink())
        return handle.stat().st_size if target.startswith("/") and target.endswith(" (deleted)") else 0
    except OSError:
        return 0


def test_a_killed_service_leaves_nothing_of_an_import(mortal: Server, user: Client) -> None:
    store = Store(mortal, user)
    with importing(mortal, user) as answer:
        mortal.kill()
        with pytest.raises(httpx.TransportError):
            answer.result()
    mortal.start()
    store.check_unchanged()


def test_a_service_that_is_told_to_stop_ends_an_import_or_leaves_nothing_of_it(mortal: Server, user: Client) -> None:
    store = Store(mortal, user)
    with importing(mortal, user) as answer:
        mortal.stop()
        promised = answer.exception() is None and answer.result().status_code == 201
    mortal.start()
    again = Client(mortal.base, user.key)
    if again.names() == ["large", "small"]:  # the connection may break just after the commit
        assert again.export("large", newline="lf") == LARGE
    else:
        assert not promised
        store.check_unchanged()
    again.close()


def test_a_killed_worker_leaves_nothing_of_an_import(mortal: Server, user: Client) -> None:
    store = Store(mortal, user)
    with importing(mortal, user) as answer:
        (worker,) = mortal.workers
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            answer.result()
    until(lambda: mortal.is_ready, "another worker answers")
    store.check_unchanged()


def test_a_killed_database_leaves_nothing_of_an_import(mortal: Server, user: Client) -> None:
    store = Store(mortal, user)
    with importing(mortal, user) as answer:
        os.kill(mortal.postmaster, signal.SIGKILL)
        problem(answer.result(), 503)
    until(lambda: mortal.is_ready, "the service has its database again")
    store.check_unchanged()


def test_a_database_that_comes_back_costs_one_failed_call_at_most(mortal: Server, user: Client) -> None:
    with ThreadPoolExecutor(16) as pool:  # so that the service holds many connections
        assert set(pool.map(lambda _: len(user.names()), range(100))) == {1}
    os.kill(mortal.postmaster, signal.SIGKILL)
    until(lambda: not answers(mortal), "the database ends")
    until(lambda: answers(mortal), "the database is back")
    statuses = [user.http.get("/datasets").status_code for _ in range(20)]
    assert statuses[0] in {200, 503}
    assert set(statuses[1:]) == {200}


def answers(server: Server) -> bool:
    """Whether the database itself does."""
    try:
        with psycopg.connect(server.database_url) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_client_that_goes_away_leaves_nothing(mortal: Server, user: Client) -> None:
    store = Store(mortal, user)
    with connected(user) as plain:
        length = f"Content-Length: {len(LARGE)}"
        plain.sendall(head(user, "/datasets?name=large", "Content-Type: text/csv", length) + LARGE[: len(LARGE) // 2])
        until(lambda: spooled(mortal) > 2**20, "the body arrives on disk")
    until(lambda: not spooled(mortal), "the body is forgotten")
    store.check_unchanged()


def test_a_refused_import_leaves_nothing(mortal: Server, user: Client) -> None:
    store = Store(mortal, user)
    answer = user.upload(LARGE + b"last,2025-01-01,city,1\n", "large.csv", options={"types": {"id": "integer"}})
    found = problem(answer, 422)["errors"][0]
    assert (found["row"], found["column"]) == (ROWS + 2, "id")
    assert not spooled(mortal)
    store.check_unchanged()
