"""How HTTP is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn

GRACE = 3
"""Seconds that requests get to end when the service stops."""


def http_server(app: Callable[..., Any]) -> uvicorn.Server:
    """The application behind uvicorn; `run(sockets=[…])` serves until a signal ends it."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)
