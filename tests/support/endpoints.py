"""Every operation of the OpenAPI document: who may, by the table in docs/access.md, and how it is called."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

from httpx import ASGITransport, AsyncClient, Response
from msgspec import Struct
from msgspec.structs import replace

from backend.app import create_app
from backend.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "access.md"
BASE = "/api/v1"
HOST = "http://sheaf.test"
WITHOUT_HEAD = ("/stream", "/events")
"""How the paths end that take GET and no HEAD: 405 to whoever may ask."""
READING_POSTS = ("/query", "/export")
"""How the paths end whose POST reads, because what it asks for may be long."""


class Row(Struct, frozen=True):
    """A line of the table in docs/access.md."""

    in_workspace: bool
    roles: tuple[str, ...]
    key_scope: str


class Operation(Struct, frozen=True):
    """`row`: who may; None where no key is needed."""

    method: str
    path: str
    row: Row | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def described_as(self) -> str:
        """The method under which the document tells of it: HEAD is GET without the body."""
        return "get" if self.method == "HEAD" else self.method.lower()

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def in_workspace(self) -> bool:
        return self.row is not None and self.row.in_workspace

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"} and not self.path.endswith(READING_POSTS)


@cache
def documented_table() -> dict[str, Row]:
    """The lines by what they are about, in words."""
    found = re.findall(
        r"^\| ([^|]+) \| (yourself|a workspace) \| (yes|no) \| (yes|no) \| (yes|no) \| `(read|write)` \|$",
        PAGE.read_text(),
        re.MULTILINE,
    )
    return {
        words: Row(about == "a workspace", tuple(name for name, may in _by_role(may) if may == "yes"), scope)
        for words, about, *may, scope in found
    }


def _by_role(may: list[str]) -> Collection[tuple[str, str]]:
    return tuple(zip(("viewer", "editor", "owner"), may, strict=True))


@cache
def document() -> Any:
    """The document of a service that has no database: it tells what there is before anything runs."""

    async def fetched() -> Any:
        with TemporaryDirectory() as folder:
            app = create_app(Settings(data=Path(folder), log_level="error"))
            async with AsyncClient(transport=ASGITransport(app), base_url=HOST) as client:
                return (await client.get("/schema/openapi.json")).raise_for_status().json()

    return asyncio.run(fetched())


def operations(told: Any) -> dict[str, Operation]:
    """Each operation by its method and path, `GET /datasets/{ref}`; with the HEADs, of which the document is silent."""
    found = [
        Operation(method.upper(), path.removeprefix(BASE), _row(operation.get("description", "")))
        for path, item in told["paths"].items()
        for method, operation in item.items()
    ]
    heads = [
        replace(each, method="HEAD") for each in found if each.method == "GET" and not each.path.endswith(WITHOUT_HEAD)
    ]
    return {operation.name: operation for operation in (*found, *heads)}


def _row(description: str) -> Row | None:
    """What the last line of an operation's description says of who may."""
    last = description.rsplit("\n\n", maxsplit=1)[-1]
    if last == "No key is needed.":
        return None
    told = re.fullmatch(r"To (.+): (anyone|[a-z, ]+); a key of scope (.+)\.", last)
    assert told, f"who may is not said: {description}"
    row = documented_table()[told[1]]
    who = tuple(told[2].replace(" or ", ", ").split(", "))
    assert who == (row.roles if row.in_workspace else ("anyone",))
    assert told[3] == ("write" if row.key_scope == "write" else "read or write")
    return row


def misplaced(found: Mapping[str, Operation]) -> list[str]:
    """Operations that write by their method and read by their line of the table, or the other way round."""
    return [
        name
        for name, operation in found.items()
        if operation.row and operation.writes != (operation.row.key_scope == "write")
    ]


class How(Struct, frozen=True):
    """How an operation is called so that it succeeds. `$name` stands for a value of the world.

    `values` are used instead of the world's. `before`: what the owner does first; `hidden`: only then members find it.
    `of_caller`: it is about whatever the caller has, so nobody is a stranger. `answers`: what it answers instead of
    a 2xx, and `why`. `text`: a raw body, a character a byte.
    """

    body: Any = None
    query: str = ""
    values: Mapping[str, str] = {}
    of_caller: bool = False
    hidden: bool = False
    before: str = ""
    answers: int = 0
    why: str = ""
    text: str | None = None
    media_type: str = "text/csv"

    @property
    def needs(self) -> set[str]:
        """The values that it names beside those in its path."""
        return set(re.findall(r"\$(\w+)", f"{self.body} {self.query}"))


