"""Registration, whose key this is, and what users do with their own keys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from hmac import compare_digest
from time import monotonic
from uuid import UUID

from backend.errors import KeyNotFound, RegistrationClosed, Unauthorized
from backend.repositories import users
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller
from backend.schemas.users import (
    WELL_FORMED,
    Key,
    KeyCreate,
    KeyIssued,
    KeyList,
    KeyRotated,
    Me,
    Membership,
    Registered,
    User,
)
from backend.services.api_keys import KeyPolicy, expiry, hash_of, new_key
from backend.services.identifiers import check_name, uuid7
from backend.services.members import add_own

_MOST_REMEMBERED = 10_000
_ISSUED_ONLY = KeyPolicy()


class UserService:
    def __init__(
        self,
        database: Database,
        *,
        registration_open: bool,
        policy: KeyPolicy = _ISSUED_ONLY,
        memory: float = 1.0,
    ) -> None:
        """`memory`: for how many seconds a worker takes a key's owner for known.

        What takes rights away waits as long before it answers: by then no worker, on whatever machine, still takes the
        old key.
        """
        self._database = database
        self._registration_open = registration_open
        self._policy = policy
        self._memory = memory
        self._remembered: dict[bytes, tuple[float, Caller]] = {}

    async def identify(self, secret: str) -> Caller | None:
        """Who this key belongs to; None for a malformed, unknown, expired, revoked or unlisted one.

        Where the policy says so, a key that is sent for the first time makes its own user.
        """
        if WELL_FORMED.fullmatch(secret) is None:
            return None
        key_hash, now = hash_of(secret), monotonic()
        until, caller = self._remembered.get(key_hash, (0.0, None))
        if caller is not None and now < until and not _expired(caller):
            return caller
        if not self._policy.admits(key_hash):
            return None
        caller = await self._find(key_hash)
        if caller is None and self._policy.makes_users:
            await self._present(key_hash)
            caller = await self._find(key_hash)
        if caller is not None:
            self._remember(key_hash, now + self._memory, caller)
        return caller

    async def _find(self, key_hash: bytes) -> Caller | None:
        async with self._database.read() as tx:
            caller = await users.find_caller(tx, key_hash, self._policy.origins)
        return caller if caller is not None and compare_digest(caller.key_hash, key_hash) else None

    async def _present(self, key_hash: bytes) -> None:
        """Makes the user of a key that was never here before; one that is dead stays so."""
        async with self._database.transaction() as tx:
            if not await users.key_exists(tx, key_hash):
                user, _ = await add_user(tx)
                await users.add_key(tx, user.id, uuid7(), key_hash, origin="presented")

    def _remember(self, key_hash: bytes, until: float, caller: Caller) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[key_hash] = (until, caller)

    async def register(self, name: str) -> Registered:
        """A user, a default workspace and a key. Raises RegistrationClosed, OnlyListedKeys, InvalidName."""
        self._policy.permit_new_keys()
        if not self._registration_open:
            raise RegistrationClosed
        return await self.create(name)

    async def create(self, name: str) -> Registered:
        """What `register` does, for the operator: whether or not registration is open.

        Raises OnlyListedKeys, InvalidName.
        """
        self._policy.permit_new_keys()
        name = check_name(name)
        secret, key_hash = new_key()
        async with self._database.transaction() as tx:
            user, workspace = await add_user(tx, name)
            await users.add_key(tx, user.id, uuid7(), key_hash, name="first key")
        return Registered(user, workspace, secret)

    @staticmethod
    def me(caller: Caller) -> Me:
        spaces = tuple(Membership(scope.id, scope.slug, scope.name, scope.role) for scope in caller.workspaces)
        return Me(caller.user_id, caller.user_name, spaces)

    async def list_keys(self, caller: Caller) -> KeyList:
        async with self._database.read() as tx:
            keys: tuple[Key, ...] = await users.list_keys(tx, caller)
        return KeyList(keys, len(keys))

    async def issue_key(self, caller: Caller, wanted: KeyCreate) -> KeyIssued:
        """Raises OnlyListedKeys, InvalidName, Invalid for a key that would be dead at once, Unauthorized where the
        caller's is.
        """
        self._policy.permit_new_keys()
        async with self._database.transaction() as tx:
            if not await users.still_works(tx, caller):
                raise Unauthorized
            return await add_key(tx, caller.user_id, wanted)

    async def revoke_key(self, caller: Caller, key_id: UUID) -> None:
        """Raises KeyNotFound, for a key of somebody else too."""
        async with self._database.transaction() as tx:
            if not await users.revoke_key(tx, key_id, of=caller.user_id):
                raise KeyNotFound
        await self.forgotten_everywhere()

    async def rotate_key(self, caller: Caller) -> KeyRotated:
        """A new secret for the key of the request; the old one is dead at once.

        Raises OnlyListedKeys, and Unauthorized when the key was rotated or revoked meanwhile.
        """
        self._policy.permit_new_keys()
        secret, key_hash = new_key()
        async with self._database.transaction() as tx:
            if not await users.replace_key_hash(tx, caller, key_hash, bury=uuid7()):
                raise Unauthorized
        await self.forgotten_everywhere()
        return KeyRotated(secret)

    async def forgotten_everywhere(self) -> None:
        """Returns when no worker remembers what was committed before: what took rights away then holds on all.

        Where a write is held until its answer is known, the answer waits instead.
        """
        await self._database.once_published(self._forget)

    async def _forget(self) -> None:
        self._remembered.clear()
        await asyncio.sleep(self._memory)


async def add_user(tx: Tx, name: str | None = None) -> tuple[User, Membership]:
    """A user with a default workspace; called by the end of the id where nobody gave a name."""
    user_id = uuid7()
    name = name or f"user {user_id.hex[-8:]}"
    await users.add_user(tx, user_id, name)
    return User(user_id, name), await add_own(tx, user_id, name)


async def add_key(tx: Tx, user_id: UUID, wanted: KeyCreate) -> KeyIssued:
    """One more key of a user. Raises InvalidName, and Invalid for one that would be dead from the start."""
    expires_at, name = expiry(wanted.expires_at), None if wanted.name is None else check_name(wanted.name)
    secret, key_hash = new_key()
    key_id = uuid7()
    await users.add_key(tx, user_id, key_id, key_hash, name=name, scope=wanted.scope, expires_at=expires_at)
    return KeyIssued(key_id, name, wanted.scope, expires_at, secret)


def _expired(caller: Caller) -> bool:
    return caller.key_expires_at is not None and caller.key_expires_at <= datetime.now(UTC)
