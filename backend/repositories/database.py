"""Connections and transactions, and where the driver's errors become ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import psycopg
import structlog
from msgspec import Raw
from psycopg import AsyncConnection, Connection
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from backend.errors import LimitExceeded, Unavailable
from backend.metrics import STAGED
from backend.repositories.committing import committing
from backend.repositories.driver_errors import translated
from backend.repositories.folding import FOLDING, folding_collation
from backend.repositories.holding import held
from backend.repositories.in_the_way import refused_by_index
from backend.timings import timings

log = structlog.get_logger()


Tx = AsyncConnection[tuple[Any, ...]]
"""A connection: inside a transaction or, from `Database.read()`, in autocommit, each statement standing by itself."""
BulkTx = Connection[tuple[Any, ...]]
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_OPEN = {TransactionStatus.INTRANS, TransactionStatus.INERROR}


class _RawJson(Loader):
    """JSON from the database stays text: it goes into answers undecoded."""

    def load(self, data: bytes | bytearray | memoryview) -> Raw:
        return Raw(bytes(data))


@contextmanager
def translating(key: str | None = None) -> Iterator[None]:
    """What the driver raises is raised as ours; `key`: the name of the key column of what is written to."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(headers={"Retry-After": "1"}) from error
    except psycopg.Error as error:
        if (ours := refused_by_index(error) or translated(error, key)) is None:
            raise
        log.info("database_error", error=type(error).__name__, sqlstate=error.sqlstate)
        raise ours from error


class Database:
    """The PostgreSQL server: a pool for requests, and a small one for long COPY … TO in threads."""

    def __init__(
        self, url: str, *, size: int, bulk_size: int, prepare: bool, wait: float = 10, patience: float = 30
    ) -> None:
        """`wait`: seconds for which a request waits for a connection; `patience`: see `read`."""
        options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 2 if prepare else None}
        self._pool = AsyncConnectionPool(
            url, kwargs=options, min_size=1, max_size=size, timeout=wait, open=False, configure=self._configure
        )
        self._bulk = ConnectionPool(
            url,
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=0,
            max_size=bulk_size,
            timeout=wait,
            open=False,
            check=ConnectionPool.check_connection,
        )
        self._patience = patience
        self._url = url
        self.fold = FOLDING[-1]

    async def open(self) -> Self:
        """Connects and finds out which collation folds case. Raises Unavailable."""
        with translating():
            await self._pool.open(wait=True)
            self._bulk.open()
            async with self._pool.connection() as connection:
                self.fold = await folding_collation(connection)
        return self

    async def close(self) -> None:
        await self._pool.close()
        self._bulk.close()

    @staticmethod
    async def _configure(connection: Tx) -> None:
        for name in ("json", "jsonb"):
            connection.adapters.register_loader(name, _RawJson)

    def pools(self) -> dict[str, dict[str, int]]:
        """The pools and their figures, as psycopg_pool calls them."""
        return {"requests": self._pool.get_stats(), "exports": self._bulk.get_stats()}

    def read(self, *, limited: bool = False) -> _Borrowed:
        """A connection outside of any transaction: each statement sees what is committed when it starts.

        `limited`: for `patience` seconds; what then still runs is cancelled, and LimitExceeded raised.
        """
        return _Limited(self._pool, self._patience) if limited else _Borrowed(self._pool)

    @asynccontextmanager
    async def snapshot(self, *, limited: bool = False) -> AsyncIterator[Tx]:
        """A transaction that reads what is committed when it begins, whatever is written or pruned meanwhile.

        `limited`: as of `read`.
        """
        async with self.read(limited=limited) as tx:
            await tx.execute(_SNAPSHOT)
            try:
                yield tx
            finally:
                if tx.info.transaction_status in _OPEN:
                    await tx.rollback()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """One READ COMMITTED transaction: committed at the end of the block, rolled back by any error."""
        async with self.read() as connection:
            block = None
            try:
                async with committing(connection) as block:
                    yield connection
            finally:
                STAGED.end(connection, committed=block is not None and block.status is block.Status.COMMITTED)

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Tx]:
        """The transaction in which a write becomes visible: as `transaction`, or committed with the answer (`held`)."""
        waiting = held.get()
        if waiting is None or waiting.ended:
            async with self.transaction() as tx:
                yield tx
        elif waiting.tx is not None:
            with translating():
                async with waiting.tx.transaction():
                    yield waiting.tx
        else:
            async with AsyncExitStack() as stack:
                tx = await stack.enter_async_context(self.transaction())
                yield tx
                waiting.hold(tx, stack.pop_all())

    @staticmethod
    async def abandon() -> None:
        """Undoes what the request holds: before its failure is noted, for that would wait for the rows held."""
        if (waiting := held.get()) is not None:
            await waiting.roll_back()

    @staticmethod
    async def once_published(call: Callable[[], Awaitable[None] | None]) -> None:
        """Calls at once, or as soon as what the request holds is committed, before its answer leaves."""
        waiting = held.get()
        if waiting is not None and waiting.tx is not None:
            waiting.then.append(call)
        elif (called := call()) is not None:
            await called

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[Tx]:
        """A transaction of which nothing stays: to see what would come of something."""
        async with self.read() as connection, connection.transaction(force_rollback=True):
            try:
                yield connection
            finally:
                STAGED.end(connection, committed=False)

    @asynccontextmanager
    async def own(self) -> AsyncIterator[Tx]:
        """A connection in autocommit that is nobody else's, for what takes minutes and cannot be in a transaction."""
        with translating():
            connection = await AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=None)
        try:
            yield connection
        finally:
            await connection.close()

    @contextmanager
    def bulk_read(self) -> Iterator[BulkTx]:
        """A blocking connection, for a worker thread that streams a COPY … TO STDOUT, with a snapshot of its own."""
        with translating(), self._bulk.connection() as connection:
            connection.execute(_SNAPSHOT)
            try:
                yield connection
            finally:
                if connection.info.transaction_status in _OPEN:
                    connection.rollback()


