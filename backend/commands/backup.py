"""The command `sheaf backup`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from backend.commands.printed import print_text
from backend.embedded.failure import Failure, as_failure
from backend.services.backups import Manifest, back_up, created
from backend.settings import Settings
from backend.supervisor.reaching import reached

_STANDARD_OUTPUT = "-"


def add_command(commands: Any) -> None:
    does = "write everything into one file, while the service runs or not"
    parser = commands.add_parser("backup", help=does, description=does)
    parser.add_argument("file", metavar="FILE", help="the file; - for standard output")
    parser.add_argument("--data", help="data folder, where SHEAF_DATABASE_URL is not set (data)")
    parser.add_argument("--force", action="store_true", help="in place of a file that is there already")
    parser.set_defaults(run=_backup)


def _backup(settings: Settings, given: argparse.Namespace) -> None:
    with as_failure("The backup cannot be made"), contextlib.ExitStack() as stack:
        if given.file == _STANDARD_OUTPUT and sys.stdout.isatty():
            raise Failure("A backup is no text for a terminal: name a file, or send the output into one.")
        to_file = given.file != _STANDARD_OUTPUT
        file = created(Path(given.file), replace=given.force)
        target = stack.enter_context(file) if to_file else sys.stdout.buffer
        ready = stack.enter_context(reached(settings))
        made = back_up(ready.database_url, target, operator=_operator(ready))
        target.flush()
    if to_file:
        print_text(f"{given.file}: {summary(made)}.")


def _operator(settings: Settings) -> str | None:
    with contextlib.suppress(OSError):
        return (settings.data / "operator").read_text().strip() or None
    return None


def summary(backup: Manifest) -> str:
    """How much a backup holds, in words."""
    held = backup.contents
    return (
        f"{_count(held.workspaces, 'workspace')}, {_count(held.datasets, 'dataset')}, {_count(held.users, 'user')};"
        f" {backup.bytes:,} bytes, migration {backup.migration}, Sheaf {backup.sheaf}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
