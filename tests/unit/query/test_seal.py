"""Tokens: only whoever has the secret makes one that opens."""

from base64 import urlsafe_b64encode
from hashlib import blake2b
from secrets import token_bytes

import pytest

from backend.errors import InvalidCursor
from backend.query.seal import Seal

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _seal(secret: bytes) -> Seal:
    seal = Seal()
    seal.use(secret)
    return seal


def test_all_who_have_the_secret_open_it() -> None:
    secret = token_bytes(32)
    for told in (b"", b"x", token_bytes(1000)):
        assert _seal(secret).opened(_seal(secret).sealed(told)) == told


def test_the_signature_is_keyed_blake2b() -> None:
    token = _seal(b"secret").sealed(b"told")
    signature = blake2b(b"told", key=b"secret", digest_size=16).digest()
    assert token == urlsafe_b64encode(signature + b"told").rstrip(b"=").decode()


@pytest.mark.parametrize("other", [b"secret2", b"secre", b""])
def test_another_secret_does_not_open_it(other: bytes) -> None:
    with pytest.raises(InvalidCursor):
        _seal(b"secret").opened(_seal(other).sealed(b"told"))


def test_before_there_is_a_secret_nobody_else_opens_it() -> None:
    with pytest.raises(InvalidCursor):
        Seal().opened(Seal().sealed(b"told"))


@pytest.mark.parametrize("size", range(4))
def test_no_letter_can_be_changed_added_or_left_out(size: int) -> None:
    seal = Seal()
    token = seal.sealed(b"told"[:size])
    for at in range(len(token)):
        others = [token[:at] + letter + token[at + 1 :] for letter in LETTERS if letter != token[at]]
        for changed in [*others, token[:at] + token[at + 1 :], token[:at] + "A" + token[at:], token[:at]]:
            if changed != token:
                with pytest.raises(InvalidCursor):
                    seal.opened(changed)


@pytest.mark.parametrize("more", ["=", "==", "\n", " ", "!", "é", "A" * 5_000])
def test_nothing_can_be_put_behind_it(more: str) -> None:
    seal = Seal()
    with pytest.raises(InvalidCursor, match="start again without one"):
        seal.opened(seal.sealed(b"told") + more)
