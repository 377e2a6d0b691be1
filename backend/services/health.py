"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from backend.cache import Cache
from backend.errors import Unavailable
from backend.repositories.probes import Probe, newest_migration
from backend.serving import Stopping


class Readiness(Struct, frozen=True):
    """`cache` is `ok`, `none` where none is configured, or `unreachable`: then the service works on without it.

    `migrations` is `ok`, or `ahead` where a newer program has migrated the database already.
    """

    status: str
    database: str
    cache: str
    migrations: str


class HealthService:
    def __init__(self, probe: Probe, cache: Cache | None, stopping: Stopping) -> None:
        self._probe = probe
        self._cache = cache
        self._stopping = stopping
        self._newest = newest_migration()
        self._checking: asyncio.Task[Readiness] | None = None

    async def check(self) -> Readiness:
        """In two seconds; who asks meanwhile, is told the same. Raises Unavailable: what is missing."""
        if self._stopping.begun:
            raise Unavailable("The server is stopping.", headers={"Retry-After": "5"})
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check())
        return await asyncio.shield(self._checking)

    async def _check(self) -> Readiness:
        migration, cache = await asyncio.gather(self._probe.migration(), self._cached())
        if migration < self._newest:
            text = f"The database is at migration {migration}, and {self._newest} is needed; run `sheaf migrate`."
            raise Unavailable(text, headers={"Retry-After": "5"})
        ahead = migration > self._newest
        return Readiness("ok", "ok", cache, "ahead" if ahead else "ok")

    async def _cached(self) -> str:
        if self._cache is None:
            return "none"
        return "ok" if await self._cache.reachable() else "unreachable"
