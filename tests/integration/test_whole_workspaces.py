"""Whole workspaces out and in, as a real service does it: killed meanwhile."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from zipfile import ZipFile

import httpx
import psycopg
import pytest
from support.client import Client, problem
from support.server import Server, copied
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

ROWS = 150_000
SMALL = b"id,name\n1,ann\n2,bob\n"
RELATIONS = """
    SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'ws\\_%'
    UNION ALL SELECT slug, id::text FROM sheaf.workspaces
    UNION ALL SELECT 'directory', dataset_id::text FROM sheaf.directory ORDER BY 1, 2
"""


def rows(count: int) -> Iterator[bytes]:
    """A file of some columns of all kinds."""
    yield b"id,customer,amount,paid,day,note\n"
    for first in range(0, count, 10_000):
        yield b"".join(
            b'%d,customer %d,%d.%02d,%s,2025-%02d-%02d,"note %d, with a comma"\n'
            % (n, n % 5000, n % 9973, n % 100, (b"true", b"false")[n % 2], n % 12 + 1, n % 28 + 1, n)
            for n in range(first, min(first + 10_000, count))
        )


def stored(server: Server) -> list[tuple[str, str]]:
    """All that the database holds of workspaces."""
    with psycopg.connect(server.database_url) as connection:
        return connection.execute(RELATIONS).fetchall()


@pytest.fixture(scope="module")
def archive(mortal: Server) -> bytes:
    """Of a workspace with a small dataset and a large one; the small one comes first."""
    with Client.register(mortal.base, "Ada") as user:
        user.made(user.upload(SMALL, "a small one.csv"))
        user.made(user.send(rows(ROWS), name="large"))
        return exported(user)


@pytest.fixture
def user(mortal: Server) -> Iterator[Client]:
    if not mortal.is_running:
        mortal.start()
    with Client.register(mortal.base, "Bob") as found:
        yield found


def exported(user: Client, workspace: str | None = None) -> bytes:
    me = user.http.get("/users/me").json()
    answer = user.http.get(f"/workspaces/{workspace or me['workspaces'][0]['id']}/export")
    assert answer.status_code == 200, answer.text
    return answer.content


def bring(user: Client, archive: bytes) -> httpx.Response:
    return user.http.post("/workspaces/import", content=archive, headers={"Content-Type": "application/zip"})


def data(archive: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist() if name.endswith(("data.csv", "schema.json"))}


@contextmanager
def importing(server: Server, user: Client, archive: bytes) -> Iterator[Future[httpx.Response]]:
    """The archive on its way in: the small dataset is there, the large one in part."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bring, user, archive)
        until(lambda: copied(server) > 10_000, "rows arrive in the database")
        assert not answer.done()
        yield answer


def check_nothing_is_left(server: Server, user: Client, before: list[tuple[str, str]], archive: bytes) -> None:
    """And the next import works."""
    with Client(server.base, user.key) as again:
        until(lambda: stored(server) == before, "the database has undone it")
        assert len(again.http.get("/workspaces").json()["data"]) == 1
        made = bring(again, archive)
        assert made.status_code == 201, made.text
        assert data(exported(again, made.json()["workspace"]["id"])) == data(archive)


def test_a_killed_service_leaves_nothing(mortal: Server, user: Client, archive: bytes) -> None:
    before = stored(mortal)
    with importing(mortal, user, archive) as answer:
        mortal.kill()
        with pytest.raises(httpx.TransportError):
            answer.result()
    mortal.start()
    check_nothing_is_left(mortal, user, before, archive)


def test_a_killed_worker_leaves_nothing(mortal: Server, user: Client, archive: bytes) -> None:
    before = stored(mortal)
    with importing(mortal, user, archive) as answer:
        for worker in mortal.workers:
            os.kill(worker, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            answer.result()
    until(lambda: mortal.is_ready, "other workers answer")
    check_nothing_is_left(mortal, user, before, archive)


def test_a_killed_database_leaves_nothing(mortal: Server, user: Client, archive: bytes) -> None:
    before = stored(mortal)
    with importing(mortal, user, archive) as answer:
        os.kill(mortal.postmaster, signal.SIGKILL)
        problem(answer.result(), 503)
    until(lambda: mortal.is_ready, "the service has its database again")
    check_nothing_is_left(mortal, user, before, archive)


def test_an_export_that_loses_its_database_breaks_off(mortal: Server, user: Client, archive: bytes) -> None:
    """A transfer that arrived to its end is whole."""
    assert bring(user, archive).status_code == 201
    workspace = user.http.get("/workspaces").json()["data"][-1]["id"]
    came = list[bytes]()

    def receive() -> None:
        with user.http.stream("GET", f"/workspaces/{workspace}/export") as answer:
            assert answer.status_code == 200
            for chunk in answer.iter_raw(1000):
                if not came:
                    os.kill(mortal.postmaster, signal.SIGKILL)
                came.append(chunk)

    with pytest.raises(httpx.RemoteProtocolError):
        receive()
    assert 0 < sum(map(len, came)) < len(archive)
    until(lambda: mortal.is_ready, "the service has its database again")
