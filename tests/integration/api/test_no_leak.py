"""What there is and belongs to others is answered like what there is not: byte for byte, and by the same statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID

import anyio
import psycopg
import pytest
from httpx import AsyncClient, Response
from msgspec import Struct
from psycopg import sql
from support.endpoints import CALLS, document, operations, send
from support.service import ADDRESS, Upload, User
from support.statements import Statements, watched
from support.waiting import until
from support.world import MISSING, OTHERS, World, world

__all__ = ["world"]

pytestmark = [pytest.mark.anyio, pytest.mark.no_cover]  # each operation is measured in its own tests
DOCUMENT = document()
OPERATIONS = {
    name: operation
    for name, operation in operations(DOCUMENT).items()
    if operation.in_workspace and not CALLS[name].of_caller
}
SLUG = "no-such-thing"


class Variant(Struct, frozen=True):
    """A way to ask: what things are called, and what is sent beside that."""

    name: str
    values: Mapping[str, str] = {}
    query: str = ""
    headers: Mapping[str, str] = {}
    body: Any = ...


def seen(answer: Response) -> tuple[int, str, list[tuple[str, str]], str]:
    """All of an answer that a caller could learn something from."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_EACH]
    return answer.status_code, answer.reason_phrase, headers, answer.text.replace(answer.headers["x-request-id"], "…")


_OF_EACH = {"x-request-id", "server-timing", "date"}


def documented(name: str) -> set[str]:
    """The parameters that an operation takes in its query and headers."""
    operation = OPERATIONS[name]
    told = DOCUMENT["paths"][f"/api/v1{operation.path}"][operation.described_as]
    return {each["name"] for each in told.get("parameters", ())} - set(operation.parameters)


def variants(name: str, world: World) -> list[Variant]:
    """What may be said beside the names of things, all of it true for the owner."""
    takes, values = documented(name), world.values
    found = [Variant("plain")]
    for parameter, value in {
        "cursor": values["cursor"],
        "version": "audited",
        "as_of": values["moment"].replace("+", "%2B"),
        "from": "audited",
        "dry_run": "true",
        "no_such_parameter": "1",
    }.items():
        if parameter in takes or parameter.startswith("no_"):
            found.append(Variant(parameter, query=f"{parameter}={value}"))
    for header, value in {
        "If-None-Match": values["etags"],
        "If-Match": values["etags"],
        "Idempotency-Key": "the-owners-own",
        "Prefer": "respond-async",
    }.items():
        found.append(Variant(header, headers={header: value}))
    if OPERATIONS[name].writes:
        found += [Variant("bad body", body={"no such": 1}), Variant("no object", body=7)]
    return found


def missing(world: World, *names: str) -> dict[str, str]:
    """The values of the world, of which these are of nothing."""
    return world.values | dict.fromkeys(names or _THINGS, MISSING)


_THINGS = ("ref", "workspace", "import_id", "upload_id", "export_id", "user")


@pytest.mark.parametrize("caller", OTHERS)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_existing_and_missing_look_the_same(world: World, name: str, caller: str) -> None:
    operation, client = OPERATIONS[name], world.callers[caller]
    for variant in variants(name, world):
        asked: dict[str, Any] = {"query": variant.query, "headers": variant.headers, "body": variant.body}
        there = await send(client, operation, world.values, **asked)
        assert seen(there) == seen(await send(client, operation, missing(world), **asked)), variant
        if variant.name == "plain":
            assert there.status_code == 404


