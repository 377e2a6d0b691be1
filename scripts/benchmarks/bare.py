"""The baselines of a page: Litestar handlers, one that runs a statement through psycopg's pool, one that has the bytes.

Arguments: the database's address and the statement. Both are served as the service is.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Response, get
from psycopg_pool import AsyncConnectionPool

from backend.serving import http_server


def create_app(url: str, statement: str) -> Litestar:
    options = {"autocommit": True, "prepare_threshold": 2}
    pool = AsyncConnectionPool(url, kwargs=options, min_size=1, max_size=10, open=False)

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        async with pool:
            yield

    @get("/api/v1/page")
    async def page() -> Response[bytes]:
        async with pool.connection() as connection:
            rows = await (await connection.execute(statement)).fetchall()
        records = ",".join(record for (record,) in rows)
        return Response(f'{{"data":[{records}]}}'.encode(), media_type="application/json")

    kept: list[bytes] = []

    @get("/api/v1/kept")
    async def kept_page() -> Response[bytes]:
        if not kept:
            async with pool.connection() as connection:
                kept.extend(record.encode() for (record,) in await (await connection.execute(statement)).fetchall())
        return Response(kept[0], media_type="application/json")

    return Litestar([page, kept_page], lifespan=[running], logging_config=None)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"port {listener.getsockname()[1]}", flush=True)
    http_server(create_app(*sys.argv[1:3])).run(sockets=[listener])


if __name__ == "__main__":
    main()
