"""A client that costs little itself: files go out by sendfile, answers come into one buffer."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec import Struct

API = "/api/v1"
_BUFFER = 1 << 20


class Download(Struct, frozen=True):
    """Seconds until the first byte, until the first byte after the first line, and for the whole; its bytes."""

    first: float
    first_record: float
    whole: float
    size: int


class Client:
    """Calls to one server, a connection each."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer. Raises RuntimeError for any status of 400 and above."""
        connection = self._connect()
        content = None if body is None else json.dumps(body)
        connection.request(method, API + path, content, {"X-API-Key": self.key, "Content-Type": "application/json"})
        return _decoded(connection)

    def upload(self, path: Path, to: str = "/datasets", media_type: str = "application/octet-stream") -> dict[str, Any]:
        """The answer to a raw upload; a new dataset is called as the file, and numbered where that is taken."""
        connection = self._connect()
        connection.putrequest("POST", API + to)
        connection.putheader("X-API-Key", self.key)
        connection.putheader("Content-Disposition", f'attachment; filename="{path.name}"')
        connection.putheader("Content-Type", media_type)
        connection.putheader("Content-Length", str(path.stat().st_size))
        connection.endheaders()
        with path.open("rb") as file:
            connection.sock.sendfile(file)
        answer: dict[str, Any] = _decoded(connection)
        return answer

    def read(self, path: str) -> bytes:
        """The whole answer as it comes. Raises RuntimeError for any status of 400 and above."""
        connection = self._connect()
        connection.request("GET", API + path, headers={"X-API-Key": self.key})
        content = _checked(connection.getresponse()).read()
        connection.close()
        return content

    def download(self, path: str) -> Download:
        """Take an answer and throw it away."""
        started = perf_counter()
        connection = self._connect()
        connection.request("GET", API + path, headers={"X-API-Key": self.key})
        answer = _checked(connection.getresponse())
        size = len(answer.read(1))
        first = perf_counter() - started
        size += len(answer.readline())
        size += len(answer.read(1))
        first_record = perf_counter() - started
        buffer = bytearray(_BUFFER)
        while taken := answer.readinto(buffer):
            size += taken
        connection.close()
        return Download(first, first_record, perf_counter() - started, size)

    def request(self, path: str) -> bytes:
        """A GET of this path as bytes on the wire."""
        return f"GET {API}{path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {self.key}\r\n\r\n".encode()

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=600)


class Line:
    """One open connection on which the same few requests are sent again and again."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def seconds(self, request: bytes) -> float:
        """How long an answer with a Content-Length takes. Raises RuntimeError when it is not 200, or none comes."""
        started = perf_counter()
        self._socket.sendall(request)
        received = self._some()
        while b"\r\n\r\n" not in received:
            received += self._some()
        wanted = answer_size(received)
        while len(received) < wanted:
            received += self._some()
        return perf_counter() - started

    def _some(self) -> bytes:
        if not (some := self._socket.recv(_BUFFER)):
            raise RuntimeError("The server has ended the connection.")
        return some

    def close(self) -> None:
        self._socket.close()


def answer_size(received: bytes) -> int:
    """Bytes of the answer, of which at least the head has arrived. Raises RuntimeError when it is not 200."""
    head, _, _ = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received.decode(errors="replace"))
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return len(head) + 4 + int(length)


def _checked(answer: HTTPResponse) -> HTTPResponse:
    if answer.status >= 400:
        raise RuntimeError(f"{answer.status}: {answer.read().decode(errors='replace')}")
    return answer


def _decoded(connection: HTTPConnection) -> Any:
    content = _checked(connection.getresponse()).read()
    connection.close()
    return json.loads(content) if content else None
