"""The database for a command, whether the service runs or not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from backend.embedded.failure import Failure
from backend.embedded.folder import DataFolder
from backend.embedded.postgres import EmbeddedPostgres
from backend.embedded.runtime import Runtime
from backend.settings import Settings
from backend.supervisor.serve import DATABASE_ADDRESS, with_database


@contextlib.contextmanager
def reached(settings: Settings) -> Iterator[Settings]:
    """The settings with the address of the database: the given one, that of the service now running, or of the private
    one, which is started for the block. Raises Failure where there is none.
    """
    if settings.database_url:
        yield settings
        return
    if not has_database(settings.data):
        raise Failure(
            f"There is no database in the data folder {settings.data.absolute()}; `sheaf serve` makes one, --data names"
            " another folder, and SHEAF_DATABASE_URL a database of your own."
        )
    if (settings.data / DATABASE_ADDRESS).exists() and _in_use(settings):
        yield with_database(settings)
        return
    with started(settings) as ready:
        yield ready


@contextlib.contextmanager
def started(settings: Settings, *, locks: int = 0) -> Iterator[Settings]:
    """The private database in the data folder, made where there is none and started for the block.

    `locks`: on so many tables at once there is room for. Raises Failure where a service runs on the folder.
    """
    with contextlib.ExitStack() as stack:
        data = DataFolder(settings.data)
        stack.callback(data.close)
        runtime = Runtime()
        stack.callback(runtime.close)
        postgres = EmbeddedPostgres(data, runtime, locks=locks)
        stack.callback(postgres.stop, 60.0)
        postgres.start()
        yield replace(settings, database_url=postgres.url, data=data.path)


def has_database(data: Path) -> bool:
    """Whether there is a private one in the data folder. Raises Failure where that is closed to us."""
    try:
        return (data / "postgres").exists()
    except PermissionError as error:
        raise Failure(f"The data folder {data} is closed to this user; run this as the user of the service.") from error


def _in_use(settings: Settings) -> bool:
    """Whether a service runs on the data folder."""
    try:
        DataFolder(settings.data).close()
    except Failure:
        return True
    return False
