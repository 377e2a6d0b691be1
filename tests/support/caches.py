"""Several workers of a service in this process, over one PostgreSQL and one Valkey that can be stopped and spoilt."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from httpx import ASGITransport, AsyncClient

from backend.app import create_app
from backend.embedded.folder import DataFolder
from backend.embedded.runtime import Runtime
from backend.embedded.valkey import EmbeddedValkey
from backend.settings import Settings
from support.service import ADDRESS, running
from support.waiting import eventually

OURS = "sheaf:*"


class Workers:
    """Starts workers that share `valkey`; what they count together is `counted`."""

    def __init__(self, stack: AsyncExitStack, postgres_url: str, valkey: EmbeddedValkey, folder: Path) -> None:
        self._stack, self._postgres_url, self._folder = stack, postgres_url, folder
        self.valkey = valkey

    async def start(self, key: str, *, memory: int = 2**20, **settings: Any) -> AsyncClient:
        """A client of a new worker that keeps at most so many bytes itself."""
        told = {"log_level": "critical", "key_memory": 0.2, "cache_memory": memory, "cache_seconds": 20, **settings}
        settings = Settings(
            database_url=self._postgres_url, redis_url=self.valkey.url, data=self._folder, registration="open", **told
        )
        app = create_app(settings)
        await self._stack.enter_async_context(running(app))
        client = AsyncClient(transport=ASGITransport(app), base_url=ADDRESS, headers={"X-API-Key": key})
        return await self._stack.enter_async_context(client)

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(self.valkey.url) as client:
            yield client

    def values(self) -> list[bytes]:
        """The names of what the workers keep together."""
        with self.redis() as client:
            return sorted(client.scan_iter(OURS))

    def kept(self) -> list[bytes]:
        """The names of their answers, without the claims to what is being made."""
        return [name for name in self.values() if b"making" not in name]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Valkey takes connections and answers nothing."""
        assert self.valkey.process is not None
        os.kill(self.valkey.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.valkey.process.pid, signal.SIGCONT)


async def counted(client: AsyncClient) -> Counter[str]:
    """How many answers were hits, misses and so on, since this process began."""
    text = (await client.get("http://sheaf.test/metrics")).text
    found = re.findall(r'sheaf_cache_requests_total\{result="(\w+)"\} (\d+)', text)
    return Counter({result: int(number) for result, number in found})


async def until_kept(workers: Workers, count: int) -> None:
    """Until so many values are in Valkey: workers send them in the background."""

    async def kept() -> bool:
        return len(workers.kept()) >= count

    await eventually(kept)


@pytest.fixture
async def workers(postgres_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    """Over a Valkey of their own."""
    runtime = Runtime()
    folder = DataFolder(tmp_path / "cache")
    valkey = EmbeddedValkey(folder, runtime)
    valkey.start()
    async with AsyncExitStack() as stack:
        yield Workers(stack, postgres_url, valkey, tmp_path)
    valkey.stop()
    folder.close()
    runtime.close()
