"""A process dies, or a client goes, in the middle of a write that has an `Idempotency-Key`: it is done once."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from support.client import Client, problem
from support.server import Server
from support.waiting import until
from support.wire import connected, head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

T = TypeVar("T")
KEY = {"Idempotency-Key": "one"}
SMALL = b"name,text\nann,a\n"
MORE = SMALL + b"bob,b\n"
WIDE = [{"name": f"n{at}", "text": "x" * 1000} for at in range(9_000)]
"""Records whose answer no socket's buffers hold."""
NEWEST = "SELECT 'ws_' || replace(id::text, '-', '') FROM sheaf.workspaces ORDER BY created_at DESC LIMIT 1"
"""The schema of the workspace that was made last."""
FINISHING = """
SELECT {} FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE sheaf.idempotency SET status%'
"""
"""What is told of the connections whose transactions wait to write down an answer."""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of two workers, which do not know of each other's calls; whoever kills it starts it again."""
    with Server(tmp_path_factory.mktemp("mortal"), workers="2") as running:
        yield running


@pytest.fixture
def user(mortal: Server) -> Iterator[Client]:
    """Has one small dataset, `small`."""
    if not mortal.is_running:
        mortal.start()
    rows(mortal, "DELETE FROM sheaf.idempotency")
    with Client.register(mortal.base) as found:
        found.made(found.upload(SMALL, "small.csv"))
        yield found


def rows(server: Server, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.database_url) as connection:
        done = connection.execute(query)
        return done.fetchall() if done.description else []


def add(user: Client, records: Any) -> httpx.Response:
    return user.http.post("/datasets/small/records", json=records, headers=KEY)


def write(user: Client, kind: str) -> httpx.Response:
    """One record more, or one by a file."""
    if kind == "record":
        return add(user, WIDE[0])
    headers = {**KEY, "Content-Type": "text/csv"}
    return user.http.post("/datasets/small/imports?mode=upsert&key=name", content=MORE, headers=headers)


@contextmanager
def unfinished(server: Server, begin: Callable[[], T]) -> Iterator[T]:
    """Begins a call to the newest dataset; in the block it has written, but cannot write down its answer."""
    ((schema,),) = rows(server, NEWEST)
    running = "SELECT 1 FROM sheaf.idempotency WHERE status IS NULL FOR NO KEY UPDATE"
    with suppress(psycopg.OperationalError), psycopg.connect(server.database_url) as connection:
        with psycopg.connect(server.database_url) as other:
            other.execute(f"SELECT 1 FROM {schema}.datasets FOR UPDATE")
            begun = begin()
            until(lambda: connection.execute(running).fetchone(), "the call runs")
        until(lambda: rows(server, FINISHING.format("pid")), "its answer is to be written")
        yield begun


@pytest.mark.parametrize("kind", ["record", "file"])
def test_of_many_calls_with_one_key_one_writes(user: Client, kind: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: write(user, kind), range(20)))
    assert {each.status_code for each in answers} <= {201, 409}
    assert len({each.content for each in answers if each.status_code == 201}) == 1
    assert {each.json()["error_code"] for each in answers if each.status_code == 409} <= {"IDEMPOTENCY_KEY_IN_USE"}
    assert user.version("small") == 2
    assert write(user, kind).content in {each.content for each in answers}


def test_a_kill_between_commit_and_answer_costs_nothing(mortal: Server, user: Client) -> None:
    """The answer is larger than what fits between the service and a client that does not read."""
    request = httpx.Request("POST", "http://sheaf", json=WIDE)
    body = request.read()
    with connected(user) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        about = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Idempotency-Key: one")
        plain.sendall(head(user, "/datasets/small/records", *about) + body)
        until(lambda: rows(mortal, "SELECT 1 FROM sheaf.idempotency WHERE status = 201"), "the write is committed")
        mortal.kill()
    mortal.start()
    with Client(mortal.base, user.key) as again:
        answer = again.http.post(
            "/datasets/small/records", content=body, headers={**KEY, "Content-Type": "application/json"}
        )
        assert answer.status_code == 201
        assert answer.headers["idempotency-replayed"] == "true"
        assert answer.json()["count"] == len(answer.json()["data"]) == len(WIDE)
        assert again.version("small") == 2


@pytest.mark.parametrize("kind", ["record", "file"])
def test_a_kill_between_write_and_commit_leaves_nothing(mortal: Server, user: Client, kind: str) -> None:
    with ThreadPoolExecutor(1) as pool, unfinished(mortal, lambda: pool.submit(write, user, kind)) as lost:
        mortal.kill()
        with pytest.raises(httpx.TransportError):
            lost.result()
    mortal.start()
    with Client(mortal.base, user.key) as again:
        assert again.version("small") == 1
        assert problem(write(again, kind), 409)["error_code"] == "IDEMPOTENCY_KEY_IN_USE"
        rows(mortal, "UPDATE sheaf.idempotency SET lease_until = now() WHERE status IS NULL")
        ((schema,),) = rows(mortal, NEWEST)
        rows(mortal, f"UPDATE {schema}.datasets SET busy_until = now()")
        assert write(again, kind).status_code == 201
        assert write(again, kind).headers["idempotency-replayed"] == "true"
        assert again.version("small") == 2


def test_a_client_that_goes_away_gets_the_answer_when_it_comes_back(mortal: Server, user: Client) -> None:
    body = b'{"name": "bob"}'
    about = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Idempotency-Key: one")
    with connected(user) as plain:
        request = head(user, "/datasets/small/records", *about) + body
        with unfinished(mortal, lambda: plain.sendall(request)):
            plain.close()
    until(lambda: rows(mortal, "SELECT 1 FROM sheaf.idempotency WHERE status = 201"), "it is done")
    answer = user.http.post(
        "/datasets/small/records", content=body, headers={**KEY, "Content-Type": "application/json"}
    )
    assert answer.headers["idempotency-replayed"] == "true"
    assert user.version("small") == 2


def test_a_database_that_is_gone_at_the_commit_leaves_nothing(mortal: Server, user: Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        with unfinished(mortal, lambda: pool.submit(add, user, WIDE[0])) as lost:
            rows(mortal, FINISHING.format("pg_terminate_backend(pid)"))
        problem(lost.result(), 503)
    assert user.version("small") == 1
    assert add(user, WIDE[0]).status_code == 201
    assert user.version("small") == 2
