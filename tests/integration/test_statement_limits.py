"""Queries that take too long, and connections that nobody gives back in time: a clear answer, and all goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from psycopg.pq import TransactionStatus
from support.service import ADDRESS, Upload, User, running
from support.waiting import eventually

from backend.app import create_app
from backend.errors import LimitExceeded, Unavailable
from backend.repositories.database import Database, Tx
from backend.services import filtered_writes, spool
from backend.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def impatient(postgres_url: str) -> AsyncIterator[Database]:
    database = await Database(postgres_url, size=1, bulk_size=1, prepare=True, wait=0.2, patience=0.2).open()
    yield database
    await database.close()


@pytest.fixture
async def hasty(postgres_url: str, user: User, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Calls a service whose queries may take a second, by one connection; with one place for streams."""
    places = {"database_pool": 1, "concurrent_exports": 1}
    told = {**places, "statement_seconds": 1, "wait_seconds": 5, "log_level": "critical"}
    app = create_app(Settings(database_url=postgres_url, data=tmp_path, **told))
    headers = {"X-API-Key": user.key}
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS, headers=headers) as client:
        yield client


async def pid_of(borrowed: AbstractAsyncContextManager[Tx], statement: str = "SELECT 1") -> int:
    """The server's process that has run the statement."""
    async with borrowed as tx:
        await tx.execute(statement)
        return tx.info.backend_pid


async def test_what_takes_too_long_is_cancelled_and_the_connection_is_good(impatient: Database) -> None:
    pid = await pid_of(impatient.read())
    for limited in (impatient.read(limited=True), impatient.snapshot(limited=True)):
        with pytest.raises(LimitExceeded, match=r"SHEAF_STATEMENT_SECONDS, 0\.2 seconds"):
            await pid_of(limited, "SELECT pg_sleep(600)")
        async with impatient.read() as tx:
            assert (tx.info.backend_pid, tx.info.transaction_status) == (pid, TransactionStatus.IDLE)
            running = await tx.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)'")
            assert await running.fetchone() == (0,)


async def test_what_is_quick_is_left_alone(database: Database) -> None:
    async with database.snapshot(limited=True) as tx:
        assert await (await tx.execute("SELECT 1")).fetchone() == (1,)
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with database.read(limited=True) as tx:
            await tx.execute("SELECT 1 / 0")


async def test_nobody_waits_for_a_connection_for_long(impatient: Database) -> None:
    async with impatient.read():
        with pytest.raises(Unavailable) as refused:
            await pid_of(impatient.read())
    assert refused.value.headers == {"Retry-After": "1"}
    assert await pid_of(impatient.read())


@pytest.fixture
async def table(upload: Upload, user: User) -> str:
    """Where the records of a dataset of two versions are."""
    made = await upload()
    await user.client.post("/datasets/orders/records", json={"name": "Eve", "amount": 3})
    return f"ws_{user.workspace['id'].replace('-', '')}.records_{made['id'].replace('-', '')}"


async def check_that_it_is_told(limit: str, call: Callable[[], Awaitable[Response]], table: str, url: str) -> None:
    """The limit, while somebody holds the table; the same call is answered as soon as that has ended."""
    with psycopg.connect(url) as holder:
        holder.execute(f"LOCK TABLE {table}")
        answer = await call()
    assert (answer.status_code, answer.json()["error_code"]) == (422, "LIMIT_EXCEEDED")
    assert limit in answer.json()["detail"]
    assert (await call()).status_code == 200


@pytest.mark.parametrize("path", ["records?name=Ann", "records/count?name=Ann", "diff"])
async def test_a_call_is_told_the_limit_and_the_next_is_answered(
    hasty: AsyncClient, table: str, postgres_url: str, path: str
) -> None:
    limit = "SHEAF_STATEMENT_SECONDS, 1 seconds"
    await check_that_it_is_told(limit, lambda: hasty.get(f"/datasets/orders/{path}"), table, postgres_url)


async def refused_once(client: AsyncClient, path: str, table: str, url: str) -> Response:
    """The answer to a call that waits for the table until the limit; a second statement of its would get it."""
    with psycopg.connect(url) as holder:

        async def waiting() -> list[tuple[str]]:
            query = "SELECT virtualtransaction FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
            return holder.execute(query, [table]).fetchall()

        async def ended() -> bool:
            return await waiting() != first

        holder.execute(f"LOCK TABLE {table}")
        call = asyncio.create_task(client.get(path))
        first = await eventually(waiting)
        await eventually(ended)
    return await call


async def test_a_page_at_a_known_path_is_refused_as_ever_and_made_once(
    hasty: AsyncClient, table: str, postgres_url: str
) -> None:
    answers = []
    for name in ("Ann", "Bob"):  # by Litestar, then ahead of it
        path = f"/datasets/orders/records?name={name}"
        refused = await refused_once(hasty, path, table, postgres_url)
        told = {each: told for each, told in refused.headers.items() if each not in {"x-request-id", "server-timing"}}
        answers.append((refused.status_code, told, {**refused.json(), "request_id": ""}))
        assert (await hasty.get(path)).json()["count"] == 1
    assert answers[0][0] == 422
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "path", ["records/stream?name=regex:x", "export?name=regex:x", "export?format=json&name=regex:x", "diff"]
)
async def test_a_stream_without_a_first_byte_gives_its_place_back(
    hasty: AsyncClient, table: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(spool, "PATIENCE", 2)
    limit = "2 times SHEAF_STATEMENT_SECONDS, 2 seconds"
    asked, headers = f"/datasets/orders/{path}", {"Accept": "application/x-ndjson"}
    await check_that_it_is_told(limit, lambda: hasty.get(asked, headers=headers), table, postgres_url)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_filtered_write_is_refused_before_it_holds_up_others(
    hasty: AsyncClient, table: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    monkeypatch.setattr(filtered_writes, "MANY", 1)
    params = {"dry_run": str(dry_run).lower()}
    asked = {"where": {"name": {"regex": "^A"}}, "set": {"amount": 5}}
    limit = "SHEAF_STATEMENT_SECONDS, 1 seconds"
    await check_that_it_is_told(
        limit, lambda: hasty.patch("/datasets/orders/records", params=params, json=asked), table, postgres_url
    )
