"""Connections, transactions, and the one place where the driver's errors become ours."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from time import perf_counter
from typing import Any, Self

import psycopg
import structlog
from msgspec import Raw
from psycopg import AsyncConnection, Connection
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from backend.errors import (
    AppError,
    BadRequest,
    Conflict,
    DatasetNameTaken,
    DatasetNotFound,
    DuplicateKeys,
    InvalidQuery,
    InvalidRecord,
    TagTaken,
    Unavailable,
    WorkspaceNotFound,
)
from backend.metrics import STAGED
from backend.repositories.committing import committing
from backend.repositories.holding import held
from backend.schemas.problems import ErrorItem
from backend.spent import spent

log = structlog.get_logger()

ERROR_BY_CONSTRAINT: dict[str | None, type[AppError]] = {
    "uq_datasets_name": DatasetNameTaken,
    "uq_datasets_slug": DatasetNameTaken,
    "uq_versions_tag": TagTaken,
}
FOLDING = ("pg_catalog.pg_c_utf8", "pg_catalog.und-x-icu", "pg_catalog.C.utf8", "pg_catalog.default")
"""Collations tried, in this order, for `lower()` to know É and é: PostgreSQL 17 and newer, builds with ICU, glibc."""

Tx = AsyncConnection[tuple[Any, ...]]
"""A connection: inside a transaction or, from `Database.read()`, in autocommit, each statement standing by itself."""
BulkTx = Connection[tuple[Any, ...]]
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_OPEN = {TransactionStatus.INTRANS, TransactionStatus.INERROR}


_KEY_INDEX = re.compile("uq_records_[0-9a-f]{32}_key_[0-9a-f]{8}")
_KEY_VALUE = re.compile(r"\)=\((.*)\)", re.DOTALL)
"""In what PostgreSQL says of a value that is there already, in whatever language."""
_SWEPT = re.compile(r"\bws_[0-9a-f]{32}\b(\.records_)?")
"""In what PostgreSQL says of a schema or table that is not there, in whatever language."""
_SHOWN = 80


class _RawJson(Loader):
    """JSON from the database stays text: it goes into answers undecoded."""

    def load(self, data: bytes | bytearray | memoryview) -> Raw:
        return Raw(bytes(data))


def translated(error: psycopg.Error, key: str | None = None) -> AppError | None:
    """What a driver error means to the caller, by SQLSTATE and constraint name; None: it is our fault.

    `key`: what the key column of the dataset that is written to is called.
    """
    if (known := _about_key(error, key) or _gone(error)) is not None:
        return known
    if isinstance(error, psycopg.errors.UniqueViolation):
        return ERROR_BY_CONSTRAINT.get(error.diag.constraint_name, Conflict)()
    if isinstance(error, psycopg.errors.InvalidRegularExpression):
        return InvalidQuery(f"The regular expression cannot be used: {error.diag.message_primary}.")
    if isinstance(error, psycopg.DataError) and error.sqlstate is None:
        return BadRequest("Text cannot hold the NUL character.")
    if isinstance(error, psycopg.OperationalError | psycopg.errors.AdminShutdown):
        return Unavailable(headers={"Retry-After": "1"})
    return None


def _about_key(error: psycopg.Error, key: str | None) -> AppError | None:
    """What the unique index on a key column does not take."""
    told = error.diag
    too_large = isinstance(error, psycopg.errors.ProgramLimitExceeded)
    if too_large and (key is not None or _KEY_INDEX.search(told.message_primary or "")):
        text = "A value in the key column is too long for a key, which takes 2,600 bytes; nothing was stored."
        return InvalidRecord(text, errors=[ErrorItem(text, column=key, code="INVALID_VALUE")])
    if not isinstance(error, psycopg.errors.UniqueViolation) or not _KEY_INDEX.fullmatch(told.constraint_name or ""):
        return None
    found = _KEY_VALUE.search(told.message_detail or "")
    value = found[1] if found else None
    shown = "a value" if value is None else repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
    text = f"Two records would have {shown} in the key column{f' {key!r}' if key else ''}; nothing was stored."
    return DuplicateKeys(text, errors=[ErrorItem(text, column=key, code="DUPLICATE_KEY", value=value)])


def _gone(error: psycopg.Error) -> AppError | None:
    """What was swept while its caller was at it: a table of records, or all of a workspace."""
    if not isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return None
    found = _SWEPT.search(error.diag.message_primary or "")
    return found and (DatasetNotFound() if found[1] else WorkspaceNotFound())


@contextmanager
def translating(key: str | None = None) -> Iterator[None]:
    """What the driver raises is raised as ours; `key`: the name of the key column of what is written to."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(headers={"Retry-After": "1"}) from error
    except psycopg.Error as error:
        if (ours := translated(error, key)) is None:
            raise
        log.info("database_error", error=type(error).__name__, sqlstate=error.sqlstate)
        raise ours from error


class Database:
    """The PostgreSQL server: a pool for requests, and a small one for long COPY … TO in threads."""

    def __init__(self, url: str, *, size: int, bulk_size: int, prepare: bool) -> None:
        options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 2 if prepare else None}
        self._pool = AsyncConnectionPool(
            url, kwargs=options, min_size=1, max_size=size, timeout=30, open=False, configure=self._configure
        )
        self._bulk = ConnectionPool(
            url,
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=0,
            max_size=bulk_size,
            timeout=30,
            open=False,
            check=ConnectionPool.check_connection,
        )
        self.fold = FOLDING[-1]

    async def open(self) -> Self:
        """Connects and finds out which collation folds case. Raises Unavailable."""
        with translating():
            await self._pool.open(wait=True)
            self._bulk.open()
            async with self._pool.connection() as connection:
                self.fold = await _folding_collation(connection)
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

    def read(self) -> _Borrowed:
        """A connection outside of any transaction: each statement sees what is committed when it starts."""
        return _Borrowed(self._pool)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Tx]:
        """A transaction that reads what is committed when it begins, whatever is written or pruned meanwhile."""
        async with self.read() as tx:
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
        if (told := spent.get()) is not None:
            told.wait += self._began - asked
        return self._connection

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """A lost connection is seldom the only one: then those in the pool are tried, and replaced, at once."""
        if (told := spent.get()) is not None:
            told.database += perf_counter() - self._began
        lost = self._connection.closed
        with translating():
            await self._pool.putconn(self._connection)
            if lost:
                await self._pool.check()
            if isinstance(error, psycopg.Error):
                raise error


async def _folding_collation(connection: Tx) -> str:
    for name in FOLDING:
        schema, _, collation = name.partition(".")
        known = await connection.execute(
            "SELECT 1 FROM pg_collation JOIN pg_namespace n ON n.oid = collnamespace "
            "WHERE nspname = %s AND collname = %s AND collencoding IN (-1, pg_char_to_encoding('UTF8'))",
            (schema, collation),
        )
        if await known.fetchone() is None:
            continue
        quoted = psycopg.sql.Identifier(schema, collation)
        folded = await connection.execute(psycopg.sql.SQL("SELECT lower('É' COLLATE {}) = 'é'").format(quoted))
        if await folded.fetchone() == (True,):
            return name
    log.warning("no_collation_folds_case", detail="ilike, icontains and q fold ASCII letters only")
    return FOLDING[-1]
