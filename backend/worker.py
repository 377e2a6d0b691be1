"""One server process: the application behind a socket that the supervisor has bound."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from pathlib import Path

from backend.app import create_app
from backend.embedded.launch import die_with_parent
from backend.services.figures import Place
from backend.serving import Stopping, http_server
from backend.settings import SettingsError, load


def main() -> None:
    """Serve until told to stop.

    Arguments: the socket's file descriptor, the supervisor's process id, this worker's number, the folder in which the
    workers keep their figures. What is there before the first request stays to the end, so no collection of garbage
    need look at it again.
    """
    handle, supervisor = int(sys.argv[1]), int(sys.argv[2])
    place = Place(Path(sys.argv[4]), sys.argv[3])
    die_with_parent(signal.SIGKILL)
    if os.getppid() != supervisor:
        return
    settings, stopping = load(os.environ), Stopping()
    try:
        app = create_app(settings, stopping, place)
    except SettingsError as error:
        sys.exit(f"sheaf: {error}")
    server = http_server(app, stopping, drain=settings.drain_seconds)
    gc.freeze()
    server.run(sockets=[socket.socket(fileno=handle)])


if __name__ == "__main__":
    main()
