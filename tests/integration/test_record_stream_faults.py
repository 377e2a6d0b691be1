"""While lines of records go into a dataset others read and nobody else writes; whoever breaks off leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.client import Client, problem
from support.leases import end_leases
from support.memory import MEBIBYTE, peak, resident
from support.server import Server, copied
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes and their memory are found in /proc")

ROWS = 125_000
LINE = b'{"id":%d,"customer":"customer %d","amount":%d.50,"paid":true,"day":"2025-01-31","note":"with a comma, %d"}\n'
BODY = b"".join(LINE % (at, at % 997, at % 1000, at) for at in range(ROWS))
COLUMNS = [
    {"name": "id", "type": "integer"},
    {"name": "customer"},
    {"name": "amount", "type": "number"},
    {"name": "paid", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "note"},
]
RECORDS = "/datasets/first/records"
NDJSON = {"Content-Type": "application/x-ndjson"}
TOLERANCE = 40 * MEBIBYTE


@pytest.fixture
def user(mortal: Server) -> Iterator[Client]:
    """Has `first`, with one record."""
    until(lambda: mortal.is_ready, "the service answers")
    with Client.register(mortal.base) as found:
        assert found.http.post("/datasets", json={"name": "first", "columns": COLUMNS}).status_code == 201
        assert found.http.post(RECORDS, json={"id": 0}).status_code == 201
        yield found


def stream(user: Client, body: bytes) -> httpx.Response:
    return user.http.post(RECORDS, content=body, headers=NDJSON)


@contextmanager
def streaming(server: Server, user: Client) -> Iterator[Future[httpx.Response]]:
    """The lines on their way into `first`, in part in the database."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stream, user, BODY)
        until(lambda: copied(server) > 10_000, "records arrive in the database")
        yield answer


def state(user: Client) -> tuple[int, int]:
    """The newest version, and how many records it has."""
    told = user.http.get(RECORDS, params={"limit": 1}).json()
    return told["version"], told["total"]


def test_others_read_and_nobody_else_writes(mortal: Server, user: Client) -> None:
    with streaming(mortal, user) as running:
        refused = [user.http.post(RECORDS, json={"id": 1}), user.http.patch(f"{RECORDS}/1", json={"id": 2})]
        refused.append(stream(user, b'{"id": 3}'))
        seen = state(user)
        assert not running.done()
    assert [problem(each, 409)["error_code"] for each in refused] == ["DATASET_BUSY"] * 3
    assert all(int(each.headers["retry-after"]) > 0 for each in refused)
    assert seen == (2, 1)
    answer = running.result()
    assert (answer.status_code, answer.json()["count"]) == (201, ROWS)
    assert state(user) == (3, ROWS + 1)
    assert user.http.post(RECORDS, json={"id": 1}).json()["id"] == ROWS + 2


def test_a_killed_worker_leaves_nothing(mortal: Server, user: Client) -> None:
    with streaming(mortal, user) as running:
        for worker in mortal.workers:
            os.kill(worker, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            running.result()
    until(lambda: mortal.is_ready, "other workers answer")
    with Client(mortal.base, user.key) as again:
        assert state(again) == (2, 1)
        end_leases(mortal.database_url)
        answer = stream(again, BODY)
        assert (answer.status_code, answer.json()["first_id"]) == (201, 2)
        assert state(again) == (3, ROWS + 1)


def test_a_slow_client_keeps_nobody_waiting_and_leaves_nothing(mortal: Server, user: Client) -> None:
    address = urlsplit(mortal.base)
    head = f"POST /api/v1{RECORDS} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {user.key}\r\n"
    head += f"Content-Type: application/x-ndjson\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0)) as slow:
        slow.sendall(head.encode() + BODY[: len(BODY) // 2])
        written = user.http.post(RECORDS, json={"id": 1})
        assert written.status_code == 201
    assert user.http.post(RECORDS, json={"id": 2}).status_code == 201
    assert state(user) == (4, 3)


def test_a_refused_stream_gives_the_dataset_back(mortal: Server, user: Client) -> None:
    assert problem(stream(user, BODY + b'{"id": "x"}\n'), 422)["errors"][0]["pointer"] == f"/{ROWS}/id"
    assert state(user) == (2, 1)
    assert stream(user, BODY[: BODY.index(b"\n", 2_000_000) + 1]).json()["first_id"] == 2


def test_whoever_lost_the_dataset_does_not_publish(mortal: Server, user: Client) -> None:
    """As if it had stood still for longer than its lease goes: who wants the same id waits, and only for its end."""
    with streaming(mortal, user) as running:
        end_leases(mortal.database_url)
        written = user.http.post(RECORDS, json={"id": 1})
    assert (written.status_code, written.json()["id"]) == (201, 2)
    assert problem(running.result(), 409)["error_code"] == "DATASET_BUSY"
    assert state(user) == (3, 2)


def test_memory_stays_flat(tmp_path: Path) -> None:
    many = 2 * BODY
    with Server(tmp_path, ephemeral=True) as measured, Client.register(measured.base) as user:
        user.http.post("/datasets", json={"name": "first", "columns": COLUMNS})
        user.http.post("/datasets", json={"name": "free"})
        assert stream(user, BODY[:10_000].rpartition(b"\n")[0]).status_code == 201
        idle = resident(measured.workers)
        growth: list[int] = []
        for share in (4, 1):
            few = many[: len(many) // share].rpartition(b"\n")[0]
            with peak(measured.workers, idle) as one:
                assert stream(user, few).status_code == 201
            with peak(measured.workers, idle) as other:
                assert user.http.post("/datasets/free/records", content=few, headers=NDJSON).status_code == 201
            growth.append(max(one.growth, other.growth))
    assert growth[1] <= growth[0] + TOLERANCE, [f"{each / MEBIBYTE:.0f} MiB" for each in growth]
