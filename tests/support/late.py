"""Writes whose callers are let in at once, and whose bodies take their time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from httpx import AsyncClient, Response
from msgspec import Struct


class Late(Struct, frozen=True):
    """A write whose body is still on its way; `{id}` and `{workspace}` in its path are a dataset's."""

    method: str
    path: str
    body: str
    kind: str = "application/json"
    later: bool = False

    async def send(
        self, client: AsyncClient, dataset: dict[str, Any], begun: asyncio.Event, go: asyncio.Event
    ) -> Response:
        async def content() -> AsyncIterator[bytes]:
            yield self.body[:1].encode()
            begun.set()
            await go.wait()
            yield self.body[1:].encode()

        path = self.path.format(**dataset)
        headers = {"Content-Type": self.kind, **({"Prefer": "respond-async"} if self.later else {})}
        return await client.request(self.method, path, content=content(), headers=headers)


LATE = [
    Late("POST", "/datasets/{id}/records", '{"name": "Eve"}'),
    Late("POST", "/datasets/{id}/records", '{"name": "Eve"}\n{"name": "Eva"}\n', "application/x-ndjson"),
    Late("POST", "/datasets/{id}/records", '{"name": "Eve"}\n' * 11_000, "application/x-ndjson"),
    Late("PATCH", "/datasets/{id}/records", '{"deletes": [1], "creates": [{"name": "Eve"}]}'),
    Late("PATCH", "/datasets/{id}/records", '{"where": {}, "set": {"name": "Eve"}}'),
    Late("PATCH", "/datasets/{id}/records/1", '{"name": "Eve"}'),
    Late("PUT", "/datasets/{id}/records/1", '{"name": "Eve"}'),
    Late("PUT", "/datasets/{id}/records?key=name", '[{"name": "Ann", "amount": 7}]'),
    Late("PATCH", "/datasets/{id}", '{"name": "mine"}'),
    Late("PATCH", "/datasets/{id}", '{"description": "mine"}'),
    Late("PATCH", "/datasets/{id}/schema", '{"columns": [{"name": "name", "rename_to": "who"}]}'),
    Late("POST", "/datasets/{id}/restore", '{"version": 1}'),
    Late("PUT", "/datasets/{id}/versions/1/tag", '{"tag": "mine"}'),
    Late("POST", "/datasets/{id}/imports?mode=append", "name,amount\nEve,3\n", "text/csv"),
    Late("POST", "/datasets/{id}/imports?mode=append", "name,amount\nEve,3\n", "text/csv", later=True),
    Late("POST", "/datasets?name=new&workspace={workspace}", "name\nEve\n", "text/csv"),
    Late("POST", "/datasets?name=new&workspace={workspace}", "name\nEve\n", "text/csv", later=True),
    Late("POST", "/datasets?workspace={workspace}", '{"name": "new"}'),
    Late("POST", "/uploads?workspace={workspace}", "name\nEve\n", "text/csv"),
]


@asynccontextmanager
async def late_writes(client: AsyncClient, dataset: dict[str, Any]) -> AsyncIterator[dict[Late, int]]:
    """Within the block all of them have begun, and wait; behind it their statuses are there."""
    begun, go, statuses = [asyncio.Event() for _ in LATE], asyncio.Event(), dict[Late, int]()
    sending = [
        asyncio.create_task(late.send(client, dataset, each, go)) for late, each in zip(LATE, begun, strict=True)
    ]
    for each in begun:
        await each.wait()
    yield statuses
    go.set()
    for late, sent in zip(LATE, sending, strict=True):
        statuses[late] = (await sent).status_code
