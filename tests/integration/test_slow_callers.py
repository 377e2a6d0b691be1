"""Callers who send or read slowly, of a real service with one connection and one place: nobody waits for them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from support.server import Server

ROWS = 80_000
"""Some 7 MB as lines of JSON: more than sockets and their buffers take."""
BOUNDARY = "xyz"
FORM = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="slow.csv"\r\n\r\na,b\r\n1,'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    bounds = {"database_pool": "1", "concurrent_exports": "1", "concurrent_imports": "1", "wait_seconds": "5"}
    with Server(tmp_path_factory.mktemp("slow"), ephemeral=True, **bounds) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """Calls as a user who has a large dataset."""
    with httpx.Client(base_url=f"{server.base}/api/v1", timeout=120) as client:
        client.headers["X-API-Key"] = client.post("/users", json={"name": "Ada"}).json()["api_key"]
        text = "id,name\n" + "".join(f"{n},the name of number {n}\n" for n in range(ROWS))
        answer = client.post("/datasets?name=big", content=text, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 201, answer.text
        yield client


class Slow:
    """A request of which so much is sent, and whose answer is read as far as is asked for."""

    def __init__(self, client: httpx.Client, method: str, path: str, media_type: str = "", body: bytes = b"") -> None:
        place = urlsplit(str(client.base_url))
        self._socket = socket.create_connection((place.hostname, place.port), timeout=120)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {client.headers['X-API-Key']}\r\n"
        if media_type:
            head += f"Content-Type: {media_type}\r\nContent-Length: {len(body) + 100}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self, size: int = 100) -> bytes:
        return self._socket.recv(size)

    def send_rest(self, rest: bytes) -> bytes:
        """Sends what was promised; the beginning of the answer."""
        self._socket.sendall(rest.rjust(100))
        return self._socket.recv(65_536)


def check_that_all_goes_on(client: httpx.Client) -> None:
    """Pages, writes, exports and streams are answered, without any wait for a place."""
    for n in range(5):
        answer = client.get("/datasets/big/records", params={"limit": 2, "id": f"gt:{n}"})
        assert answer.status_code == 200, answer.text
        assert "server" not in answer.headers
    assert client.patch("/datasets/big/records/1", json={"name": "another"}).status_code == 200
    for path in ("export?format=csv", "records/stream?id=lt:10"):
        assert client.get(f"/datasets/big/{path}").status_code == 200


def test_slow_uploads(client: httpx.Client) -> None:
    sent = [
        ("POST", "/datasets?name=slow", "text/csv", b"a,b\n1,"),
        ("POST", "/datasets", f"multipart/form-data; boundary={BOUNDARY}", FORM.encode()),
        ("POST", "/datasets/big/records", "application/x-ndjson", b'{"name": "first"}\n{'),
        ("POST", "/datasets/big/records", "application/json", b'[{"name": "first"}, {"na'),
        ("POST", "/datasets/big/query", "application/json", b'{"limit": '),
    ]
    with ExitStack() as stack:
        slow = [stack.enter_context(Slow(client, *each)) for each in sent for _ in range(3)]
        check_that_all_goes_on(client)
        assert b" 201 " in slow[0].send_rest(b"2\n")
        assert b" 201 " in slow[6].send_rest(b'"name": "second"}\n')
        assert b" 200 " in slow[-1].send_rest(b"2}")
        check_that_all_goes_on(client)


@pytest.mark.parametrize("path", ["records/stream", "export?format=ndjson"])
def test_slow_readers(client: httpx.Client, path: str) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(Slow(client, "GET", f"/datasets/big/{path}"))
            assert slow.read().startswith(b"HTTP/1.1 200 ")
        check_that_all_goes_on(client)


def test_more_open_streams_than_one_user_may_have_are_refused_at_once_and_hinder_nobody(client: httpx.Client) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(httpx.Client(base_url=client.base_url, timeout=120))
        other.headers["X-API-Key"] = client.post("/users", json={"name": "Bob"}).json()["api_key"]
        made = other.post("/datasets?name=small", content="a\n1\n", headers={"Content-Type": "text/csv"})
        assert made.status_code == 201
        for _ in range(4):
            slow = stack.enter_context(Slow(client, "GET", "/datasets/big/records/stream"))
            assert slow.read().startswith(b"HTTP/1.1 200 ")
        answer = client.get("/datasets/big/export?format=csv")
        assert (answer.status_code, answer.json()["error_code"]) == (429, "TOO_MANY_REQUESTS")
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/datasets/big/records?limit=2").status_code == 200
        assert other.get("/datasets/small/export?format=csv").text == "a\r\n1\r\n"
