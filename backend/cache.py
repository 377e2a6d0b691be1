"""Redis or Valkey: what all workers share and can do without."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from hmac import compare_digest
from secrets import token_bytes
from time import monotonic, perf_counter
from typing import TypeVar

import structlog
from backports import zstd
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as LateError
from redis.retry import Retry

from backend.query.seal import STAMP, Seal
from backend.timings import timings

log = structlog.get_logger()
T = TypeVar("T")

_NAMES = b"sheaf:1:"
"""What all our keys begin with; the number changes whenever answers, or the form of values, do."""
_REST = 0.5, 5.0
"""Seconds for which the server is left alone after a failed call; doubled by each further one, up to the second."""
_STRIKES = 3
"""Calls without an answer in time, one after the other, until calls are no longer counted.

One may be late by no fault of the server's: where this process itself was busy.
"""
_QUIET = 30.0
"""Seconds between two lines in the log about the same."""
_HELD = 1_000
"""Milliseconds for which a claim is good if nobody renews it."""
_PLAIN, _ZSTD = b"\x00", b"\x01"
_WORTH_PACKING = 1_000
_LARGE = 256 * 2**10
_LARGE_PACKED = _LARGE // 8
"""Bytes; a larger value is packed and signed, or unpacked, by a thread, so that no request waits for it."""
MOST = 4 * 2**20
"""Bytes of the largest value that is kept."""


class CacheFailed(Exception):
    """The server did not answer, or not as it should."""


class CacheAtRest(CacheFailed):
    """It failed a moment ago, and is not asked again so soon."""


class Cache:
    """The server at `url`; nothing depends on its answers. Values are signed: no other than ours are believed."""

    def __init__(self, url: str, seal: Seal, *, keep: timedelta, patience: float) -> None:
        """`keep`: for how long it keeps a value at most; `patience`: seconds that a call may take, connecting too."""
        retry = Retry(NoBackoff(), 1)
        self._redis = Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience, retry=retry)
        self._probe = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._seal = seal
        self._keep = keep
        self._owner = token_bytes(8)
        self._patience = patience
        self._values = _Breaker(patience, strikes=1)
        self._counts = _Breaker(patience, strikes=_STRIKES)
        self._told: dict[str, float] = {}

    async def reachable(self) -> bool:
        """Whether it answers within a second."""
        try:
            return bool(await self._probe.ping())
        except (RedisError, OSError, ValueError) as error:
            self._tell("cache_unreachable", error)
            return False

    async def get(self, key: bytes) -> bytes | None:
        """The value; None where there is none, or one that is not ours. Raises CacheFailed."""
        try:
            stored = await self._asked(self._redis.get(_NAMES + key))
        except _Refused:
            return None  # something else than a string
        if isinstance(stored, bytes) and len(stored) > _LARGE_PACKED:
            return await asyncio.to_thread(self._opened, key, stored)
        return None if stored is None else self._opened(key, stored)

    async def put(self, key: bytes, value: bytes) -> None:
        """Keeps a value for a while, unless it is too large, and gives up the claim to it. Raises CacheFailed."""
        sealed = await asyncio.to_thread(self._sealed, key, value) if _LARGE < len(value) <= MOST else None
        async with self._redis.pipeline(transaction=False) as calls:
            if len(value) <= MOST:
                calls.set(_NAMES + key, sealed or self._sealed(key, value), ex=self._keep)
            calls.delete(_claim(key))
            await self._asked(calls.execute())

    async def claim(self, key: bytes) -> bool:
        """Whether it is ours alone to make this value, for a second. Raises CacheFailed."""
        return bool(await self._asked(self._redis.set(_claim(key), self._owner, nx=True, px=_HELD)))

    async def renew(self, key: bytes) -> None:
        """Keeps a claim for another second. Raises CacheFailed."""
        await self._asked(self._redis.set(_claim(key), self._owner, px=_HELD))

    async def give_up(self, key: bytes) -> None:
        """Ends a claim. Raises CacheFailed."""
        await self._asked(self._redis.delete(_claim(key)))

    async def claimed(self, key: bytes) -> bool:
        """Whether somebody is making this value; what would never run out is no claim. Raises CacheFailed."""
        return 0 < await self._asked(self._redis.pttl(_claim(key))) <= _HELD

    async def count(self, windows: Sequence[tuple[bytes, int]]) -> list[tuple[int, float]]:
        """One more in each of these windows, by name and length in seconds, which begin with the first.

        Of each how many it holds now, this one included, and for how many seconds it goes on. Raises CacheFailed.
        """
        async with self._redis.pipeline(transaction=True) as calls:
            for name, seconds in windows:
                calls.incr(_NAMES + name)
                calls.expire(_NAMES + name, seconds, nx=True)
                calls.pttl(_NAMES + name)
            told: list[int] = await self._asked(calls.execute(), self._counts)
        return [(number, left / 1000) for number, left in zip(told[::3], told[2::3], strict=True)]

    async def close(self) -> None:
        await self._redis.aclose()
        await self._probe.aclose()

    async def _asked(self, call: Awaitable[T], breaker: _Breaker | None = None) -> T:
        """What the server answers, in good time. Raises CacheAtRest, CacheFailed."""
        breaker = breaker or self._values
        if not breaker.admits():
            if asyncio.iscoroutine(call):
                call.close()
            raise CacheAtRest
        began, asked = monotonic(), perf_counter()
        try:
            async with asyncio.timeout(self._patience):
                answer = await call
        except ResponseError as error:
            self._tell("cache_refused", error)
            raise _Refused from error
        except (RedisError, OSError, ValueError) as error:
            breaker.failed(began, late=isinstance(error, (TimeoutError, LateError)))
            self._tell("cache_unreachable", error)
            raise CacheFailed from error
        finally:
            if (told := timings.get()) is not None:
                told.add("cache", perf_counter() - asked)
        breaker.reset()
        return answer

    def _sealed(self, key: bytes, value: bytes) -> bytes:
        packed = _PLAIN + value if len(value) < _WORTH_PACKING else _ZSTD + zstd.compress(value, 3)
        return self._seal.stamp(key + packed) + packed

    def _opened(self, key: bytes, stored: object) -> bytes | None:
        if isinstance(stored, bytes):
            packed = stored[STAMP:]
            if compare_digest(stored[:STAMP], self._seal.stamp(key + packed)):
                return zstd.decompress(packed[1:]) if packed[:1] == _ZSTD else packed[1:]
        self._tell("cache_value_is_not_ours", None)
        return None

    def _tell(self, event: str, error: Exception | None) -> None:
        """One line in the log, but not for every request."""
        if (now := monotonic()) >= self._told.get(event, 0.0):
            self._told[event] = now + _QUIET
            log.warning(event, **{} if error is None else {"error": type(error).__name__})


class _Breaker:
    """Whether calls of one kind are made at all."""

    def __init__(self, patience: float, *, strikes: int) -> None:
        """`strikes`: late answers in a row until the server is left alone; any other failure is enough by itself."""
        self._patience, self._most = patience, strikes
        self.reset()

    def reset(self) -> None:
        """After an answer."""
        self._strikes, self._struck_at = 0, 0.0
        self._again_at, self._rest = 0.0, _REST[0]

    def admits(self) -> bool:
        """Whether one more call may be made."""
        if (now := monotonic()) < self._again_at:
            return False
        if self._rest > _REST[0]:
            self._again_at = now + self._patience  # one call alone finds out whether it is back
        return True

    def failed(self, began: float, *, late: bool) -> None:
        """After a call that began then; those that were under way at the same time are one strike."""
        if began < self._struck_at and (late or self._strikes == self._most):
            return
        self._strikes = min(self._strikes + 1, self._most) if late else self._most
        self._struck_at = now = monotonic()
        if self._strikes == self._most:
            self._again_at = now + self._rest
            self._rest = min(2 * self._rest, _REST[1])


class _Refused(CacheFailed):
    """It answered with an error: it lives, but there is something else under that name, or no room."""


def _claim(key: bytes) -> bytes:
    return _NAMES + b"making:" + key
