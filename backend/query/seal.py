"""Tokens that callers carry for us: whoever brings one back got it from us."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes

from backend.errors import InvalidCursor

_SIGNATURE = 16
_MOST_SECRET = 64
_LONGEST_TOKEN = 4_000
STAMP = 16
"""Bytes of a stamp."""


class Seal:
    """Signs tokens and knows its own again, by keyed BLAKE2b (RFC 7693).

    Until it is told the secret that all workers share it has one of its own.
    """

    def __init__(self) -> None:
        self.use(token_bytes(_MOST_SECRET))

    def use(self, secret: bytes) -> None:
        """Takes the secret, up to 64 bytes."""
        self._keyed = blake2b(key=secret, digest_size=_SIGNATURE)
        self._stamping = blake2b(key=secret, digest_size=STAMP, person=b"stamp")

    def sealed(self, told: bytes) -> str:
        """The token that carries this: URL-safe text."""
        return _text(self._signature(told) + told)

    def opened(self, token: str) -> bytes:
        """What a token carries. Raises InvalidCursor if it is none of ours."""
        if len(token) > _LONGEST_TOKEN:
            raise InvalidCursor
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError as error:
            raise InvalidCursor from error
        told = raw[_SIGNATURE:]
        if not compare_digest(raw[:_SIGNATURE], self._signature(told)) or _text(raw) != token:
            raise InvalidCursor
        return told

    def stamp(self, told: bytes) -> bytes:
        """What only those who have the secret can make of this; no token has it as its signature."""
        stamping = self._stamping.copy()
        stamping.update(told)
        return stamping.digest()

    def _signature(self, told: bytes) -> bytes:
        signing = self._keyed.copy()
        signing.update(told)
        return signing.digest()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
