"""Queries that take too long, and connections that nobody gives back in time: a clear answer, and all goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient
from psycopg.pq import TransactionStatus
from support.service import ADDRESS, Upload, User, running

from backend.app import create_app
from backend.errors import LimitExceeded, Unavailable
from backend.repositories.database import Database, Tx
from backend.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = await Database(postgres_url, size=1, bulk_size=1, prepare=True, wait=0.2, patience=0.2).open()
    yield database
    await database.close()


@pytest.fixture
async def hasty(postgres_url: str, user: User, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Calls a service whose queries may take a second, by one connection."""
    told = {"statement_seconds": 1, "wait_seconds": 1, "database_pool": 1, "log_level": "critical"}
    app = create_app(Settings(database_url=postgres_url, data=tmp_path, **told))
    headers = {"X-API-Key": user.key}
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS, headers=headers) as client:
        yield client


async def pid_of(borrowed: AbstractAsyncContextManager[Tx], statement: str = "SELECT 1") -> int:
    """The server's process that has run the statement."""
    async with borrowed as tx:
        await tx.execute(statement)
        return tx.info.backend_pid


async def test_what_takes_too_long_is_cancelled_and_the_connection_is_good(database: Database) -> None:
    pid = await pid_of(database.read())
    for limited in (database.read(limited=True), database.snapshot(limited=True)):
        with pytest.raises(LimitExceeded, match=r"SHEAF_STATEMENT_SECONDS, 0\.2 seconds"):
            await pid_of(limited, "SELECT pg_sleep(600)")
        async with database.read() as tx:
            assert (tx.info.backend_pid, tx.info.transaction_status) == (pid, TransactionStatus.IDLE)
            running = await tx.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)'")
            assert await running.fetchone() == (0,)


async def test_what_is_quick_is_left_alone(database: Database) -> None:
    async with database.snapshot(limited=True) as tx:
        assert await (await tx.execute("SELECT 1")).fetchone() == (1,)
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with database.read(limited=True) as tx:
            await tx.execute("SELECT 1 / 0")


async def test_nobody_waits_for_a_connection_for_long(database: Database) -> None:
    async with database.read():
        with pytest.raises(Unavailable) as refused:
            await pid_of(database.read())
    assert refused.value.headers == {"Retry-After": "1"}
    assert await pid_of(database.read())


@pytest.mark.parametrize("path", ["records?name=Ann", "records/count?name=Ann", "diff"])
async def test_a_call_is_told_the_limit_and_the_next_is_answered(
    hasty: AsyncClient, upload: Upload, postgres_url: str, user: User, path: str
) -> None:
    made = await upload()
    await user.client.post("/datasets/orders/records", json={"name": "Eve", "amount": 3})
    table = f"ws_{user.workspace['id'].replace('-', '')}.records_{made['id'].replace('-', '')}"
    with psycopg.connect(postgres_url) as holder:
        holder.execute(f"LOCK TABLE {table}")
        answer = await hasty.get(f"/datasets/orders/{path}")
    assert (answer.status_code, answer.json()["error_code"]) == (422, "LIMIT_EXCEEDED")
    assert "SHEAF_STATEMENT_SECONDS, 1 seconds" in answer.json()["detail"]
    assert (await hasty.get(f"/datasets/orders/{path}")).status_code == 200
