"""Who asks for metrics or readiness, however often, takes two connections of the database and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from backend.repositories.database import Database
from backend.repositories.probes import Probe, newest_migration
from backend.services.figures import FigureService, Place

pytestmark = pytest.mark.anyio


@pytest.fixture
async def probe(postgres_url: str) -> AsyncIterator[Probe]:
    """One to which the server gives no third connection."""
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE scraper LOGIN CONNECTION LIMIT 2 PASSWORD 'scraper' IN ROLE pg_read_all_data")
        probe = Probe(make_conninfo(postgres_url, user="scraper", password="scraper"))
        yield probe
        await probe.close()
        admin.execute("DROP ROLE scraper")


async def test_each_question_has_one_connection_at_most(probe: Probe) -> None:
    migrations = asyncio.gather(*[probe.migration() for _ in range(12)])
    await asyncio.gather(*[probe.queues() for _ in range(12)])
    assert set(await migrations) == {newest_migration()}


async def test_who_asks_for_metrics_at_the_same_time_is_told_together(
    probe: Probe, postgres_url: str, tmp_path: Path
) -> None:
    database = Database(postgres_url, size=1, bulk_size=1, prepare=True)
    figures = FigureService(database, probe, Place(tmp_path, "scraped"))
    first = asyncio.create_task(figures.exposition())
    for _ in range(2):
        await asyncio.sleep(0)  # until it collects
    told = await asyncio.gather(*[figures.exposition() for _ in range(500)])
    assert len({id(each) for each in told}) == 1
    assert told[0] is not await first
    assert all(b"\nsheaf_database_up " in each for each in (await first, told[0]))