class _Borrowed:
    """A connection of the pool, for a block. No generator: this is around every statement that is run."""

    __slots__ = ("_began", "_connection", "_pool")

    def __init__(self, pool: AsyncConnectionPool[Tx]) -> None:
        self._pool = pool

    async def __aenter__(self) -> Tx:
        asked = perf_counter()
        with translating():
            self._connection = await self._pool.getconn()
        self._began = perf_counter()
        if (told := timings.get()) is not None:
            told.add("wait", self._began - asked)
        return self._connection

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """A lost connection is seldom the only one: then those in the pool are tried, and replaced, at once."""
        if (told := timings.get()) is not None:
            told.add("database", perf_counter() - self._began)
        lost = self._connection.closed
        with translating():
            await self._pool.putconn(self._connection)
            if lost:
                await self._pool.check()
            if isinstance(error, psycopg.Error):
                raise error


class _Limited(_Borrowed):
    """One that is taken back after so many seconds: by a cancel request, which needs no state of the session."""

    __slots__ = ("_seconds", "_timer")

    def __init__(self, pool: AsyncConnectionPool[Tx], seconds: float) -> None:
        super().__init__(pool)
        self._seconds = seconds

    async def __aenter__(self) -> Tx:
        connection = await super().__aenter__()
        self._timer = await asyncio.timeout(self._seconds).__aenter__()
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timer.__aexit__(kind, error, trace)
        except TimeoutError:
            await super().__aexit__(None, None, None)
            raise LimitExceeded(
                f"The query takes longer than SHEAF_STATEMENT_SECONDS, {self._seconds:g} seconds; "
                "filter by fewer or simpler conditions, or export the dataset."
            ) from error
        await super().__aexit__(kind, error, trace)
