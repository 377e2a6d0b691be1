"""Redis or Valkey: what all workers share and can do without."""

from __future__ import annotations

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()


class Cache:
    """The server at `url`; nothing depends on its answers."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)

    async def reachable(self) -> bool:
        """Whether it answers within a second."""
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError) as error:
            log.warning("cache_unreachable", error=type(error).__name__)
            return False

    async def close(self) -> None:
        await self._redis.aclose()
