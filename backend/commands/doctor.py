"""The command `sheaf doctor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.assembly import most_connections, spool_folder
from backend.commands.doctor_settings import check_settings
from backend.commands.printed import print_json, print_text
from backend.embedded.failure import Failure, as_failure
from backend.repositories.backups import connected, one_state
from backend.schemas.findings import Checkup, Finding, error
from backend.services.doctor_around import check_disk, check_redis
from backend.services.doctor_contents import check_contents
from backend.services.doctor_server import check_server
from backend.settings import Settings
from backend.supervisor.reaching import has_database, reached

_BESIDE = 2
"""Connections for what the supervisor and a command do beside the workers."""


def add_command(commands: Any) -> None:
    does = "look whether everything is as it should be, and tell what to do"
    parser = commands.add_parser("doctor", help=does, description=does)
    parser.add_argument("--data", help="data folder, where SHEAF_DATABASE_URL is not set (data)")
    parser.add_argument("--workers", help="server processes, as they were told to `sheaf serve` (1)")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=_doctor)


def _doctor(settings: Settings, given: argparse.Namespace) -> None:
    """Exits with 1 where something is in error."""
    findings = [
        *check_settings(settings),
        *check_disk(settings.data, spool_folder(settings), max_upload=settings.max_upload),
        *check_redis(settings.redis_url),
        *_check_database(settings),
    ]
    checkup = Checkup.of(findings)
    if given.json:
        print_json(checkup)
    else:
        _print(checkup)
    if checkup.status == "error":
        sys.exit(1)


def _check_database(settings: Settings) -> Iterator[Finding]:
    """Everything about the database; that it cannot be reached is a finding, too."""
    if not settings.database_url and (found := _missing(settings.data)) is not None:
        yield found
        return
    needed = settings.workers * most_connections(settings) + _BESIDE
    try:
        with (
            as_failure("The database cannot be looked at"),
            reached(settings) as ready,
            connected(ready.database_url) as tx,
        ):
            yield from check_server(tx, needed=needed, prepares=settings.prepared_statements)
            with one_state(tx):
                yield from check_contents(tx, undelete_days=settings.undelete_days)
    except Failure as failure:
        yield error("database", str(failure), "Look whether PostgreSQL runs, at its log, and at SHEAF_DATABASE_URL.")


def _missing(data: Path) -> Finding | None:
    """Why there is no private database to look at; None where there is one."""
    advice = "The first `sheaf serve` makes one; --data names another folder, SHEAF_DATABASE_URL your own database."
    try:
        if has_database(data):
            return None
    except Failure as failure:
        return error("database", str(failure), "See what is told of the data folder.")
    if not data.exists():
        return error("database", f"There is no data folder {data.absolute()}.", advice)
    return error("database", f"There is no database in the data folder {data.absolute()}.", advice)


def _print(checkup: Checkup) -> None:
    width = max(len(each.check) for each in checkup.findings)
    for each in checkup.findings:
        print_text(f"{each.status:<8} {each.check:<{width}}  {each.found}")
        if each.advice is not None:
            print_text(f"{'':<8} {'':<{width}}  → {each.advice}")
    counted = {name: [each.status for each in checkup.findings].count(name) for name in ("warning", "error")}
    print_text(", ".join(f"{number} {name}{'' if number == 1 else 's'}" for name, number in counted.items()) + ".")
