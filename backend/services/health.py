"""Whether the servers that we need answer."""

from backend.cache import Cache
from backend.repositories.database import Database


class HealthService:
    def __init__(self, database: Database, cache: Cache | None) -> None:
        self._database = database
        self._cache = cache

    async def check(self) -> str:
        """How the cache is: `ok`, `unreachable` or `none`; we can do without. Raises Unavailable for the database."""
        await self._database.ping()
        if self._cache is None:
            return "none"
        return "ok" if await self._cache.reachable() else "unreachable"
