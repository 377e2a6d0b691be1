"""One server process: the application behind a socket that the supervisor has bound."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

from backend.app import create_app
from backend.embedded.launch import die_with_parent
from backend.serving import http_server


def main() -> None:
    """Serve until told to stop. Arguments: the socket's file descriptor and the supervisor's process id.

    What is there before the first request stays to the end, so no collection of garbage need look at it again.
    """
    handle, supervisor = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(signal.SIGKILL)
    if os.getppid() != supervisor:
        return
    server = http_server(create_app())
    gc.freeze()
    server.run(sockets=[socket.socket(fileno=handle)])


if __name__ == "__main__":
    main()
