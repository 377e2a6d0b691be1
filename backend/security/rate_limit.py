"""How often a caller may call: counted in Redis, for all workers together."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from backend.cache import CacheFailed
from backend.errors import AppError, TooManyRequests
from backend.metrics import UNCOUNTED
from backend.observing import refuse
from backend.security.auth import key_in
from backend.security.headers import adding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

    from backend.cache import Cache
    from backend.schemas.limits import Rate
    from backend.services.users import UserService

_NETWORK = 64
"""Bits of an IPv6 address that are the same for all of a caller's."""


def is_watch(scope: HTTPScope) -> bool:
    """Whether it is those who look after the service who ask: they are always answered."""
    return scope["path"].startswith("/health/") or scope["path"] == "/metrics"


def limited(app: ASGIApp, rates: Sequence[Rate], cache: Cache, users: UserService | None) -> ASGIApp:
    """`app` for so many requests of each key; where Redis fails, for any number.

    Whoever has no key that works counts by address, and so does everybody without `users`.
    """
    policy = ", ".join(f'"{rate.name}";q={rate.calls};w={rate.seconds}' for rate in rates).encode()

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or is_watch(scope):
            await app(scope, receive, send)
            return
        who = await _who(scope, users)
        try:
            counted = await cache.count([(b"calls:%d:%b" % (rate.seconds, who), rate.seconds) for rate in rates])
        except CacheFailed:
            UNCOUNTED.inc()
            await app(scope, receive, send)
            return
        counts = zip(rates, counted, strict=True)
        left = ", ".join(f'"{rate.name}";r={max(0, rate.calls - n)};t={ceil(seconds)}' for rate, (n, seconds) in counts)
        send = adding(((b"ratelimit-policy", policy), (b"ratelimit", left.encode())), send)
        over = [(seconds, rate) for rate, (n, seconds) in zip(rates, counted, strict=True) if n > rate.calls]
        if over:
            await refuse(_too_many(*max(over, key=lambda each: each[0])), scope, send)
        else:
            await app(scope, receive, send)

    return call


async def _who(scope: HTTPScope, users: UserService | None) -> bytes:
    """Whose requests this one is counted with: a key's that works, else those of its address."""
    if users is not None and (key := key_in(dict(scope["headers"]))):
        try:
            caller = await users.identify(key)
        except AppError:
            caller = None
        if caller is not None:
            return caller.key_id.bytes
    return _network(scope["client"][0] if scope["client"] else "").encode()


def _network(address: str) -> str:
    """One caller has a whole network of IPv6 addresses."""
    try:
        client = ip_address(address)
    except ValueError:
        return address
    if not isinstance(client, IPv6Address):
        return address
    return str(client.ipv4_mapped or f"{int(client) >> (128 - _NETWORK):x}")


def _too_many(seconds: float, rate: Rate) -> TooManyRequests:
    after = max(1, ceil(seconds))
    text = f"More than {rate.name}, SHEAF_RATE_LIMIT of this server; try again in {after} seconds."
    return TooManyRequests(text, headers={"Retry-After": str(after)})
