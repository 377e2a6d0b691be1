"""How HTTP is served."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Timer
from types import FrameType
from typing import Any
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_REQUEST_LINE = re.compile(rb"^[A-Z]+ [^ \r\n]+ HTTP/1\.[01](?=\r\n)")
_ASCII = bytes(range(128))
LONGEST_HEAD = 64 * 2**10
"""Bytes that an address and all header fields, or what stands between two parts of a body, may take."""
GRACE = 3
"""Seconds that requests get to end when the service stops."""


class _Protocol(HttpToolsProtocol):
    """Takes letters that are not percent-encoded in an address, as curl sends them; the parser refuses those.

    Refuses heads without end, which the parser would keep in memory, be they before the body or behind it.
    """

    _waiting = 0
    """Bytes that have come since the last ones that meant something."""

    def data_received(self, data: bytes) -> None:
        between = self.cycle is None or self.cycle.response_complete
        if between and not data.isascii():
            data = _REQUEST_LINE.sub(lambda line: quote(line[0], safe=_ASCII).encode(), data, count=1)
        self._waiting += len(data)
        super().data_received(data)
        if self._waiting > LONGEST_HEAD:
            self._refuse()

    def on_headers_complete(self) -> None:
        long = self._waiting > LONGEST_HEAD
        self._waiting = 0
        if long and len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LONGEST_HEAD:
            self._refuse()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._waiting = 0
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._waiting = 0
        super().on_message_complete()

    def _refuse(self) -> None:
        self.send_400_response(f"The head of the request is longer than {LONGEST_HEAD:,} bytes.")


class Stopping:
    """Whether this process was told to end; it serves on for some seconds, in which balancers take it out."""

    def __init__(self) -> None:
        self.begun = False


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