IN_WORKSPACE = "workspace=$workspace"
_EVE = {"name": "Eve"}
CALLS = {
    "GET /health/live": How(),
    "GET /health/ready": How(),
    "POST /users": How({"name": "Zoe"}),
    "GET /users/me": How(),
    "GET /limits": How(),
    "GET /users/me/keys": How(),
    "POST /users/me/keys": How({}),
    "POST /users/me/keys/rotate": How(),
    "DELETE /users/me/keys/{key_id}": How(),
    "GET /workspaces": How(of_caller=True),
    "POST /workspaces": How({"name": "made"}),
    "POST /workspaces/import": How(text="$archive", media_type="application/zip"),
    "GET /workspaces/{workspace}": How(),
    "PATCH /workspaces/{workspace}": How({"description": "changed"}),
    "DELETE /workspaces/{workspace}": How(),
    "POST /workspaces/{workspace}/undelete": How(before="DELETE /workspaces/{workspace}"),
    "PUT /workspaces/{workspace}/default": How(),
    "GET /workspaces/{workspace}/export": How(),
    "GET /workspaces/{workspace}/members": How(),
    "PUT /workspaces/{workspace}/members/{user}": How({"role": "viewer"}),
    "DELETE /workspaces/{workspace}/members/{user}": How(values={"user": "me"}),
    "GET /datasets": How(query=IN_WORKSPACE),
    "POST /datasets": How({"name": "made", "workspace": "$workspace"}),
    "GET /datasets/{ref}": How(),
    "PATCH /datasets/{ref}": How({"description": "changed"}),
    "DELETE /datasets/{ref}": How(),
    "POST /datasets/{ref}/undelete": How(before="DELETE /datasets/{ref}", hidden=True),
    "POST /datasets/{ref}/imports": How({"upload": "$upload_id"}),
    "GET /datasets/{ref}/schema": How(),
    "PATCH /datasets/{ref}/schema": How({"columns": [{"name": "name", "description": "who"}]}),
    "GET /datasets/{ref}/records": How(),
    "POST /datasets/{ref}/query": How({}),
    "GET /datasets/{ref}/records/stream": How(),
    "GET /datasets/{ref}/records/count": How(),
    "GET /datasets/{ref}/records/{record_id}": How(),
    "GET /datasets/{ref}/records/{record_id}/history": How(),
    "POST /datasets/{ref}/records": How(_EVE | {"sku": "new"}),
    "PATCH /datasets/{ref}/records": How({"where": {}, "set": _EVE}),
    "DELETE /datasets/{ref}/records": How({"where": {"sku": "one"}}),
    "PUT /datasets/{ref}/records": How([_EVE | {"sku": "one"}], query="key=sku"),
    "GET /datasets/{ref}/records/by-key/{key}": How(),
    "PATCH /datasets/{ref}/records/by-key/{key}": How(_EVE),
    "PUT /datasets/{ref}/records/by-key/{key}": How(_EVE),
    "DELETE /datasets/{ref}/records/by-key/{key}": How(),
    "PATCH /datasets/{ref}/records/{record_id}": How(_EVE),
    "PUT /datasets/{ref}/records/{record_id}": How(_EVE | {"sku": "one"}),
    "DELETE /datasets/{ref}/records/{record_id}": How(),
    "GET /datasets/{ref}/export": How(),
    "POST /datasets/{ref}/export": How({}),
    "GET /exports": How(query=IN_WORKSPACE),
    "GET /exports/{export_id}": How(),
    "GET /exports/{export_id}/file": How(),
    "DELETE /exports/{export_id}": How(),
    "GET /datasets/{ref}/versions": How(),
    "GET /datasets/{ref}/versions/{version}": How(),
    "PUT /datasets/{ref}/versions/{version}/tag": How({"tag": "again"}),
    "DELETE /datasets/{ref}/versions/{version}/tag": How(before="PUT /datasets/{ref}/versions/{version}/tag"),
    "GET /datasets/{ref}/diff": How(),
    "POST /datasets/{ref}/restore": How({"version": 1}),
    "GET /imports": How(query=IN_WORKSPACE),
    "GET /imports/{import_id}": How(),
    "GET /imports/{import_id}/events": How(),
    "GET /imports/{import_id}/rejected": How(),
    "DELETE /imports/{import_id}": How(answers=409, why="it has ended"),
    "POST /uploads": How(text="sku\none\n", query=IN_WORKSPACE),
    "GET /uploads/{upload_id}": How(),
    "DELETE /uploads/{upload_id}": How(),
}
CALLS |= {
    name.replace("GET", "HEAD", 1): how
    for name, how in CALLS.items()
    if name.startswith("GET ") and not name.endswith(WITHOUT_HEAD)
}


async def send(
    client: AsyncClient,
    operation: Operation,
    values: Mapping[str, str],
    *,
    query: str = "",
    body: Any = ...,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Call it about the things that `values` names; `query` goes behind what it is called with anyway."""
    how = CALLS[operation.name]
    values = {**values, **how.values}
    path = operation.path.format(**values)
    asked = "&".join(part for part in (Template(how.query).substitute(values), query) if part)
    url = f"{HOST}{path if path.startswith('/health') else BASE + path}{'?' + asked if asked else ''}"
    if how.text is not None:
        content = Template(how.text).substitute(values).encode("latin-1")
        typed = {"Content-Type": how.media_type, **(headers or {})}
        return await client.request(operation.method, url, content=content, headers=typed)
    told = _filled(how.body if body is ... else body, values)
    return await client.request(operation.method, url, json=told, headers=headers)


def _filled(told: Any, values: Mapping[str, str]) -> Any:
    match told:
        case str():
            return Template(told).substitute(values)
        case dict():
            return {name: _filled(value, values) for name, value in told.items()}
        case list():
            return [_filled(value, values) for value in told]
        case _:
            return told
