"""The worker processes, and the watch over everything that must keep running."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

import structlog

from backend.embedded.failure import Failure
from backend.embedded.processes import end

log = structlog.get_logger()

_TICK = 0.1
_PATIENCE = 4.5  # longer than a worker's own grace time, so that it ends by itself
_SETTLED = 10.0  # seconds after which a process counts as healthy
_LONGEST_PAUSE = 10.0


class Startable(Protocol):
    """Something that runs as a child process."""

    process: subprocess.Popen[bytes] | None

    def start(self) -> None: ...


class Worker:
    """One server process on the shared socket."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str], number: int, figures: Path) -> None:
        """`figures`: the folder of what the workers count, by their `number`."""
        self._told = [str(number), str(figures)]
        self._listener = listener
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        handle = self._listener.fileno()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "backend.worker", str(handle), str(os.getpid()), *self._told],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[handle],
            start_new_session=True,
        )


class Restarted:
    """A child that is started again when it ends; ever more slowly while it does not settle."""

    def __init__(self, name: str, server: Startable, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._server = server
        self._clock = clock
        self._failures = 0
        self._due: float | None = None
        self._started = clock()

    @property
    def ended(self) -> bool:
        """Whether the child has ended, and is reaped."""
        process = self._server.process
        return process is None or process.poll() is not None

    def revive(self) -> None:
        """Start the child again if it has ended and its pause is over."""
        if not self.ended:
            return
        now = self._clock()
        if self._due is None:
            self._failures = 0 if now - self._started > _SETTLED else self._failures + 1
            self._due = now + min(2.0**self._failures - 1, _LONGEST_PAUSE)
            status = self._server.process.returncode if self._server.process else None
            log.error("process_ended", process=self._name, status=status)
        if now >= self._due:
            self._due, self._started = None, now
            try:
                self._server.start()
            except (Failure, OSError) as error:
                log.error("process_not_started", process=self._name, reason=str(error))


class Workers:
    """All server processes."""

    def __init__(
        self, listener: socket.socket, environment: Mapping[str, str], count: int, figures: Path, *, drain: float = 0
    ) -> None:
        """`drain`: seconds for which they serve on when they are told to stop."""
        self._workers = [Worker(listener, environment, number, figures) for number in range(1, count + 1)]
        self._patience = drain + _PATIENCE

    def start(self) -> None:
        """Start them, without waiting."""
        for worker in self._workers:
            worker.start()

    def check(self) -> None:
        """Raises Failure when one has ended: during the start nothing may."""
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is not None:
                raise Failure(f"A worker ended while starting (status {worker.process.returncode}); its log says why.")

    def each(self) -> Iterator[Restarted]:
        for number, worker in enumerate(self._workers, 1):
            yield Restarted(f"worker {number}", worker)

    def stop(self) -> None:
        """Let them end their requests, all at once; after that, end them."""
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._patience
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in running:
            end(process, signals={})


def watch(children: Sequence[Restarted]) -> NoReturn:
    """Keep the children running, for ever."""
    while True:
        for child in children:
            child.revive()
        _reap_strangers()
        time.sleep(_TICK)


def _reap_strangers() -> None:
    """As process 1 of a container we inherit orphans; ours are reaped above."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG):
            pass
