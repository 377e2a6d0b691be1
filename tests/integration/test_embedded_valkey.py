"""The private Valkey answers to its password alone."""

from __future__ import annotations

import pytest
import redis


def test_a_value_is_kept(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("a", "1")
        assert client.get("a") == b"1"


def test_without_the_password_nothing_is_answered(redis_url: str) -> None:
    address = redis_url.partition("?")[0]
    with redis.Redis.from_url(address) as client, pytest.raises(redis.AuthenticationError):
        client.get("a")
