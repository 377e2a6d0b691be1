"""What a request says to the database, as libpq traces it on the connection itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile

from httpx import ASGITransport, Response
from psycopg.pq import Trace

from backend.app import application
from backend.assembly import assemble
from backend.repositories.database import Database
from backend.settings import Settings

_TOLD = {"Parse", "Query", "CommandComplete", "ErrorResponse"}
_IDENTIFY = "FROM sheaf.api_keys"


class Statements:
    """A service with one connection and nothing that runs beside the requests."""

    def __init__(self, database: Database, service: ASGITransport) -> None:
        self._database, self.service = database, service

    async def of(self, sending: Awaitable[Response]) -> tuple[Response, list[str]]:
        """What this answers, the statements that it took, and how many rows each found.

        Whose key it is may be remembered or not: that one statement is left out.
        """
        with TemporaryFile("w+") as file:
            async with self._database.read() as tx:
                tx.pgconn.trace(file.fileno())
                tx.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
            answer = await sending
            async with self._database.read() as tx:
                tx.pgconn.untrace()
            file.seek(0)
            return answer, _without_caller(list(_messages(file.read())))


def _messages(trace: str) -> list[str]:
    """The statements, with the types of their parameters but not what was bound, and how each ended."""
    lines = [line.split("\t", 3) for line in re.split(r"\n(?=[FB]\t)", trace.strip())]
    return [" ".join(line[2:]) for line in lines if line[2:3] and line[2] in _TOLD]


def _without_caller(messages: list[str]) -> list[str]:
    for at, message in enumerate(messages):
        if _IDENTIFY in message:
            return messages[:at] + messages[at + 2 :]
    return messages


@asynccontextmanager
async def watched(url: str, data: Path) -> AsyncIterator[Statements]:
    """The service without its lifespan, and so without its work in the background."""
    settings = Settings(
        database_url=url, data=data, log_level="error", prepared_statements=False, database_pool=1, concurrent_exports=1
    )
    made = assemble(settings)
    await made.database.open()
    try:
        yield Statements(made.database, ASGITransport(application(settings, made)))
    finally:
        await made.database.close()
