"""API keys: how they are made up, what is kept of them, which ones open the service."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Literal

from msgspec import Struct

from backend.errors import Invalid, OnlyListedKeys
from backend.schemas.problems import ErrorItem
from backend.schemas.users import KeyOrigin

_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""Later moments are in the year 10000 somewhere on Earth, which neither clocks nor answers can tell."""


def new_key() -> tuple[str, bytes]:
    """A key and the hash to keep of it."""
    secret = f"sheaf_{secrets.token_urlsafe(32)}"
    return secret, hash_of(secret)


def hash_of(secret: str) -> bytes:
    """SHA-256: our keys are 256 random bits, which no dictionary can guess, so a slow hash would buy nothing."""
    return hashlib.sha256(secret.encode()).digest()


def expiry(told: datetime | None) -> datetime | None:
    """When a key ends, in UTC, as a time without an offset is. Raises Invalid: passed already, or too far away."""
    if told is None:
        return None
    at = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
    if at <= datetime.now(UTC):
        reason = "expires_at lies in the past: such a key would never work."
    elif at > _LATEST:
        reason = "expires_at lies beyond the year 9998; leave it out for a key that does not expire."
    else:
        return at.astimezone(UTC)
    raise Invalid(reason, errors=[ErrorItem(reason, pointer="/expires_at", code="INVALID_VALUE")])


class KeyPolicy(Struct, frozen=True):
    """Which keys open the service: those it issued, those `listed` by their hashes, or any that is well-formed."""

    name: Literal["issued", "listed", "any"] = "issued"
    listed: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, name: Literal["issued", "listed", "any"], keys: Iterable[str]) -> KeyPolicy:
        return cls(name, tuple(map(hash_of, keys)))

    @property
    def makes_users(self) -> bool:
        """Whether a key that nobody knows yet makes its own user."""
        return self.name != "issued"

    @property
    def origins(self) -> tuple[KeyOrigin, ...]:
        """Where a key that opens the service may come from."""
        return ("issued", "bootstrap", "presented") if self.makes_users else ("issued", "bootstrap")

    def admits(self, key_hash: bytes) -> bool:
        """Whether it needs no list or stands on it; the time that this takes does not tell where."""
        matches = [compare_digest(each, key_hash) for each in self.listed]
        return self.name != "listed" or any(matches)

    def permit_new_keys(self) -> None:
        """Raises OnlyListedKeys where a key that we make up could not be used."""
        if self.name == "listed":
            raise OnlyListedKeys
