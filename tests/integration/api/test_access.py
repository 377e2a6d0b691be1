"""Every operation of the OpenAPI document, tried by everyone: docs/access.md says what each is answered."""

from __future__ import annotations

import asyncio

import pytest
from litestar import Controller, Litestar, Router, post
from litestar.openapi import OpenAPIConfig
from msgspec.structs import replace
from support.endpoints import BASE, CALLS, HOST, PAGE, WITHOUT_HEAD, document, misplaced, operations, send
from support.world import MEMBERS, OTHERS, UNKNOWN, World, world

from backend.controllers.access import Access
from backend.schemas.access import Action
from backend.security.auth import PUBLIC, may

__all__ = ["world"]

pytestmark = [pytest.mark.anyio, pytest.mark.no_cover]  # each operation is measured in its own tests
OPERATIONS = operations(document())
_DOCUMENTED = OpenAPIConfig("made", "1", openapi_router=Router("/schema", route_handlers=[], opt=PUBLIC))
EVERYONE = (*UNKNOWN, "reads", *MEMBERS, *OTHERS)


_CODES = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "_NOT_FOUND"}


def expected(name: str, caller: str) -> int:
    """What the table says: the status of a refusal, 200 for who may."""
    row = OPERATIONS[name].row
    if row is None:
        return 200
    if caller in UNKNOWN:
        return 401
    if caller == "reads":
        return 200 if row.key_scope == "read" else 403
    if not row.in_workspace or CALLS[name].of_caller:
        return 200
    if caller in OTHERS:
        return 404
    return 200 if caller in row.roles else 403


@pytest.mark.parametrize("name", OPERATIONS)
async def test_each_caller_is_answered_as_the_table_says(world: World, name: str) -> None:
    operation = OPERATIONS[name]
    assert name in CALLS, f"say in tests/support/endpoints.py how {name} is called"
    allowed = [caller for caller in EVERYONE if expected(name, caller) == 200]
    values = await world.target("owner", operation) if CALLS[name].hidden else world.values
    before = world.picture()
    for caller in (caller for caller in EVERYONE if caller not in allowed):
        answer = await send(world.callers[caller], operation, values)
        assert answer.status_code == expected(name, caller), (caller, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        if operation.method == "HEAD":
            assert answer.content == b""
        else:
            assert answer.json()["error_code"].endswith(_CODES[answer.status_code])
    assert world.picture() == before
    answers = await asyncio.gather(*(world.may(caller, operation) for caller in allowed))
    for caller, answer in zip(allowed, answers, strict=True):
        assert answer.status_code == CALLS[name].answers or answer.is_success, (caller, answer.text)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.endswith(WITHOUT_HEAD)])
async def test_what_streams_without_end_has_no_head(world: World, name: str) -> None:
    """Whoever asks: where it is not, there is nothing to say of who may."""
    asked = replace(OPERATIONS[name], method="HEAD")
    path = f"{BASE}{asked.path.format(**world.values)}"
    for caller in ("owner", *OTHERS):
        assert (await world.callers[caller].head(f"{HOST}{path}")).status_code == 405


def test_heads_are_among_the_calls() -> None:
    """The hidden handlers of exports and files, too."""
    heads = {name for name, operation in OPERATIONS.items() if operation.method == "HEAD"}
    hidden = {"/datasets/{ref}/export", "/workspaces/{workspace}/export", "/exports/{export_id}/file"}
    assert {f"HEAD {path}" for path in hidden} < heads


def test_no_call_is_described_that_is_not_there() -> None:
    assert CALLS.keys() <= OPERATIONS.keys()


def test_whoever_is_not_answered_with_success_has_a_reason() -> None:
    assert all(bool(how.answers) == bool(how.why) for how in CALLS.values())


def test_the_page_lists_what_needs_no_key() -> None:
    told = PAGE.read_text().split("Without a key only ")[1].split(" answer")[0]
    assert told == "`POST /users`, `/health/…`, `/metrics` and `/schema`"
    public = {name for name, operation in OPERATIONS.items() if operation.row is None and operation.method != "HEAD"}
    assert public == {"POST /users", "GET /health/live", "GET /health/ready"}


@pytest.mark.parametrize("path", ["/schema/swagger", "/schema/none", "/schema/none.json", "/schema/a/b"])
async def test_what_there_is_not_beside_the_document_is_told_as_elsewhere(world: World, path: str) -> None:
    answer = await world.callers["nobody"].get(f"http://sheaf.test{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["error_code"] == "NOT_FOUND"


async def test_what_is_not_in_the_document_needs_no_key(world: World) -> None:
    for path in ("/metrics", "/schema", "/schema/openapi.json", "/schema/openapi.yaml"):
        answer = await world.callers["nobody"].get(f"http://sheaf.test{path}")
        assert answer.status_code == 200


def test_what_writes_by_its_method_writes_by_the_table() -> None:
    assert misplaced(OPERATIONS) == []


def test_a_post_with_the_action_of_a_class_that_reads_is_found() -> None:
    class Careless(Controller):
        path = "/api/v1/datasets"
        opt = may(Action.READ_DATASETS)

        @post("/more")
        async def more(self) -> None:
            """Inherits what it does."""

        @post("/query")
        async def query(self) -> None:
            """Only reads."""

    made = Litestar([Careless], plugins=[Access()], openapi_config=_DOCUMENTED)
    found = operations(made.openapi_schema.to_schema())
    assert misplaced(found) == ["POST /datasets/more"]


def test_a_handler_that_does_not_say_what_it_does_does_not_start() -> None:
    @post("/api/v1/datasets/more")
    async def more() -> None:
        """Says nothing."""

    with pytest.raises(KeyError, match="action"):
        Litestar([more], plugins=[Access()])
