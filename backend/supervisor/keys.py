"""Keys and users beside the service: the operator's own key, and what the commands work with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec import Struct

from backend.errors import Conflict, UserNotFound
from backend.repositories.database import Database
from backend.schemas.users import KeyCreate
from backend.services.api_keys import KeyPolicy
from backend.services.operators import OperatorService
from backend.services.users import UserService
from backend.settings import Settings


class Operator(Struct, frozen=True):
    """The first user and a key of theirs that works."""

    user_id: UUID
    api_key: str


class Staff(Struct, frozen=True):
    """The services that an operator works with."""

    users: UserService
    operators: OperatorService


@asynccontextmanager
async def staff(settings: Settings) -> AsyncIterator[Staff]:
    """The services over a connection of their own."""
    database = Database(settings.database_url, size=1, bulk_size=1, prepare=settings.prepared_statements)
    policy = KeyPolicy.of(settings.key_policy, settings.listed_keys)
    users = UserService(database, registration_open=False, policy=policy, memory=settings.key_memory)
    await database.open()
    try:
        yield Staff(users, OperatorService(database, users, policy))
    finally:
        await database.close()


async def operator(settings: Settings, *, user_id: UUID | None, api_key: str | None) -> Operator:
    """The operator kept from an earlier start if that key still works; else a new key, else a new user."""
    async with staff(settings) as services:
        if api_key and (caller := await services.users.identify(api_key)):
            return Operator(caller.user_id, api_key)
        if user_id is not None:
            # this database does not know the user, if it is another one; or they were disabled
            with contextlib.suppress(UserNotFound, Conflict):
                issued = await services.operators.issue_key(str(user_id), KeyCreate(name="printed at start"))
                return Operator(user_id, issued.api_key)
        registered = await services.users.create("operator")
        return Operator(registered.user.id, registered.api_key)


async def keep_bootstrap_key(settings: Settings) -> bool:
    """Makes sure that the key of the configuration is there. Whether it works."""
    async with staff(settings) as services:
        return await services.operators.keep_bootstrap_key(settings.bootstrap_key)
