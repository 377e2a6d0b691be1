"""A workspace with something of everything in it, and all kinds of callers who try to reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Response

from support.calls import ended
from support.endpoints import CALLS, Operation, send
from support.service import ADDRESS
from support.stored import picture

MISSING = "01890000-0000-7000-8000-000000000000"
UNKNOWN = ("nobody", "malformed", "revoked", "expired")
"""Callers whose key is none."""
MEMBERS = ("viewer", "editor", "owner")
OTHERS = ("stranger", "outsider")
"""One who has a workspace of their own, and one who shares another workspace with the owner too."""
CELL = "known to members alone"
"""In the owner's cells and descriptions, and in nothing that a test sends as somebody else."""
ROWS = f"sku,name\none,Ann {CELL}\ntwo,Bob {CELL}\n"


class World:
    """`values`: what things in it are called, by the names of path parameters. `callers`: clients by who they are."""

    def __init__(self, service: ASGITransport, database: str, stack: AsyncExitStack) -> None:
        self._service, self._database, self._stack = service, database, stack
        self._counted = 0
        self.callers: dict[str, AsyncClient] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.values: dict[str, str] = {}

    async def fill(self) -> World:
        """Make the callers and the things."""
        for name in (*MEMBERS, *OTHERS, "second", "guest"):
            await self._register(name)
        self.callers["nobody"], self.callers["malformed"] = self._client(None), self._client("no key!")
        for name in ("revoked", "expired"):
            self.callers[name] = await self.with_key_of("owner")
        self.callers["reads"] = await self.with_key_of("owner", scope="read")
        self.values = {"workspace": self.users["owner"]["workspace"]["id"], "user": self.users["guest"]["user"]["id"]}
        await self._join(self.values["workspace"], {"viewer": "viewer", "editor": "editor"})
        shared = await self._workspace({"outsider": "editor"})
        self.values |= await self.fresh("owner", {"ref", "import_id", "upload_id", "key_id"})
        await self._end_keys()
        await self._use()
        for where in ({}, {"workspace": shared}):
            await _done(self.callers["outsider"].post("/datasets", json={"name": "their own", **where}))
        await _done(self.callers["stranger"].post("/datasets", json={"name": "their own"}))
        return self

    async def _use(self) -> None:
        """A cursor, ETags, a tag, an idempotency key, an archive: all that its things give to their owner."""
        owner, ref = self.callers["owner"], f"/datasets/{self.values['ref']}"
        self.values["slug"] = (await _done(owner.get(ref)))["slug"]
        self.values["moment"] = (await _done(owner.get(ref)))["created_at"]
        again = {"Idempotency-Key": "the-owners-own"}
        await _done(owner.post(f"{ref}/records", json={"sku": "three", "name": CELL}, headers=again))
        await _done(owner.patch(ref, json={"description": CELL}))
        await _done(owner.put(f"{ref}/versions/1/tag", json={"tag": "audited"}))
        self.values["cursor"] = (await _done(owner.get(f"{ref}/records?limit=1")))["next"]
        archive = await owner.get(f"/workspaces/{self.values['workspace']}/export")
        self.values |= await self.fresh("owner", {"export_id"})
        assert (await ended(owner, self.values["export_id"]))["state"] == "done"
        self.values["archive"] = archive.content.decode("latin-1")
        paths = (ref, f"{ref}/records?limit=1", f"{ref}/records/1", f"/workspaces/{self.values['workspace']}")
        self.values["etags"] = ", ".join([(await owner.get(path)).headers["etag"] for path in paths])

    async def fresh(self, caller: str, wanted: set[str]) -> dict[str, str]:
        """New things in the workspace, to be changed without harm; keys and exports are the caller's own."""
        owner, found = self.callers["owner"], {"record_id": "1", "version": "1", "key": "one"}
        self._counted += 1
        name, where = f"table {self._counted}", {"workspace": self.values["workspace"]}
        if not wanted.isdisjoint({"ref", "import_id"}):
            told = await _done(owner.post("/datasets", params=where | {"name": name}, content=ROWS, headers=_CSV))
            found |= {"ref": told["dataset"]["id"], "slug": told["dataset"]["slug"], "import_id": told["import"]["id"]}
            await _done(owner.patch(f"/datasets/{found['ref']}", json={"key": "sku"}))
        if "workspace" in wanted:
            found["workspace"] = await self._workspace({"viewer": "viewer", "editor": "editor", "second": "owner"})
        if "upload_id" in wanted:
            content = f"sku,name\nthree,{name}\n"
            found["upload_id"] = (await _done(owner.post("/uploads", params=where, content=content, headers=_CSV)))[
                "id"
            ]
        if "export_id" in wanted:
            asked = {"prepare": "true", "limit": 1_000 + self._counted}
            path = f"/datasets/{self.values['ref']}/export"
            found["export_id"] = (await _done(self.callers[caller].get(path, params=asked)))["id"]
        if "key_id" in wanted:
            found["key_id"] = (await _done(self.callers[caller].post("/users/me/keys", json={})))["id"]
        return found

    async def with_key_of(self, caller: str, **wanted: str) -> AsyncClient:
        """Calls as the same user with one more key."""
        told = await _done(self.callers[caller].post("/users/me/keys", json=wanted))
        client = self._client(told["api_key"])
        client.headers["x-key-id"] = told["id"]
        return client

    async def may(self, caller: str, operation: Operation) -> Response:
        """The answer to one who may; what is written is written to things made for that."""
        if operation.row is None or not operation.writes:
            return await send(self.callers[caller], operation, self.values)
        return await send(await self.with_key_of(caller), operation, await self.target(caller, operation))

    async def target(self, caller: str, operation: Operation) -> dict[str, str]:
        """What things are called that were made for this call alone."""
        how = CALLS[operation.name]
        values = self.values | await self.fresh(caller, {*operation.parameters, *how.needs})
        if how.before:
            method, _, path = how.before.partition(" ")
            before = await send(self.callers["owner"], Operation(method, path, None), values)
            assert before.is_success, before.text
        return values

    def picture(self) -> dict[str, list[str]]:
        """What stays the same unless somebody writes to the shared things."""
        owner = self.users["owner"]["user"]["id"]
        return picture(self._database, self.values["workspace"], owner, self.values["ref"])

    async def _register(self, name: str) -> None:
        told = await _done(self._client(None).post("/users", json={"name": name}))
        self.users[name], self.callers[name] = told, self._client(told["api_key"])

    def _client(self, key: str | None) -> AsyncClient:
        headers = {} if key is None else {"X-API-Key": key}
        client = AsyncClient(transport=self._service, base_url=ADDRESS, headers=headers)
        self._stack.push_async_callback(client.aclose)
        return client

    async def _workspace(self, roles: Mapping[str, str]) -> str:
        """A new one of the owner's, with these other members."""
        made: str = (await _done(self.callers["owner"].post("/workspaces", json={"name": "w"})))["id"]
        await self._join(made, roles)
        return made

    async def _join(self, workspace: str, roles: Mapping[str, str]) -> None:
        path, owner = f"/workspaces/{workspace}/members", self.callers["owner"]
        await asyncio.gather(
            *(
                _done(owner.put(f"{path}/{self.users[name]['user']['id']}", json={"role": role}))
                for name, role in roles.items()
            )
        )

    async def _end_keys(self) -> None:
        ids = {name: self.callers[name].headers["x-key-id"] for name in ("revoked", "expired")}
        with psycopg.connect(self._database) as tx:
            tx.execute("UPDATE sheaf.api_keys SET expires_at = now() WHERE id = %s", (ids["expired"],))
        gone = await self.callers["owner"].delete(f"/users/me/keys/{ids['revoked']}")
        assert gone.status_code == 204


_CSV = {"Content-Type": "text/csv"}


async def _done(sending: Awaitable[Response]) -> Any:
    answer = await sending
    assert answer.is_success, answer.text
    return answer.json()


@pytest.fixture(scope="module")
async def world(service: ASGITransport, postgres_url: str) -> AsyncIterator[World]:
    """One for all tests of a module: they change only what they made themselves."""
    async with AsyncExitStack() as stack:
        yield await World(service, postgres_url, stack).fill()
