"""How HTTP is served."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_REQUEST_LINE = re.compile(rb"^[A-Z]+ [^ \r\n]+ HTTP/1\.[01](?=\r\n)")
_ASCII = bytes(range(128))
GRACE = 3
"""Seconds that requests get to end when the service stops."""


class _Protocol(HttpToolsProtocol):
    """Takes letters that are not percent-encoded in an address, as curl sends them; the parser refuses those."""

    def data_received(self, data: bytes) -> None:
        between = self.cycle is None or self.cycle.response_complete
        if between and not data.isascii():
            data = _REQUEST_LINE.sub(lambda line: quote(line[0], safe=_ASCII).encode(), data, count=1)
        super().data_received(data)


def http_server(app: Callable[..., Any]) -> uvicorn.Server:
    """The application behind uvicorn; `run(sockets=[…])` serves until a signal ends it."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)
