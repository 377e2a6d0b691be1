"""`COPY … TO STDOUT`, read as fast as libpq gives it."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from backend.repositories.database import BulkTx

_BATCH = 1 << 18


def copy_out(tx: BulkTx, statement: bytes) -> Iterator[list[bytes]]:
    """The messages of one COPY, a record each, in lists of about a quarter of a megabyte.

    It goes below psycopg's `Copy`, whose steps from record to record cost twice as much. When the reader stops early
    the connection is closed, which ends the COPY.
    """
    pgconn = tx.pgconn
    complete = False
    try:
        _begin(pgconn, statement)
        yield from _batches(pgconn)
        _check(pgconn.get_result(), ExecStatus.COMMAND_OK, pgconn)
        complete = pgconn.get_result() is None
    finally:
        if not complete:
            tx.close()


def _begin(pgconn: PGconn, statement: bytes) -> None:
    pgconn.send_query(statement)
    while pgconn.flush():
        select.select([], [pgconn.socket], [])
    while pgconn.is_busy():
        _receive(pgconn)
    _check(pgconn.get_result(), ExecStatus.COPY_OUT, pgconn)


def _batches(pgconn: PGconn) -> Iterator[list[bytes]]:
    """Messages copied out of libpq's buffers: views of those, thousands of them, would busy the garbage collector."""
    take: Callable[[int], tuple[int, memoryview]] = pgconn.get_copy_data
    batch: list[bytes] = []
    size = 0
    while (got := take(1))[0] >= 0:
        if got[0] == 0:
            _receive(pgconn)
            continue
        batch.append(bytes(got[1]))
        size += got[0]
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _receive(pgconn: PGconn) -> None:
    select.select([pgconn.socket], [], [])
    pgconn.consume_input()


def _check(result: PGresult | None, wanted: ExecStatus, pgconn: PGconn) -> None:
    if result is None or result.status != wanted:
        raise psycopg.errors.error_from_result(result) if result else psycopg.OperationalError(pgconn.error_message)
