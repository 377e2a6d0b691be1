"""What the operator does beside the service: with every user and every key."""

from __future__ import annotations

from collections.abc import Sequence

from backend.errors import Conflict, KeyNotFound, UserNotFound
from backend.query.text import shown
from backend.repositories import accounts, lookup, users
from backend.repositories.database import Database, Tx
from backend.schemas.users import Account, AccountKey, KeyCreate, KeyIssued
from backend.services.api_keys import KeyPolicy, hash_of
from backend.services.identifiers import uuid7
from backend.services.users import UserService, add_key, add_user

_EVERY_ORIGIN = KeyPolicy("any").origins


class OperatorService:
    """Users are named by their id, or by their name where no other has it."""

    def __init__(self, database: Database, service: UserService, policy: KeyPolicy) -> None:
        self._database = database
        self._users = service
        self._policy = policy

    async def list_users(self) -> Sequence[Account]:
        async with self._database.read() as tx:
            return await accounts.list_accounts(tx)

    async def disable(self, ref: str) -> Account:
        """Once this returns none of the user's keys works anywhere. Raises UserNotFound."""
        async with self._database.transaction() as tx:
            await accounts.disable(tx, (await _user(tx, ref)).id)
            user = await _user(tx, ref)
        await self._users.forgotten_everywhere()
        return user

    async def enable(self, ref: str) -> Account:
        """The user's keys work again. Raises UserNotFound."""
        async with self._database.transaction() as tx:
            await accounts.enable(tx, (await _user(tx, ref)).id)
            return await _user(tx, ref)

    async def issue_key(self, ref: str, wanted: KeyCreate) -> KeyIssued:
        """One more key of a user.

        Raises UserNotFound, InvalidName, and where the key would be dead at once OnlyListedKeys, Conflict or Invalid.
        """
        self._policy.permit_new_keys()
        async with self._database.transaction() as tx:
            user = await _user(tx, ref)
            if user.disabled_at is not None:
                raise Conflict(
                    f"{shown(user.name)} is disabled, and no key of theirs works: `sheaf user enable` first."
                )
            return await add_key(tx, user.id, wanted)

    async def list_keys(self, ref: str | None) -> Sequence[AccountKey]:
        """The keys of a user, or all; without those that are revoked. Raises UserNotFound."""
        async with self._database.read() as tx:
            return await accounts.list_keys(tx, None if ref is None else (await _user(tx, ref)).id)

    async def revoke_key(self, ref: str) -> None:
        """Once this returns the key with this id works nowhere. Raises KeyNotFound."""
        key_id = lookup.as_uuid(ref)
        async with self._database.transaction() as tx:
            if key_id is None or not await users.revoke_key(tx, key_id):
                raise KeyNotFound(f"No key that works has the id {shown(ref)}; `sheaf key list` tells the ids.")
        await self._users.forgotten_everywhere()

    async def keep_bootstrap_key(self, secret: str) -> bool:
        """Makes sure that the key of the configuration is there, in place of a former one. Whether it works.

        A key that is dead stays so: a process with an older configuration changes nothing.
        """
        key_hash = hash_of(secret)
        async with self._database.transaction() as tx:
            await accounts.lock_bootstrap(tx)
            if not await users.key_exists(tx, key_hash):
                user_id = await accounts.find_bootstrap_user(tx) or (await add_user(tx, "bootstrap"))[0].id
                await users.add_key(tx, user_id, uuid7(), key_hash, name="bootstrap", origin="bootstrap")
            works = await users.find_caller(tx, key_hash, _EVERY_ORIGIN) is not None
            if works:
                await accounts.adopt_key(tx, key_hash)
            changed = works and await accounts.revoke_former_bootstrap_keys(tx, key_hash)
        if changed:
            await self._users.forgotten_everywhere()
        return works


async def _user(tx: Tx, ref: str) -> Account:
    user_id = lookup.as_uuid(ref)
    found = await accounts.list_accounts(tx, user_id=user_id, name=None if user_id else ref)
    if not found:
        raise UserNotFound(f"No user has the id or the name {shown(ref)}; `sheaf user list` tells them.")
    if len(found) > 1:
        ids = ", ".join(str(user.id) for user in found)
        raise UserNotFound(f"Several users are called {shown(ref)}; name the one you mean by its id: {ids}.")
    return found[0]
