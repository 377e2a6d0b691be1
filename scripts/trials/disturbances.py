"""What is done to the service: each kind of fault, by the processes, sockets and files that it has."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from scripts.trials.service import Service
from scripts.trials.wire import Connection

DISK_FULL = "disk full"
DISK = 1 << 30
"""Bytes of the disk that is filled."""
_PIECE = bytes(1 << 20)


class Disturbances:
    """What is done; each returns when it is over, before the service has recovered from it."""

    def __init__(
        self, service: Service, connections: Sequence[Connection], chance: random.Random, *, pause: float
    ) -> None:
        """`pause`: seconds for which servers stand still."""
        self._service, self._connections, self._chance, self._pause = service, connections, chance, pause

    async def kill_worker(self) -> None:
        _signal([self._chance.choice(sorted(self._service.workers))], signal.SIGKILL)

    async def kill_service(self) -> None:
        """The suite starts it again: nobody else would."""
        self._service.kill()
        await asyncio.to_thread(self._service.start)

    async def restart_service(self) -> None:
        await asyncio.to_thread(self._service.stop)
        await asyncio.to_thread(self._service.start)

    async def kill_postgres(self) -> None:
        _signal(self._service.server("postgres")[:1], signal.SIGKILL)

    async def restart_postgres(self) -> None:
        """A fast shutdown, as an administrator orders it."""
        _signal(self._service.server("postgres")[:1], signal.SIGINT)

    async def pause_postgres(self) -> None:
        await self._stand_still("postgres")

    async def cut_connections(self) -> None:
        """Several times in a row, so that some are cut while they commit."""
        for _ in range(5):
            with suppress(psycopg.OperationalError):
                await asyncio.to_thread(self._terminate)
            await asyncio.sleep(0.1)

    def _terminate(self) -> None:
        with self._service.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    async def cut_clients(self) -> None:
        """All of them, wherever they are in a body or an answer."""
        for _ in range(5):
            for connection in self._connections:
                connection.close()
            await asyncio.sleep(0.1)

    async def kill_valkey(self) -> None:
        _signal(self._service.server("valkey")[:1], signal.SIGKILL)

    async def pause_valkey(self) -> None:
        await self._stand_still("valkey")

    async def _stand_still(self, name: str) -> None:
        pids = self._service.server(name)
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._pause)
        finally:
            _signal(pids, signal.SIGCONT)

    async def fill_disk(self) -> None:
        """All that is left, for a while; then it is empty again."""
        filler = self._service.data.parent / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                for _ in range(10):
                    with suppress(OSError):
                        while file.write(_PIECE):
                            pass
                    await asyncio.sleep(self._pause / 10)
        finally:
            filler.unlink()


KINDS: dict[str, Callable[[Disturbances], Awaitable[None]]] = {
    "worker killed": Disturbances.kill_worker,
    "service killed": Disturbances.kill_service,
    "service stopped and started": Disturbances.restart_service,
    "PostgreSQL killed": Disturbances.kill_postgres,
    "PostgreSQL restarted": Disturbances.restart_postgres,
    "PostgreSQL paused": Disturbances.pause_postgres,
    "database connections cut": Disturbances.cut_connections,
    "clients cut": Disturbances.cut_clients,
    "Valkey killed": Disturbances.kill_valkey,
    "Valkey paused": Disturbances.pause_valkey,
    DISK_FULL: Disturbances.fill_disk,
}
"""The kinds of faults, by name; the last one needs a disk of its own."""


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mounts a disk of its own at a folder, where none is and this user may; whether there is one."""
    if folder.is_mount():
        yield True
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
