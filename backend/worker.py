"""One server process: the application behind a socket that the supervisor has bound."""

from __future__ import annotations

import os
import signal
import socket
import sys

from backend.app import create_app
from backend.embedded.launch import die_with_parent
from backend.serving import http_server


def main() -> None:
    """Serve until told to stop. Arguments: the socket's file descriptor and the supervisor's process id."""
    handle, supervisor = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(signal.SIGKILL)
    if os.getppid() != supervisor:
        return
    http_server(create_app()).run(sockets=[socket.socket(fileno=handle)])


if __name__ == "__main__":
    main()
