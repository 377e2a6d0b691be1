"""Registration and keys."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

from backend.errors import Invalid, KeyNotFound, RegistrationClosed
from backend.repositories import users
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.problems import ErrorItem
from backend.schemas.users import Key, KeyCreate, KeyIssued, KeyList, KeyRotated, Me, Membership, Registered, User
from backend.services.identifiers import slugify, uuid7

_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
REMEMBERED_SECONDS = 1.0
"""For how long a worker takes a key's owner for known. Revoking waits as long before it answers, so that by then no
worker, on whatever machine, still takes the old key."""
_MOST_REMEMBERED = 10_000


def _new_key() -> tuple[str, bytes]:
    secret = f"sheaf_{secrets.token_urlsafe(32)}"
    return secret, _hash(secret)


def _hash(secret: str) -> bytes:
    """SHA-256: our keys are 256 random bits, which no dictionary can guess, so a slow hash would buy nothing."""
    return hashlib.sha256(secret.encode()).digest()


class UserService:
    def __init__(self, database: Database, *, registration_open: bool) -> None:
        self._database = database
        self._registration_open = registration_open
        self._remembered: dict[bytes, tuple[float, Caller]] = {}

    async def identify(self, secret: str) -> Caller | None:
        """Who this key belongs to; None for a malformed, unknown, expired or revoked one."""
        if _KEY.fullmatch(secret) is None:
            return None
        key_hash, now = _hash(secret), monotonic()
        until, caller = self._remembered.get(key_hash, (0.0, None))
        if caller is not None and now < until and not _expired(caller):
            return caller
        async with self._database.read() as tx:
            caller = await users.find_caller(tx, key_hash)
        if caller is not None:
            self._remember(key_hash, now + REMEMBERED_SECONDS, caller)
        return caller

    def _remember(self, key_hash: bytes, until: float, caller: Caller) -> None:
        """Not while a workspace has no schema yet: its first dataset must be seen by the next request."""
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        if all(scope.has_schema for scope in caller.workspaces):
            self._remembered[key_hash] = (until, caller)

    async def register(self, name: str) -> Registered:
        """A user, a default workspace and a key. Raises RegistrationClosed."""
        if not self._registration_open:
            raise RegistrationClosed
        return await self.create(name)

    async def create(self, name: str) -> Registered:
        """What `register` does, for the operator: whether or not registration is open."""
        user_id, workspace_id, slug = uuid7(), uuid7(), slugify(name) or "workspace"
        secret, key_hash = _new_key()
        async with self._database.transaction() as tx:
            await users.add_user(tx, user_id, name)
            await users.add_workspace(tx, user_id, workspace_id, slug, name)
            await users.add_key(tx, user_id, uuid7(), key_hash, name="first key")
        return Registered(User(user_id, name), Membership(workspace_id, slug, name, "owner"), secret)

    @staticmethod
    def me(caller: Caller) -> Me:
        spaces = tuple(Membership(scope.id, scope.slug, scope.name, scope.role) for scope in caller.workspaces)
        return Me(caller.user_id, caller.user_name, spaces)

    async def list_keys(self, caller: Caller) -> KeyList:
        async with self._database.read() as tx:
            keys: tuple[Key, ...] = await users.list_keys(tx, caller.user_id)
        return KeyList(keys, len(keys))

    async def issue_key(self, caller: Caller, wanted: KeyCreate) -> KeyIssued:
        """Raises Invalid for a key that would be dead from the start."""
        expires_at = wanted.expires_at
        if expires_at is not None and expires_at.tzinfo is None:
            expires_at = expires_at.replace(tzinfo=UTC)
        if expires_at is not None and expires_at <= datetime.now(UTC):
            reason = "expires_at lies in the past: such a key would never work."
            raise Invalid(reason, errors=[ErrorItem(reason, pointer="/expires_at", code="INVALID_VALUE")])
        secret, key_hash = _new_key()
        key_id = uuid7()
        async with self._database.transaction() as tx:
            await users.add_key(
                tx,
                caller.user_id,
                key_id,
                key_hash,
                name=wanted.name,
                scope=wanted.scope,
                expires_at=expires_at,
            )
        return KeyIssued(key_id, wanted.name, wanted.scope, expires_at, secret)

    async def revoke_key(self, caller: Caller, key_id: UUID) -> None:
        """Raises KeyNotFound, for a key of somebody else too."""
        async with self._database.transaction() as tx:
            if not await users.revoke_key(tx, caller.user_id, key_id, datetime.now(UTC)):
                raise KeyNotFound
        await self.forgotten_everywhere()

    async def rotate_key(self, caller: Caller) -> KeyRotated:
        """A new secret for the key that was used; the old one is dead at once."""
        secret, key_hash = _new_key()
        async with self._database.transaction() as tx:
            await users.replace_key_hash(tx, caller.user_id, caller.key_id, key_hash)
        await self.forgotten_everywhere()
        return KeyRotated(secret)

    async def forgotten_everywhere(self) -> None:
        """Returns when no worker remembers what was committed before: what took rights away then holds on all."""
        self._remembered.clear()
        await asyncio.sleep(REMEMBERED_SECONDS)


def _expired(caller: Caller) -> bool:
    return caller.key_expires_at is not None and caller.key_expires_at <= datetime.now(UTC)
