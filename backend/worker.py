"""One server process: the application behind a socket that the supervisor has bound."""

from __future__ import annotations

import os
import signal
import socket
import sys

import uvicorn

from backend.app import create_app
from backend.embedded.launch import die_with_parent

GRACE = 3
"""Seconds that requests get to end when the service stops."""


def main() -> None:
    """Serve until told to stop. Arguments: the socket's file descriptor and the supervisor's process id."""
    handle, supervisor = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(signal.SIGKILL)
    if os.getppid() != supervisor:
        return
    config = uvicorn.Config(
        create_app(),
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
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=handle)])


if __name__ == "__main__":
    main()
