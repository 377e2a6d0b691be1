"""While a file goes into a dataset others read and nobody else writes; whoever dies meanwhile leaves it as it was."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from support.client import Client, problem
from support.leases import end_leases
from support.server import Server, copied
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

ROWS = 200_000
FIRST = b"id,city,amount\n" + b"".join(b"%d,city %d,%d.50\n" % (n, n % 97, n % 1000) for n in range(ROWS))
NEXT = FIRST.replace(b"city 7,", b"town 7,")
CHANGED = NEXT.count(b"town 7,")


@pytest.fixture
def user(mortal: Server) -> Iterator[Client]:
    """Has `first`, of as many rows as the next file."""
    if not mortal.is_running:
        mortal.start()
    with Client.register(mortal.base) as found:
        found.made(found.upload(FIRST, "first.csv"))
        yield found


def bring(user: Client, file: bytes, **params: str) -> httpx.Response:
    return user.http.post("/datasets/first/imports", params=params, content=file, headers={"Content-Type": "text/csv"})


@contextmanager
def syncing(server: Server, user: Client) -> Iterator[Future[httpx.Response]]:
    """The next file on its way into `first`, its rows in part in the database."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bring, user, NEXT, mode="sync", key="id")
        until(lambda: copied(server) > 10_000, "rows arrive in the database")
        yield answer


def writes(user: Client) -> list[httpx.Response]:
    change = {"columns": [{"name": "city", "description": "where"}]}
    return [
        user.http.patch("/datasets/first/records/1", json={"city": "x"}),
        user.http.post("/datasets/first/records", json={"city": "x"}),
        user.http.patch("/datasets/first/schema", json=change),
        bring(user, b"id,city\n1,x\n", mode="append"),
    ]


def test_others_read_and_nobody_else_writes(mortal: Server, user: Client) -> None:
    with syncing(mortal, user) as running:
        refused = [problem(answer, 409) for answer in writes(user)]
        page = user.http.get("/datasets/first/records", params={"limit": 1}).json()
        count = user.http.get("/datasets/first/records/count", params={"city": "town 7"}).json()
        renamed = user.http.patch("/datasets/first", json={"description": "still mine"})
        planned = bring(user, b"id,city\n1,x\n", mode="append", dry_run="true")
        assert not running.done()
    assert (planned.status_code, planned.json()["against"]["added"]) == (200, 1)
    assert [each["error_code"] for each in refused] == ["DATASET_BUSY"] * 4
    assert (page["version"], page["total"], count) == (1, ROWS, {"count": 0, "version": 1})
    assert renamed.status_code == 200
    answer = running.result()
    assert (answer.status_code, answer.json()["changes"]["changed"]) == (201, CHANGED)
    assert answer.json()["dataset"]["description"] == "still mine"
    assert user.http.get("/datasets/first/records/count", params={"city": "town 7"}).json()["count"] == CHANGED
    assert [answer.status_code for answer in writes(user)] == [200, 201, 200, 201]


def test_the_answer_says_when_to_try_again(mortal: Server, user: Client) -> None:
    with syncing(mortal, user):
        assert int(writes(user)[0].headers["retry-after"]) > 0


def test_a_killed_worker_leaves_the_dataset_as_it_was(mortal: Server, user: Client) -> None:
    with syncing(mortal, user) as running:
        for worker in mortal.workers:
            os.kill(worker, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            running.result()
    until(lambda: mortal.is_ready, "other workers answer")
    with Client(mortal.base, user.key) as again:
        assert again.version("first") == 1
        assert problem(writes(again)[0], 409)["error_code"] == "DATASET_BUSY"
        end_leases(mortal.database_url)
        answer = bring(again, NEXT, mode="sync", key="id")
        assert (answer.status_code, answer.json()["changes"]["changed"]) == (201, CHANGED)


def test_a_refused_file_gives_the_dataset_back(mortal: Server, user: Client) -> None:
    assert bring(user, NEXT + b"1,twice,1\n", mode="sync", key="id").status_code == 422
    assert user.version("first") == 1
    assert writes(user)[0].status_code == 200


def test_whoever_lost_the_dataset_does_not_publish(mortal: Server, user: Client) -> None:
    """As if it had stood still for longer than its lease goes."""
    with syncing(mortal, user) as running:
        end_leases(mortal.database_url)
        assert user.http.patch("/datasets/first/records/1", json={"city": "x"}).status_code == 200
    problem(running.result(), 409)
    assert user.version("first") == 2
    assert user.http.get("/datasets/first/records/count", params={"city": "town 7"}).json()["count"] == 0
