"""POST /workspaces/import: an exported workspace comes back as a new one."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from support.archives import ZIP, bring, compared, exported
from support.client import problem
from support.service import MakeUser, User

pytestmark = pytest.mark.anyio


async def workspaces(client: AsyncClient) -> list[str]:
    return [each["slug"] for each in (await client.get("/workspaces")).json()["data"]]


async def test_a_key_that_reads_may_not_import(reader: AsyncClient, archive: bytes) -> None:
    assert problem(await bring(reader, archive), 403)["error_code"] == "FORBIDDEN"


async def test_somebody_else_brings_it_in(user: User, make_user: MakeUser, archive: bytes) -> None:
    other = await make_user("Bob")
    answer = await bring(other.client, archive)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    workspace = told["workspace"]
    assert answer.headers["location"] == f"/api/v1/workspaces/{workspace['id']}"
    assert answer.headers["etag"] == (await other.client.get(answer.headers["location"][7:])).headers["etag"]
    assert (workspace["slug"], workspace["role"], workspace["is_default"]) == (user.workspace["slug"], "owner", False)
    (orders,) = told["datasets"]
    assert (orders["slug"], orders["rows"], orders["columns"], told["rows"]) == ("orders", 2, 2, 2)
    assert orders["origin"]["workspace"] == user.workspace["id"]
    version = (await other.client.get(f"/datasets/{orders['id']}/versions/1")).json()
    assert (version["operation"], version["added"], version["author"]) == ("import", 2, other.id)
    assert version["source"]["origin"] == orders["origin"]
    assert compared(await exported(other.client, workspace["id"])) == compared(archive)
    assert (await user.client.get(f"/datasets/{orders['id']}")).status_code == 404


async def test_as_a_form_under_another_name(client: AsyncClient, archive: bytes) -> None:
    form = {"name": "A copy", "slug": "copied"}
    answer = await client.post("/workspaces/import", data=form, files={"file": ("x.zip", archive, "application/zip")})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["workspace"]["name"], answer.json()["workspace"]["slug"]) == ("A copy", "copied")
    again = await bring(client, archive, slug="copied")
    assert problem(again, 409)["error_code"] == "WORKSPACE_SLUG_TAKEN"


async def test_twice_it_gets_another_slug(user: User, archive: bytes) -> None:
    answers = [await bring(user.client, archive) for _ in range(2)]
    slugs = [answer.json()["workspace"]["slug"] for answer in answers]
    assert slugs == [f"{user.workspace['slug']}-{number}" for number in (2, 3)]
    assert [answer.headers["etag"].partition(".")[0] for answer in answers] == ['"1', '"1']


async def test_a_slug_is_never_that_of_this_call(client: AsyncClient, archive: bytes) -> None:
    """`/workspaces/import` is an address of its own."""
    assert (await client.post("/workspaces", json={"name": "Import"})).json()["slug"] == "import-2"
    assert problem(await bring(client, archive, slug="import"), 422)["error_code"] == "INVALID_NAME"


async def test_dry_run(client: AsyncClient, archive: bytes) -> None:
    answer = await bring(client, archive, dry_run="true", name="later")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["workspace"]["name"], told["datasets"][0]["id"], told["rows"]) == ("later", None, 2)
    assert len(await workspaces(client)) == 1


async def test_a_retry_makes_no_second_workspace(client: AsyncClient, archive: bytes) -> None:
    key = {**ZIP, "Idempotency-Key": "once"}
    answers = [await client.post("/workspaces/import", content=archive, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(await workspaces(client)) == 2


async def test_an_empty_workspace(user: User) -> None:
    made = await bring(user.client, await exported(user.client, user.workspace["id"]))
    assert (made.status_code, made.json()["datasets"]) == (201, [])


@pytest.mark.reads
@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 201])
async def test_names_that_cannot_be(client: AsyncClient, archive: bytes, name: str) -> None:
    assert problem(await bring(client, archive, name=name), 422)["error_code"] == "INVALID_NAME"
    assert problem(await bring(client, archive, slug=name), 422)["error_code"] == "INVALID_NAME"


@pytest.mark.reads
async def test_parameters_that_there_are_not(client: AsyncClient, archive: bytes) -> None:
    problem(await bring(client, archive, workspace="x"), 400)
    problem(await bring(client, archive, dry_run="perhaps"), 400)
    form = {"file": ("x.zip", archive, "application/zip")}
    problem(await client.post("/workspaces/import", data={"other": "x"}, files=form), 400)
    problem(await client.post("/workspaces/import?name=x", data={"name": "y"}, files=form), 400)


@pytest.mark.reads
@pytest.mark.parametrize("kind", ["text/csv", "application/json", "application/x-www-form-urlencoded", "zip"])
async def test_a_body_that_is_said_to_be_no_archive(client: AsyncClient, archive: bytes, kind: str) -> None:
    answer = await client.post("/workspaces/import", content=archive, headers={"Content-Type": kind})
    told = problem(answer, 415)["detail"]
    assert "application/zip" in told
    assert "multipart/form-data" in told
    assert kind in told


@pytest.mark.reads
@pytest.mark.parametrize("kind", ["Application/ZIP", "application/x-zip-compressed", "application/octet-stream", None])
async def test_a_body_that_may_be_an_archive(client: AsyncClient, archive: bytes, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await client.post("/workspaces/import?dry_run=true", content=archive, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_a_name_alone_leaves_the_slug_to_the_archive(user: User, archive: bytes) -> None:
    answer = await bring(user.client, archive, name="A copy")
    told = answer.json()["workspace"]
    assert (told["name"], told["slug"]) == ("A copy", f"{user.workspace['slug']}-2")
