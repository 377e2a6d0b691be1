"""The program `sheaf`: serve and migrate, and the commands of `backend/commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from backend.embedded.failure import Failure, as_failure
from backend.repositories.migrate import upgrade
from backend.settings import Settings, SettingsError, load
from backend.supervisor.serve import Request, serve, with_database

_MODULES = ("operators", "backup", "restore", "doctor")
"""What the other commands need takes a second and more to import: none of it delays the service."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; a failure is one sentence on standard error and exit code 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = _parser(others=arguments[:1] not in (["serve"], ["migrate"])).parse_args(arguments)
    try:
        settings = load(
            os.environ, **{name: getattr(given, name, None) for name in ("host", "port", "data", "workers")}
        )
        given.run(settings, given)
    except (Failure, SettingsError) as error:
        sys.exit(f"sheaf: {error}")


def _parser(*, others: bool) -> argparse.ArgumentParser:
    """`others`: with the commands besides `serve` and `migrate`."""
    parser = argparse.ArgumentParser(prog="sheaf", description="Spreadsheets in, versioned datasets, spreadsheets out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("serve", help="start the service and, unless told where, PostgreSQL and Valkey")
    run.add_argument("--host", help="address to listen on (127.0.0.1)")
    run.add_argument("--port", help="port to listen on; 0 takes a free one (8000)")
    run.add_argument("--data", help="folder of the data (data)")
    run.add_argument("--workers", help="server processes (1)")
    run.add_argument("--ephemeral", action="store_true", help="keep the data in a temporary folder until the end")
    run.add_argument("--sample", action="store_true", help="load three small datasets: sales, users, products")
    run.add_argument("--no-key", action="store_true", help="print no API key; make users with `sheaf user`")
    run.set_defaults(run=_serve)

    migrate = commands.add_parser("migrate", help="bring the database to the newest schema")
    migrate.add_argument("--data", help="folder of a running service, where SHEAF_DATABASE_URL is not set (data)")
    migrate.set_defaults(run=_migrate)

    for name in _MODULES if others else ():
        import_module(f"backend.commands.{name}").add_command(commands)
    return parser


def _serve(settings: Settings, given: argparse.Namespace) -> None:
    if given.ephemeral and given.data is not None:
        raise Failure("--ephemeral keeps nothing in the folder of --data; give one of the two.")
    serve(Request(settings, ephemeral=given.ephemeral, sample=given.sample, key=not given.no_key))


def _migrate(settings: Settings, _: argparse.Namespace) -> None:
    with as_failure("The database cannot be migrated"):
        upgrade(with_database(settings).database_url)