@pytest.mark.parametrize("caller", OTHERS)
@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if "{ref}" in operation.path])
async def test_by_slug_and_workspace_too(world: World, name: str, caller: str) -> None:
    """A slug of another's dataset; another's workspace, by id and slug, beside the slug or id of its dataset."""
    operation, client = OPERATIONS[name], world.callers[caller]
    space = world.users["owner"]["workspace"]
    nowhere = seen(await send(client, operation, missing(world)))
    for ref in (world.values["slug"], SLUG):
        assert seen(await send(client, operation, world.values | {"ref": ref})) == nowhere
    if "workspace" not in documented(name):
        return
    for ref, shaped_alike in ((world.values["ref"], MISSING), (world.values["slug"], SLUG)):
        nowhere = seen(await send(client, operation, missing(world) | {"ref": shaped_alike}, query=f"workspace={SLUG}"))
        assert nowhere[0] == 404
        for workspace in (space["id"], MISSING, SLUG):
            for called in (ref, shaped_alike):
                values = world.values | {"ref": called}
                assert seen(await send(client, operation, values, query=f"workspace={workspace}")) == nowhere


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{record_id}" in name and not name.startswith("HEAD")])
async def test_a_record_that_does_not_exist_is_told_to_members_alone(world: World, name: str) -> None:
    answer = await send(world.callers["owner"], OPERATIONS[name], world.values | {"record_id": "99"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RECORD_NOT_FOUND")


@pytest.mark.parametrize("caller", OTHERS)
async def test_files_workspaces_and_keys_of_others_beside_what_is_ones_own(world: World, caller: str) -> None:
    client, space = world.callers[caller], world.users["owner"]["workspace"]
    form = {"file": ("a.csv", b"a\n1\n")}
    upload, key = world.values["upload_id"], world.values["key_id"]
    own = (await client.get("/datasets")).json()["data"][0]["id"]
    asked: list[Callable[[str, str, str], Any]] = [
        lambda upload, _w, _k: client.post("/datasets", json={"upload": upload, "name": "x"}),
        lambda upload, _w, _k: client.post(f"/datasets/{own}/imports", json={"upload": upload}),
        lambda upload, _w, _k: client.post(f"/datasets/{own}/imports?dry_run=true", json={"upload": upload}),
        lambda _u, workspace, _k: client.post("/datasets", json={"name": "x", "workspace": workspace}),
        lambda _u, workspace, _k: client.post("/datasets", params={"workspace": workspace}, **_RAW),
        lambda _u, workspace, _k: client.post("/datasets", files=form, data={"workspace": workspace}),
        lambda _u, workspace, _k: client.post("/datasets?dry_run=true", files=form, data={"workspace": workspace}),
        lambda _u, workspace, _k: client.post("/uploads", files=form, data={"workspace": workspace}),
        lambda _u, workspace, _k: client.get("/datasets", params={"workspace": workspace}),
        lambda _u, _w, key: client.delete(f"/users/me/keys/{key}"),
    ]
    for ask in asked:
        nowhere = seen(await ask(MISSING, MISSING, MISSING))
        assert nowhere[0] == 404
        assert seen(await ask(upload, space["id"], key)) == nowhere
        assert seen(await ask(upload, SLUG, key)) == nowhere


_RAW = {"content": b"a\n1\n", "headers": {"Content-Type": "text/csv"}}


async def test_a_slug_of_anothers_workspace_is_unknown(world: World) -> None:
    """The slug is one's own as well, so that it is not a question of spelling: it then means one's own."""
    told = world.users["owner"]["workspace"]["slug"]
    nowhere = seen(await world.callers["stranger"].get(f"/datasets?workspace={SLUG}"))
    assert seen(await world.callers["stranger"].get(f"/datasets?workspace={told}")) == nowhere


async def test_a_name_that_another_took_is_free(world: World) -> None:
    """Neither refused nor given a suffix."""
    owner = (await world.callers["owner"].get(f"/datasets/{world.values['ref']}")).json()
    made = await world.callers["stranger"].post("/datasets", json={"name": owner["name"]})
    assert (made.status_code, made.json()["slug"]) == (201, owner["slug"])
    await world.callers["stranger"].delete(f"/datasets/{made.json()['id']}")


async def test_an_idempotency_key_that_another_used_is_unknown(world: World) -> None:
    same = {"Idempotency-Key": "the-owners-own"}
    for name in ("owner", "stranger"):
        answer = await world.callers[name].post("/datasets", json={"name": "by key"}, headers=same)
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_a_list_holds_only_ones_own(world: World) -> None:
    stranger = world.callers["stranger"]
    assert {each["name"] for each in (await stranger.get("/datasets")).json()["data"]} <= {"their own", "by key"}
    for path in ("/imports", "/workspaces"):
        listed = (await stranger.get(path)).json()
        assert str(world.values["workspace"]) not in str(listed)


async def test_a_cursor_opens_nothing(world: World) -> None:
    """Neither its dataset nor a page of one's own."""
    stranger, asked = world.callers["stranger"], {"cursor": world.values["cursor"]}
    assert (await stranger.get(f"/datasets/{world.values['ref']}/records", params=asked)).status_code == 404
    own = (await stranger.get("/datasets")).json()["data"][0]["id"]
    answer = await stranger.get(f"/datasets/{own}/records", params=asked)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_CURSOR")


async def test_an_export_of_ones_own_by_a_strangers_names(user: User, upload: Upload, stranger: AsyncClient) -> None:
    """A slug is looked up in one's own workspace, whatever others call theirs."""
    await upload(name="of a stranger")
    answer = await user.client.get("/datasets/of-a-stranger/export")
    assert answer.text == "name,amount\r\nAnn,1\r\nBob,2\r\n"


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.writes])
async def test_who_may_too_little_is_told_what_the_table_says_and_no_more(world: World, name: str) -> None:
    """Whatever else is wrong: either it is found before anything is looked up, or it is not told."""
    operation = OPERATIONS[name]
    refusal = "You are a viewer of this workspace; to "
    if "viewer" not in operation.row.roles:
        plain = seen(await send(world.callers["viewer"], operation, world.values))
        for variant in variants(name, world):
            asked: dict[str, Any] = {"query": variant.query, "headers": variant.headers, "body": variant.body}
            answer = seen(await send(world.callers["viewer"], operation, world.values, **asked))
            assert answer in (plain, seen(await send(world.callers["viewer"], operation, missing(world), **asked)))
        assert refusal in plain[-1] or plain[0] == 404
    reads = seen(await send(world.callers["reads"], operation, world.values))
    assert (reads[0], "This key may only read." in reads[-1]) == (403, True)
    for variant in variants(name, world):
        asked = {"query": variant.query, "headers": variant.headers, "body": variant.body}
        for values in (world.values, missing(world)):
            assert seen(await send(world.callers["reads"], operation, values, **asked)) == reads


