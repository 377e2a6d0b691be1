"""Keys made at the terminal: for new users, and the operator's own, so that a fresh service can be used at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec import Struct

from backend.errors import AppError
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.users import KeyCreate
from backend.services.users import UserService
from backend.settings import Settings


class Operator(Struct, frozen=True):
    """The first user and a key of theirs that works."""

    user_id: UUID
    api_key: str


async def operator(settings: Settings, *, user_id: UUID | None, api_key: str | None) -> Operator:
    """The operator kept from an earlier start if that key still works; else a new key, else a new user."""
    async with _users(settings) as users:
        if api_key and (caller := await users.identify(api_key)):
            return Operator(caller.user_id, api_key)
        return await _with_new_key(users, user_id)


async def new_user(settings: Settings, name: str) -> str:
    """The API key of a new user."""
    async with _users(settings) as users:
        return (await users.create(name)).api_key


@asynccontextmanager
async def _users(settings: Settings) -> AsyncIterator[UserService]:
    database = Database(settings.database_url, size=1, bulk_size=1, prepare=settings.prepared_statements)
    await database.open()
    try:
        yield UserService(database, registration_open=False)
    finally:
        await database.close()


async def _with_new_key(users: UserService, user_id: UUID | None) -> Operator:
    if user_id is not None:
        owner = Caller(user_id, "operator", key_id=user_id, key_scope="write", workspaces=())
        try:
            issued = await users.issue_key(owner, KeyCreate(name="printed at start"))
        except AppError:  # this database does not know the user: it is another one
            return await _with_new_key(users, None)
        return Operator(user_id, issued.api_key)
    registered = await users.create("operator")
    return Operator(registered.user.id, registered.api_key)
