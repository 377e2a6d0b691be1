"""The command `sheaf restore`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from backend.commands.backup import summary
from backend.commands.printed import print_text
from backend.embedded.failure import Failure, as_failure
from backend.embedded.folder import DataFolder
from backend.repositories.migrate import known_migrations
from backend.services.backup_restore import Checked, check, restore
from backend.settings import Settings
from backend.supervisor.reaching import started

_STANDARD_INPUT = "-"


def add_command(commands: Any) -> None:
    does = "put a backup into an empty database, while no service runs on it"
    warning = f"{does}; restore only files that you made: a backup is a program, which may do what the database may"
    parser = commands.add_parser("restore", help=does, description=warning)
    parser.add_argument("file", metavar="FILE", help="what `sheaf backup` wrote; - for standard input")
    parser.add_argument("--data", help="data folder, where SHEAF_DATABASE_URL is not set; made if missing (data)")
    parser.add_argument("--force", action="store_true", help="in place of what the database holds, which is gone then")
    parser.set_defaults(run=_restore)


def _restore(settings: Settings, given: argparse.Namespace) -> None:
    with as_failure("The backup cannot be restored"), ExitStack() as stack:
        if given.file == _STANDARD_INPUT:
            checked = check(stack.enter_context(_received(settings.data)), "What came")
        else:
            checked = check(Path(given.file), given.file)
        if settings.database_url:
            restore(settings.database_url, checked, force=given.force)
        else:
            _restore_private(settings, checked, force=given.force)
    made = checked.manifest
    print_text(f"Restored {summary(made)}, made at {made.created_at:%Y-%m-%dT%H:%M:%SZ}.")
    if made.migration != (newest := known_migrations()[-1]):
        print_text(f"The database was brought from migration {made.migration} to {newest}.")


@contextmanager
def _received(folder: Path) -> Iterator[Path]:
    """All of standard input in a file, since it is read more than once. Raises Failure."""
    if sys.stdin.isatty():
        raise Failure("A backup is not typed: name a file, or send one in.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(prefix="restore.", dir=folder) as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 2**20)
        file.flush()
        yield Path(file.name)


def _restore_private(settings: Settings, checked: Checked, *, force: bool) -> None:
    with started(settings, locks=2 * checked.locks) as ready:
        restore(ready.database_url, checked, force=force)
    if (operator := checked.manifest.operator) is not None:
        folder = DataFolder(settings.data)
        folder.write("operator", operator)
        folder.close()