@pytest.mark.parametrize("caller", OTHERS)
async def test_nobody_waits_for_writers_in_anothers_workspace(world: World, postgres_url: str, caller: str) -> None:
    """Or the time that a 404 takes would tell that there is something, and that it is written to."""
    operation = OPERATIONS["PATCH /datasets/{ref}/records/{record_id}"]
    with psycopg.connect(postgres_url) as tx:
        schema = f"ws_{UUID(world.values['workspace']).hex}"
        tx.execute(sql.SQL("SELECT FROM {} FOR UPDATE").format(sql.Identifier(schema, "datasets")))
        writing = asyncio.create_task(send(world.callers["owner"], operation, world.values))
        await asyncio.to_thread(until, lambda: _waiting_for(tx.info.backend_pid, postgres_url), "the owner waits")
        with anyio.fail_after(180):
            assert (await send(world.callers[caller], operation, world.values)).status_code == 404
        assert not writing.done()
    assert (await writing).is_success


def _waiting_for(process: int, url: str) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(url) as tx:
        return bool(tx.execute(query, (process,)).fetchall())


@pytest.fixture(scope="module")
async def statements(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Statements]:
    async with watched(postgres_url, tmp_path_factory.mktemp("watched")) as found:
        yield found


@pytest.mark.parametrize("caller", OTHERS)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_existing_and_missing_take_the_same_statements(
    world: World, statements: Statements, name: str, caller: str
) -> None:
    operation, headers = OPERATIONS[name], world.callers[caller].headers
    async with AsyncClient(transport=statements.service, base_url=ADDRESS, headers=headers) as client:
        for variant in variants(name, world):
            asked: dict[str, Any] = {"query": variant.query, "headers": variant.headers, "body": variant.body}
            there, taken = await statements.of(send(client, operation, world.values, **asked))
            not_there, needed = await statements.of(send(client, operation, missing(world), **asked))
            assert taken == needed, variant
            assert taken or variant.name != "plain" or not _ASKED_FOR & set(operation.parameters)
            assert seen(there) == seen(not_there)


_ASKED_FOR = {"ref", "import_id", "upload_id", "export_id"}
"""What the database is asked for; which workspaces a caller has is known already."""
