"""How HTTP is served."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from threading import Timer
from types import FrameType
from typing import Any
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from backend.errors import AppError, BadRequest, HeadTooLarge

_REQUEST_LINE = re.compile(rb"^[A-Z]+ [^ \r\n]+ HTTP/1\.[01](?=\r\n)")
_ASCII = bytes(range(128))
LONGEST_HEAD = 64 * 2**10
"""Bytes that an address and all header fields, or what stands between two parts of a body, may take."""
GRACE = 3
"""Seconds that requests get to end when the service stops."""
UNREADABLE = "unreadable"
"""In the state of a request that has none of its own parts: the error that says why it could not be read."""
_NOTHING = {
    "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "root_path": "",
    "method": "unknown", "path": "", "raw_path": b"", "query_string": b"",
}  # fmt: skip
_CLOSE = (b"connection", b"close")
_LINGER = 2.0
"""Seconds for which the connection stays after such a request, so that the answer can be read."""
_PASSED_OVER = 2**20
"""Bytes that may still come in that time."""


class _Protocol(HttpToolsProtocol):
    """Takes letters that are not percent-encoded in an address, as curl sends them; the parser refuses those.

    Refuses heads without end, which the parser would keep in memory, be they before the body or behind it, and heads
    that two servers could read differently. Fields behind a body are no headers: they are passed over.

    What cannot be read is answered last: first come the answers to the requests before it, which were complete.
    """

    _waiting = 0
    """Bytes that have come since the last ones that meant something."""
    _in_body = False
    """Whether the head of `cycle` has ended, and its body has not."""
    _unread = 0
    """Bytes of a body that have come after the answer."""
    _refused: AppError | None = None
    _broken: RequestResponseCycle | None = None
    """The request whose body cannot be read to its end, while a handler works at it."""
    _told = False
    """Whether all answers are out; the connection is about to end."""

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            self._pass_over(data)
            return
        between = self.cycle is None or self.cycle.response_complete
        if between and not data.isascii():
            data = _REQUEST_LINE.sub(lambda line: quote(line[0], safe=_ASCII).encode(), data, count=1)
        self._waiting += len(data)
        super().data_received(data)
        if self._waiting > LONGEST_HEAD:
            self._refuse(HeadTooLarge())
        elif self._in_body and self.cycle.response_complete:
            self._unread += len(data)
            if self._unread > _PASSED_OVER:
                self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        long = self._waiting > LONGEST_HEAD
        self._waiting = self._unread = 0
        if self._refused is not None:
            return
        if long and len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LONGEST_HEAD:
            self._refuse(HeadTooLarge())
        elif unfit := _unfit(self.headers, self.parser.get_http_version()):
            self._refuse(BadRequest(unfit))
        else:
            super().on_headers_complete()
            self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._waiting = 0
        if self._refused is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._waiting = 0
        if self._refused is None:
            self._in_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if self._refused is None or not last or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._broken is None:
            self._answer(self._refused)
        else:
            self._leave()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("This is no request that the server can read: it is not HTTP/1.1, or it is damaged."))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Callable[..., Any]) -> None:
        super()._start_asgi_task(cycle, partial(self._run, cycle, app))

    async def _run(self, cycle: RequestResponseCycle, app: Callable[..., Any], scope: Any, *ends: Any) -> None:
        """Lets `app` work: where it asks for more of a broken body it gets the error; what it answers is the last."""
        receive, send = ends

        async def read() -> Any:
            message = None if self._broken is cycle else await receive()
            if self._broken is cycle and self._refused is not None:
                raise self._refused
            return message

        async def write(message: Any) -> None:
            if self._broken is cycle and message["type"] == "http.response.start":
                await send({**message, "headers": [*message.get("headers", ()), _CLOSE]})
                cycle.keep_alive = True  # this connection is left in a slower way
            else:
                await send(message)

        await app(scope, read, write)

    def _refuse(self, error: AppError) -> None:
        """Nothing is read any more; the application answers `error`, when what came before has its answers."""
        if self._refused is not None:
            return
        self._refused, self._waiting = error, 0
        cycle = self.cycle
        if not self._in_body:
            if cycle is None or cycle.response_complete:
                self._answer(error)
        elif cycle.response_complete:
            self._leave()
        elif cycle.response_started:
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.close()
        elif self.pipeline:  # it is the last of those that have not begun
            self.pipeline.popleft()
        else:
            self._broken = cycle
            cycle.message_event.set()

    def _answer(self, error: AppError) -> None:
        """To what is no request, as to any."""
        task = self.loop.create_task(self._tell(error))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _tell(self, error: AppError) -> None:
        scope: dict[str, Any] = {
            **_NOTHING, "server": self.server, "client": self.client, "scheme": self.scheme, "headers": [],
            "state": {**self.app_state, UNREADABLE: error},
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = (*self.server_state.default_headers, *message["headers"], _CLOSE)
                self.transport.write(STATUS_LINE[message["status"]])
                self.transport.write(b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n")
            else:
                self.transport.write(message["body"])

        await self.app(scope, receive, send)
        self._leave()

    def _leave(self) -> None:
        """Ends the connection when its other end has had time to read the answer."""
        if self.transport.is_closing():
            return
        self._told = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)

    def _pass_over(self, data: bytes) -> None:
        """Who is still sending could not read the answer if the connection just ended; for ever he may not send."""
        if not self._told:
            self.flow.pause_reading()
        self._waiting += len(data)
        if self._told and self._waiting > _PASSED_OVER:
            self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn says less than asyncio takes
        """Whether the answer is still to come."""
        return self._refused is not None and not self._told


def _unfit(headers: list[tuple[bytes, bytes]], version: str) -> str | None:
    """Why nobody may read a request with such a head (RFC 9112, 3.2 and 6.1), or None."""
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (not hosts and version == "1.1"):
        return "A request has one Host header."
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if codings not in ([], [b"chunked"]):
        return "A body comes in the Transfer-Encoding `chunked`, or in none; compressed files are sent as they are."
    return None


class Stopping:
    """Whether this process was told to end; it serves on for some seconds, in which balancers take it out.

    `under_way`: for each request, what answers it when its time is up, unless it is answered.
    """

    def __init__(self) -> None:
        self.begun = False
        self.under_way: set[Callable[[], Awaitable[None]]] = set()

    async def answer_after(self, seconds: float) -> None:
        """Waits for so long, then answers all that are under way."""
        await asyncio.sleep(seconds)
        await asyncio.gather(*(answer() for answer in self.under_way), return_exceptions=True)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: Stopping, drain: float) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end, or the seconds before it; the second one does not wait for those."""
        first, self._stopping.begun = not self._stopping.begun, True
        if first and self._drain:
            waiting = Timer(self._drain, super().handle_exit, (sig, frame))
            waiting.daemon = True
            waiting.start()
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What is not done in time is answered before it is broken off: to undo it may take longer than there is."""
        answering = asyncio.create_task(self._stopping.answer_after(GRACE))
        await super().shutdown(sockets)
        answering.cancel()


def http_server(app: Callable[..., Any], stopping: Stopping | None = None, *, drain: float = 0) -> uvicorn.Server:
    """The application behind uvicorn; `run(sockets=[…])` serves until a signal ends it, and `drain` seconds more."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
    )
    return _Server(config, stopping or Stopping(), drain)
