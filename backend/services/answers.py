"""Answers that are kept: in this process and, where they are worth that, in Redis for all workers.

A key holds the version that the answer is made of, so what is kept under it is never stale; that the version may be
read, and is the one asked for, is for the caller to make sure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

from msgspec import Struct

from backend.cache import Cache, CacheAtRest, CacheFailed
from backend.metrics import CACHE
from backend.repositories.remembered import Remembered
from backend.services.packing import Coding, packed, pays

Make = Callable[[], Awaitable[bytes | None]]
Result = Literal["hit", "miss", "error", "bypassed"]

_EACH = 200
"""Bytes that an entry takes beside its value, about."""
_RENEWED = 0.3
"""Seconds between two renewals of a claim."""
_LOOKS = 0.002, 0.05
"""Seconds between looks for what another worker makes: the first, and the longest."""
_ENDING = 2.0
"""Seconds for which what is cancelled, and then what is being sent, may take at the end."""
_MOST_UNSENT = 100
"""Values on their way to Redis; more are not sent."""


class Answer(Struct, frozen=True):
    """`own`: made for this very call, by statements that began after it did."""

    body: bytes
    coding: Coding
    own: bool


class Answers:
    """What was made once is not made again while it is kept; equal calls at the same time share one making."""

    def __init__(self, cache: Cache | None, *, memory: int) -> None:
        """`memory`: bytes that this process keeps at most."""
        self._cache = cache
        self._kept = Remembered[tuple[bytes, Coding], bytes](memory)
        self._makings: dict[bytes, asyncio.Task[tuple[bytes | None, Result]]] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def get(self, key: bytes, make: Make, *, coding: Coding = "", light: bool = False) -> Answer | None:
        """The answer with this key; None where `make` gives none. `light`: quicker made than Redis is asked."""
        if (known := self.at_hand(key, coding)) is not None:
            return known
        own = False
        if (plain := self.at_hand(key)) is not None:
            body: bytes | None = plain.body
        else:
            body, own = await self._shared(key, make, light=light)
        if body is None or not (coding and pays(body)):
            return None if body is None else Answer(body, "", own)
        smaller = await packed(body, coding)
        self._keep(key, smaller, coding)
        return Answer(smaller, coding, own)

    def at_hand(self, key: bytes, coding: Coding = "") -> Answer | None:
        """The answer, where this process has it just so."""
        known, found = self._kept.get((key, coding)), coding
        if known is None and coding:
            known, found = self._kept.get((key, "")), ""
            if known is not None and pays(known):
                return None
        if known is None:
            return None
        CACHE.labels("hit").inc()
        return Answer(known, found, own=False)

    async def close(self) -> None:
        """Ends what is being made, gives up its claims and sends what is made: before database and cache close."""
        makings = list(self._makings.values())
        for making in makings:
            making.cancel()
        if makings:
            await asyncio.wait(makings, timeout=_ENDING)
        if self._background:
            await asyncio.wait(self._background, timeout=_ENDING)

    async def _shared(self, key: bytes, make: Make, *, light: bool) -> tuple[bytes | None, bool]:
        """The value, and whether this call has made it: whoever comes while it is being made, waits for that."""
        making, first = self._makings.get(key), False
        if making is None:
            first = True
            making = asyncio.create_task(self._found(key, make, light=light))
            self._makings[key] = making
            making.add_done_callback(lambda done: self._made(key, done))
        body, result = await asyncio.shield(making)
        CACHE.labels(result if first else "hit").inc()
        return body, first and result != "hit"

    def _made(self, key: bytes, making: asyncio.Task[tuple[bytes | None, Result]]) -> None:
        del self._makings[key]
        if not making.cancelled():
            making.exception()  # seen, should nobody wait for it any more

    async def _found(self, key: bytes, make: Make, *, light: bool) -> tuple[bytes | None, Result]:
        result: Result = "miss"
        if light or self._cache is None:
            body = await make()
        else:
            body, result = await self._asked(self._cache, key, make)
        if body is not None:
            self._keep(key, body, "")
        return body, result

    async def _asked(self, cache: Cache, key: bytes, make: Make) -> tuple[bytes | None, Result]:
        """From Redis, or made here once nobody else makes it."""
        result: Result = "miss"
        claimed = False
        try:
            if (body := await cache.get(key)) is not None:
                return body, "hit"
            claimed = await cache.claim(key)
            if not claimed and (body := await _awaited(cache, key)) is not None:
                return body, "hit"
        except CacheAtRest:
            result = "bypassed"
        except CacheFailed:
            result = "error"
        return await self._made_for_all(cache, key, make, claimed=claimed), result

    async def _made_for_all(self, cache: Cache, key: bytes, make: Make, *, claimed: bool) -> bytes | None:
        renewing = asyncio.create_task(_renewing(cache, key)) if claimed else None
        body = None
        try:
            body = await make()
            return body
        finally:
            if renewing is not None:
                renewing.cancel()
            if body is not None and len(self._background) < _MOST_UNSENT:
                self._later(_sent(cache.put(key, body)))
            elif claimed:
                self._later(_sent(cache.give_up(key)))

    def _keep(self, key: bytes, body: bytes, coding: Coding) -> None:
        self._kept.put((key, coding), body, len(body) + _EACH)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _sent(call: Coroutine[Any, Any, None]) -> None:
    """Whether it arrives does not matter; the cache tells the log."""
    try:
        await call
    except CacheFailed:
        return


async def _renewing(cache: Cache, key: bytes) -> None:
    while True:
        await asyncio.sleep(_RENEWED)
        await _sent(cache.renew(key))


async def _awaited(cache: Cache, key: bytes) -> bytes | None:
    """What another worker makes, as soon as it is there; None once nobody makes it any more. Raises CacheFailed."""
    pause, longest = _LOOKS
    while True:
        await asyncio.sleep(pause)
        making = await cache.claimed(key)
        if (body := await cache.get(key)) is not None or not making:
            return body
        pause = min(1.5 * pause, longest)
