"""What one workspace gives out is useless in another: alone, and mixed with what is one's own, at every endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from support.endpoints import CALLS, Operation, document, operations, send
from support.world import CELL, OTHERS, World, world

__all__ = ["world"]

pytestmark = pytest.mark.anyio
DOCUMENT = document()
OPERATIONS = operations(DOCUMENT)
CALLED = [name for name, operation in OPERATIONS.items() if operation.row and not name.endswith("/rotate")]
"""Not the one that takes the caller's key away."""
THEIRS, OWN = "theirs", "own"
EXAMPLES = 75
IDS = ("ref", "workspace", "import_id", "upload_id", "export_id", "key_id")
"""What a path names by its id: no call succeeds whose path has one of another's."""
PLACES = {"ref": ("ref", "slug", "name"), "workspace": ("workspace", "workspace_slug"), "user": ("user",)}
"""What may stand for a path parameter; for any other what is called like it."""
MEMBERS = ("workspace", "upload", "name", "slug", "cursor", "version", "as_of", "q", "key", "tag", "role", "ids")
HEADERS = ("If-Match", "If-None-Match", "Idempotency-Key", "X-Request-Id")
GIVEN_OUT = (
    *IDS, "slug", "workspace_slug", "name", "user", "record_id", "version", "key", "tag", "moment", "token",
    "cursor", "diff_cursor", "etag", "page_etag", "record_etag", "idempotency_key",
)  # fmt: skip
Value = tuple[str, str]
"""Whose, and what of it."""
_succeeded = Counter[bool]()
_pictures: dict[str, Any] = {}
"""What the shared things looked like after the last call."""


class Asked(Struct, frozen=True):
    """A call, its values by whose and what they are."""

    caller: str
    name: str
    path: Mapping[str, Value]
    query: Mapping[str, Value]
    headers: Mapping[str, Value]
    members: Mapping[str, Value]


@st.composite
def calls(draw: st.DrawFn) -> Asked:
    name = draw(st.sampled_from(CALLED))
    operation = OPERATIONS[name]
    told = DOCUMENT["paths"][f"/api/v1{operation.path}"][operation.described_as]
    parameters = [each["name"] for each in told.get("parameters", ()) if each["in"] == "query"]
    whose = st.sampled_from([THEIRS] if operation.method == "DELETE" else [THEIRS, OWN])
    anything = st.tuples(st.sampled_from([THEIRS, OWN]), st.sampled_from(GIVEN_OUT))
    return Asked(
        draw(st.sampled_from(OTHERS)),
        name,
        {each: (draw(whose), draw(st.sampled_from(PLACES.get(each, (each,))))) for each in operation.parameters},
        draw(_some(parameters, anything)),
        draw(_some(HEADERS, anything)),
        draw(_some(MEMBERS, anything)) if operation.writes else {},
    )


def _some(names: Any, values: st.SearchStrategy[Value]) -> st.SearchStrategy[dict[str, Value]]:
    return st.dictionaries(st.sampled_from(sorted(names)), values, max_size=2) if names else st.just({})


async def given_out(client: AsyncClient, made: dict[str, str], workspace: Mapping[str, str]) -> dict[str, str]:
    """All that a workspace and a dataset in it give to whoever may read."""
    ref = f"/datasets/{made['ref']}"
    again = {"Idempotency-Key": f"of-{made['ref']}"}
    assert (await client.post(f"{ref}/records", json={"sku": "more"}, headers=again)).is_success
    assert (await client.put(f"{ref}/versions/1/tag", json={"tag": f"tag-{made['ref']}"})).is_success
    read, page = await client.get(ref), await client.get(f"{ref}/records?limit=1")
    dataset, etag = read.json(), page.headers["etag"]
    return made | {
        "slug": dataset["slug"],
        "name": dataset["name"],
        "moment": dataset["updated_at"],
        "workspace": workspace["id"],
        "workspace_slug": workspace["slug"],
        "user": (await client.get("/users/me")).json()["id"],
        "record_id": "1",
        "version": "2",
        "key": "one",
        "tag": f"tag-{made['ref']}",
        "token": etag.removeprefix('W/"').partition(".")[0],
        "cursor": page.json()["next"],
        "diff_cursor": (await client.get(f"{ref}/diff?from=1&limit=1")).json()["next"] or "",
        "etag": read.headers["etag"],
        "page_etag": etag,
        "record_etag": (await client.get(f"{ref}/records/1")).headers["etag"],
        "idempotency_key": again["Idempotency-Key"],
        "archive": (await client.get(f"/workspaces/{workspace['id']}/export")).content.decode("latin-1"),
    }


