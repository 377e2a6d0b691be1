"""The commands `sheaf user …` and `sheaf key …`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert

from backend.commands.printed import print_json, print_table, print_text
from backend.embedded.failure import Failure, as_failure
from backend.query.text import why
from backend.schemas.users import Account, KeyCreate, UserCreate
from backend.settings import Settings
from backend.supervisor.keys import Staff, staff
from backend.supervisor.serve import with_database

_Wanted = TypeVar("_Wanted", bound=Struct)
Command = Callable[[Staff, argparse.Namespace], Awaitable[None]]
Add = Callable[..., argparse.ArgumentParser]


def add_command(commands: Any) -> None:
    """Adds both to the program's commands."""
    user = _group(commands, "user", "make, list, disable and enable users")
    create = user("create", _create_user, "The user cannot be made", "make a user and print the API key")
    create.add_argument("name", help="the user's name")
    user("list", _list_users, "The users cannot be listed", "list the users")
    for verb, run, does in (
        ("disable", _disable, "let none of the user's keys work"),
        ("enable", _enable, "let the user's keys work again"),
    ):
        user(verb, run, f"The user cannot be {verb}d", does).add_argument("user", help=_USER)

    key = _group(commands, "key", "make, list and revoke API keys")
    issue = key("create", _create_key, "The key cannot be made", "make one more key of a user and print it")
    issue.add_argument("user", help=_USER)
    issue.add_argument("--name", help="what the key is for")
    issue.add_argument("--scope", default="write", choices=("read", "write"), help="what it may do (write)")
    issue.add_argument("--expires", metavar="TIME", help="when it ends, such as 2030-01-31T00:00:00Z (never)")
    listed = key("list", _list_keys, "The keys cannot be listed", "list the keys that are not revoked")
    listed.add_argument("user", nargs="?", help=f"{_USER}; all users where none is named")
    revoke = key("revoke", _revoke_key, "The key cannot be revoked", "let a key work no more, on no worker")
    revoke.add_argument("key", metavar="KEY_ID", help="the key's id, as `sheaf key list` tells it")


_USER = "the user's id, or the name where no other user has it"


def _group(commands: Any, name: str, does: str) -> Add:
    verbs = commands.add_parser(name, help=does, description=does).add_subparsers(required=True, metavar="COMMAND")

    def add(verb: str, command: Command, failure: str, does: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = verbs.add_parser(verb, help=does, description=does)
        parser.add_argument("--data", help="folder of a running service, where SHEAF_DATABASE_URL is not set (data)")
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")
        parser.set_defaults(run=_runner(command, failure))
        return parser

    return add


def _runner(command: Command, failure: str) -> Callable[[Settings, argparse.Namespace], None]:
    async def run(settings: Settings, given: argparse.Namespace) -> None:
        async with staff(settings) as services:
            await command(services, given)

    def start(settings: Settings, given: argparse.Namespace) -> None:
        with as_failure(failure):
            asyncio.run(run(with_database(settings), given))

    return start


async def _create_user(staff: Staff, given: argparse.Namespace) -> None:
    made = await staff.users.create(_checked(UserCreate, name=given.name).name)
    print_json(made) if given.json else print_text(made.api_key)


async def _list_users(staff: Staff, given: argparse.Namespace) -> None:
    users = await staff.operators.list_users()
    if given.json:
        return print_json(users)
    rows = [
        (each.id, each.name, each.created_at, each.keys, "disabled" if each.disabled_at else "enabled")
        for each in users
    ]
    return print_table(("ID", "NAME", "CREATED", "KEYS", "STATE"), rows)


async def _disable(staff: Staff, given: argparse.Namespace) -> None:
    user = await staff.operators.disable(given.user)
    _say(given, user, f"{_named(user)} is disabled: none of the keys works any more, on any worker.")


async def _enable(staff: Staff, given: argparse.Namespace) -> None:
    user = await staff.operators.enable(given.user)
    _say(given, user, f"{_named(user)} is enabled: the keys that are not revoked work again.")


async def _create_key(staff: Staff, given: argparse.Namespace) -> None:
    wanted = _checked(KeyCreate, name=given.name, scope=given.scope, expires_at=given.expires)
    made = await staff.operators.issue_key(given.user, wanted)
    print_json(made) if given.json else print_text(made.api_key)


async def _list_keys(staff: Staff, given: argparse.Namespace) -> None:
    keys = await staff.operators.list_keys(given.user)
    if given.json:
        return print_json(keys)
    rows = [
        (each.id, each.user_name, each.name, each.scope, each.origin, each.created_at, each.expires_at) for each in keys
    ]
    return print_table(("ID", "USER", "NAME", "SCOPE", "ORIGIN", "CREATED", "EXPIRES"), rows)


async def _revoke_key(staff: Staff, given: argparse.Namespace) -> None:
    await staff.operators.revoke_key(given.key)
    _say(given, {"id": given.key}, f"Key {given.key} is revoked: it does not work any more, on any worker.")


def _say(given: argparse.Namespace, told: object, sentence: str) -> None:
    print_json(told) if given.json else print_text(sentence)


def _named(user: Account) -> str:
    return f"{user.name} ({user.id})"


def _checked(kind: type[_Wanted], **told: object) -> _Wanted:
    """The same rules as for the API. Raises Failure."""
    try:
        return convert(told, kind)
    except ValidationError as error:
        reason, _, place = why(error).partition(" - at `$.")
        raise Failure(f"The {place.rstrip('`') or 'value'} cannot be used: {reason}.") from error
