"""A client that costs little and can break off wherever it likes: one HTTP/1.1 connection, one request at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

API = "/api/v1"
_LITTLE = 2**14
PATIENCE = 60.0
"""Seconds for an answer."""


class Lost(Exception):
    """No answer, or not all of it: whether the request was carried out is not known."""


class NotSent(Lost):
    """Nobody took the connection: the request was not carried out."""


class Answer(Struct, frozen=True):
    """Status, headers by their names in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The `error_code` of a problem; empty for any other answer."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return ""
        return str(self.json()["error_code"])


class Connection:
    """Opens itself anew after it was lost."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = PATIENCE,
    ) -> Answer:
        """The whole answer. Raises Lost."""
        async with _losing(self, seconds):
            reader, writer = await self._open()
            writer.write(self._head(method, path, len(body), headers) + body)
            await writer.drain()
            answer = await _read(reader)
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    async def break_off(self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, sent: int) -> None:
        """Send so many bytes of the body, and go away without an answer. Raises Lost."""
        async with _losing(self, PATIENCE):
            _, writer = await self._open()
            writer.write(self._head(method, path, len(body), headers) + body[:sent])
            await writer.drain()
        self.close()

    async def drip(self, method: str, path: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Answer:
        """Send the body in small pieces, so slowly. Raises Lost."""
        async with _losing(self, PATIENCE + seconds):
            reader, writer = await self._open()
            writer.write(self._head(method, path, len(body), headers))
            pieces = 20
            size = -(-len(body) // pieces)
            for at in range(pieces):
                writer.write(body[at * size : (at + 1) * size])
                await writer.drain()
                await asyncio.sleep(seconds / pieces)
            return await _read(reader)

    async def sip(self, path: str, *, seconds: float) -> Answer:
        """Take the answer slowly: a little, a pause, again. Raises Lost."""
        async with _losing(self, PATIENCE + seconds):
            reader, writer = await self._open(slowly=True)
            writer.write(self._head("GET", path, 0, None))
            return await _read(reader, pause=seconds / 20)

    def close(self) -> None:
        """What is on its way is lost."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _open(self, *, slowly: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """`slowly`: the system takes little ahead of the reader."""
        if self._streams is None:
            plain = socket.socket()
            plain.setblocking(False)
            if slowly:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LITTLE)
            try:
                await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self._port))
                self._streams = await asyncio.open_connection(sock=plain, limit=_LITTLE if slowly else 2**16)
            except OSError as error:
                plain.close()
                raise NotSent("no connection") from error
        return self._streams

    def _head(self, method: str, path: str, size: int, headers: Mapping[str, str] | None) -> bytes:
        told = {"X-API-Key": self._key, "Content-Length": str(size)} if method != "GET" else {"X-API-Key": self._key}
        lines = [f"{name}: {value}" for name, value in {"Host": "localhost", **told, **(headers or {})}.items()]
        place = path if path.startswith(("/health", "/metrics")) else API + path
        return "\r\n".join([f"{method} {place} HTTP/1.1", *lines, "", ""]).encode()


class _losing:  # noqa: N801, reads as a statement
    """What breaks, or takes too long, is lost, and its connection closed."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._connection.close()
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise Lost("no answer in time") from late
        if isinstance(error, OSError | EOFError | ValueError | asyncio.LimitOverrunError):
            raise Lost(type(error).__name__) from error


async def _read(reader: asyncio.StreamReader, *, pause: float = 0.0) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
    status = int(head[0].split(" ", 2)[1])
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status, headers, await _chunks(reader, pause))
    body = bytearray()
    left = int(headers.get("content-length", "0"))
    while left:
        if not (piece := await reader.read(min(left, 2**16))):
            raise EOFError
        body += piece
        left -= len(piece)
    return Answer(status, headers, bytes(body))


async def _chunks(reader: asyncio.StreamReader, pause: float) -> bytes:
    body, stops = bytearray(), 20
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
        if pause and stops:
            stops -= 1
            await asyncio.sleep(pause)
    await reader.readexactly(2)
    return bytes(body)