async def own(client: AsyncClient, name: str) -> dict[str, str]:
    """A dataset, an import, a file, an export and a key of the caller's own."""
    csv = {"Content-Type": "text/csv"}
    made = (
        await client.post("/datasets", params={"name": name}, content="sku,name\none,x\ntwo,y\n", headers=csv)
    ).json()
    ref = made["dataset"]["id"]
    assert (await client.patch(f"/datasets/{ref}", json={"key": "sku"})).is_success
    upload = await client.post("/uploads", content="sku\nnew\n", headers=csv)
    export = await client.get(f"/datasets/{ref}/export?prepare=true")
    key = await client.post("/users/me/keys", json={})
    ids = {"upload_id": upload.json()["id"], "export_id": export.json()["id"], "key_id": key.json()["id"]}
    return {"ref": ref, "import_id": made["import"]["id"], **ids}


@pytest.fixture(scope="module")
async def values(world: World) -> dict[str, dict[str, str]]:
    """What the owner's workspace gives out, and what those of the callers do."""
    spaces = {name: told["workspace"] for name, told in world.users.items()}
    shared = {name: world.values[name] for name in IDS}
    found = {THEIRS: await given_out(world.callers["owner"], shared, spaces["owner"])}
    for caller in OTHERS:
        client = world.callers[caller]
        found[caller] = await given_out(client, await own(client, f"of the {caller}"), spaces[caller])
    return found


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(asked=calls())
async def test_nothing_of_anothers_is_shown_or_changed(
    world: World, values: dict[str, dict[str, str]], asked: Asked
) -> None:
    operation, mine = OPERATIONS[asked.name], values[asked.caller]
    theirs = values[THEIRS] | ({"user": mine["user"]} if _invites(operation, asked) else {})

    def filled(told: Mapping[str, Value]) -> dict[str, str]:
        return {name: (theirs if whose == THEIRS else mine)[what] for name, (whose, what) in told.items()}

    before = _pictures.pop(world.values["ref"], None) or world.picture()
    body = CALLS[asked.name].body
    members = {**body, **filled(asked.members)} if isinstance(body, dict) and asked.members else ...
    answer = await send(
        world.callers[asked.caller],
        operation,
        mine | filled(asked.path),
        query="&".join(f"{name}={quote(value)}" for name, value in filled(asked.query).items()),
        headers=filled(asked.headers),
        body=members,
    )
    assert answer.status_code < 500, answer.text
    assert CELL not in answer.text
    if any(whose == THEIRS and what in IDS for whose, what in asked.path.values()):
        assert not answer.is_success, answer.text
    after = world.picture()
    assert after == before
    _pictures[world.values["ref"]] = after
    _succeeded[answer.is_success] += 1


def test_some_of_the_calls_were_good() -> None:
    """Those with nothing but one's own, or with what others may know, too: names and numbers."""
    assert min(_succeeded[True], _succeeded[False]) > EXAMPLES // 10, _succeeded


def _invites(operation: Operation, asked: Asked) -> bool:
    """Whether it would make somebody else a member of one's own workspace, which everyone may."""
    return operation.path.endswith("/members/{user}") and asked.path["workspace"][0] == OWN
