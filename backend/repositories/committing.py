"""What is told when the connection is lost while a write becomes lasting: that nobody knows whether it did."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncTransaction

from backend.errors import CommitUnknown, Unavailable

_RETRY = {"Retry-After": "1"}


@contextmanager
def lasting(connection: AsyncConnection[Any]) -> Iterator[None]:
    """Around a COMMIT, or a statement that commits itself. Raises CommitUnknown when its answer is lost.

    A session that is told to end (57P01) ends ahead of its commit or after telling of it, so there it is known.
    """
    try:
        yield
    except psycopg.Error as error:
        if connection.closed and not isinstance(error, psycopg.errors.AdminShutdown):
            raise CommitUnknown(headers=_RETRY) from error
        raise


@asynccontextmanager
async def committing(connection: AsyncConnection[Any]) -> AsyncIterator[AsyncTransaction]:
    """A transaction for a block. Raises CommitUnknown, and Unavailable when it was lost ahead of its COMMIT."""
    around = connection.transaction()
    block = await around.__aenter__()
    try:
        yield block
    except BaseException:
        if not await around.__aexit__(*sys.exc_info()):
            raise
        return
    with lasting(connection):
        await around.__aexit__(None, None, None)
    if block.status is not block.Status.COMMITTED:
        raise Unavailable(headers=_RETRY)  # the driver passes over a connection that it knows to be lost
