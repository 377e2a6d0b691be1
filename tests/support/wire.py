"""Requests that a proper HTTP client would never send, byte by byte."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from support.client import Client


class Answer(NamedTuple):
    """Status 0: the connection was closed without an answer."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@contextmanager
def connected(client: Client) -> Iterator[socket.socket]:
    """A plain connection to the service."""
    address = urlsplit(client.base)
    with socket.create_connection((address.hostname, address.port), timeout=60) as plain:
        yield plain


def head(client: Client, target: str, *headers: str) -> bytes:
    """The head of a POST below /api/v1 with the caller's key."""
    lines = [f"POST /api/v1{target} HTTP/1.1", "Host: sheaf", f"X-API-Key: {client.key}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(plain: socket.socket) -> Answer:
    """What comes back; the connection may be broken or closed instead."""
    with plain.makefile("rb") as stream:
        return read(stream)


def read(stream: BinaryIO) -> Answer:
    """The next answer, where there may be several."""
    try:
        status = stream.readline().split()
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        return Answer(int(status[1]), body, headers) if status else Answer(0, b"", {})
    except ConnectionError:
        return Answer(0, b"", {})
