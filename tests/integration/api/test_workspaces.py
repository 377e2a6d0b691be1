"""Workspaces: who may what with them, and what they tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from httpx import AsyncClient
from support.service import MakeUser, Upload, User, without_request_id
from support.sharing import code, join, make_workspace, own

pytestmark = pytest.mark.anyio

MISSING = "01890000-0000-7000-8000-000000000000"


class TestList:
    async def test_a_stranger_sees_only_their_own(self, user: User, stranger: AsyncClient) -> None:
        assert user.workspace["id"] not in [each["id"] for each in await own(stranger)]

    async def test_the_default_one_comes_first_then_the_oldest(self, user: User) -> None:
        made = [await make_workspace(user.client, name) for name in ("Zoo", "Ark")]
        assert [each["id"] for each in await own(user.client)] == [user.workspace["id"], *(each["id"] for each in made)]
        assert [each["is_default"] for each in await own(user.client)] == [True, False, False]

    async def test_goes_by_pages(self, user: User) -> None:
        await make_workspace(user.client)
        first = (await user.client.get("/workspaces?limit=1")).json()
        last = (await user.client.get("/workspaces?limit=1&offset=1")).json()
        assert (first["total"], first["has_more"], last["total"], last["has_more"]) == (2, True, 2, False)
        assert [each["slug"] for each in (*first["data"], *last["data"])] == ["ada", "shared"]

    async def test_is_not_sent_again(self, client: AsyncClient) -> None:
        etag = (await client.get("/workspaces")).headers["etag"]
        assert (await client.get("/workspaces", headers={"If-None-Match": etag})).status_code == 304


class TestCreate:
    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert code(await reader.post("/workspaces", json={"name": "x"})) == (403, "FORBIDDEN")

    async def test_makes_an_empty_one_of_the_callers_own(self, user: User) -> None:
        answer = await user.client.post("/workspaces", json={"name": " Zweites Büro ", "description": "Bonn"})
        assert answer.status_code == 201
        told = answer.json()
        assert told.pop("created_at") == told.pop("updated_at")
        assert told == {
            "id": told["id"],
            "slug": "zweites-büro",
            "name": "Zweites Büro",
            "description": "Bonn",
            "role": "owner",
            "is_default": False,
            "datasets": 0,
            "rows": 0,
            "bytes": 0,
            "members": 1,
        }
        assert answer.headers["location"] == f"/api/v1/workspaces/{told['id']}"
        read = await user.client.get(answer.headers["location"].removeprefix("/api/v1"))
        assert read.headers["etag"] == answer.headers["etag"]

    async def test_who_is_told_of_at_once(self, user: User) -> None:
        made = await make_workspace(user.client)
        me = (await user.client.get("/users/me")).json()
        assert me["workspaces"][1:] == [{"id": made["id"], "slug": "shared", "name": "Shared", "role": "owner"}]

    async def test_a_slug_made_of_a_name_is_a_free_one(self, client: AsyncClient) -> None:
        assert [(await make_workspace(client, "Ada"))["slug"] for _ in range(2)] == ["ada-2", "ada-3"]
        assert (await make_workspace(client, "!!"))["slug"] == "workspace"

    async def test_no_slug_is_the_name_of_a_call(self, make_user: MakeUser) -> None:
        """`POST /workspaces/import` is one."""
        user = await make_user("Import")
        made = await make_workspace(user.client, "Import")
        assert [each["slug"] for each in await own(user.client)] == [user.workspace["slug"], made["slug"]]
        assert (user.workspace["slug"], made["slug"]) == ("import-2", "import-3")

    async def test_a_given_slug_must_be_free_among_ones_own(self, client: AsyncClient, stranger: AsyncClient) -> None:
        await make_workspace(client, "Mine", slug="books")
        assert code(await client.post("/workspaces", json={"name": "x", "slug": "books"})) == (
            409,
            "WORKSPACE_SLUG_TAKEN",
        )
        assert (await make_workspace(stranger, "Theirs", slug="books"))["slug"] == "books"

    @pytest.mark.parametrize(
        ("body", "wanted"),
        [
            ({}, (422, "INVALID_BODY")),
            ({"name": "x", "colour": "red"}, (422, "INVALID_BODY")),
            ({"name": " "}, (422, "INVALID_NAME")),
            ({"name": "a/b"}, (422, "INVALID_NAME")),
            ({"name": "x", "slug": ""}, (422, "INVALID_NAME")),
            ({"name": "x", "slug": "Big Books"}, (422, "INVALID_NAME")),
            ({"name": "x", "slug": MISSING}, (422, "INVALID_NAME")),
            ({"name": "x", "slug": "import"}, (422, "INVALID_NAME")),
            ({"name": "x", "description": "a\0b"}, (422, "INVALID_BODY")),
        ],
        ids=str,
    )
    async def test_what_is_refused(self, client: AsyncClient, body: Any, wanted: tuple[int, str]) -> None:
        assert code(await client.post("/workspaces", json=body)) == wanted
        assert len(await own(client)) == 1

    async def test_is_not_done_twice_with_the_same_idempotency_key(self, client: AsyncClient) -> None:
        once = {"Idempotency-Key": "one"}
        answers = [await client.post("/workspaces", json={"name": "x"}, headers=once) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["idempotency-replayed"] == "true"
        assert len(await own(client)) == 2


class TestGet:
    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        missing = without_request_id(await stranger.get(f"/workspaces/{MISSING}"))
        assert missing[0] == 404
        assert without_request_id(await stranger.get(f"/workspaces/{user.workspace['id']}")) == missing
        assert without_request_id(await stranger.get(f"/workspaces/{user.workspace['slug']}")) == missing

    async def test_by_id_or_slug_with_what_is_in_it(self, user: User, upload: Upload) -> None:
        orders = await upload()
        gone = await upload(name="gone")
        await user.client.delete(f"/datasets/{gone['id']}")
        by_id = (await user.client.get(f"/workspaces/{user.workspace['id']}")).json()
        assert (by_id["datasets"], by_id["rows"], by_id["bytes"]) == (1, 2, orders["bytes"])
        assert (await user.client.get("/workspaces/ada")).json() == by_id

    async def test_its_etag_changes_with_what_is_in_it(self, user: User, upload: Upload) -> None:
        etag = (await user.client.get("/workspaces/ada")).headers["etag"]
        assert not etag.startswith("W/")
        known = {"If-None-Match": etag}
        assert (await user.client.get("/workspaces/ada", headers=known)).status_code == 304
        await upload()
        assert (await user.client.get("/workspaces/ada", headers=known)).status_code == 200

    async def test_a_slug_that_two_of_ones_workspaces_have(self, user: User, make_user: MakeUser) -> None:
        bob, eve = await make_user("Bob"), await make_user("Eve")
        theirs = [await make_workspace(each.client, "Books") for each in (bob, eve)]
        for owner, workspace in zip((bob, eve), theirs, strict=True):
            await join(owner.client, workspace["id"], user)
        for path in ("/workspaces/books", "/datasets?workspace=books", "/datasets/any/records?workspace=books"):
            answer = await user.client.get(path)
            assert code(answer) == (409, "CONFLICT")
            assert all(workspace["id"] in answer.json()["detail"] for workspace in theirs)


class TestPatch:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_who_is_no_owner_may_not(self, user: User, make_user: MakeUser, role: str) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, role)
        path = f"/workspaces/{user.workspace['id']}"
        assert code(await bob.client.patch(path, json={"name": "Bobs"})) == (403, "FORBIDDEN")
        assert (await user.client.get(path)).json()["name"] == "Ada"

    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert code(await reader.patch("/workspaces/ada", json={"name": "x"})) == (403, "FORBIDDEN")

    async def test_renames_and_describes(self, user: User) -> None:
        before = (await user.client.get("/workspaces/ada")).json()
        answer = await user.client.patch("/workspaces/ada", json={"name": "Books", "description": "all of them"})
        after = answer.json()
        assert answer.headers["etag"] == (await user.client.get("/workspaces/ada")).headers["etag"]
        assert after["updated_at"] > before["updated_at"]
        changed = {"name": "Books", "description": "all of them", "updated_at": after["updated_at"]}
        assert after == before | changed
        assert (await user.client.patch("/workspaces/ada", json={"description": None})).json()["description"] is None

    async def test_a_new_slug_counts_at_once(self, user: User) -> None:
        assert (await user.client.patch("/workspaces/ada", json={"slug": "books"})).status_code == 200
        assert code(await user.client.get("/workspaces/ada")) == (404, "WORKSPACE_NOT_FOUND")
        assert (await user.client.get("/datasets?workspace=books")).status_code == 200

    async def test_a_slug_of_another_one_of_ones_own(self, client: AsyncClient) -> None:
        await make_workspace(client, "Books")
        assert code(await client.patch("/workspaces/ada", json={"slug": "books"})) == (409, "WORKSPACE_SLUG_TAKEN")
        assert code(await client.patch("/workspaces/ada", json={"slug": "x y"})) == (422, "INVALID_NAME")
        assert (await client.patch("/workspaces/ada", json={"slug": "ada"})).status_code == 200

    async def test_nothing_changed_is_no_change(self, client: AsyncClient) -> None:
        etag = (await client.get("/workspaces/ada")).headers["etag"]
        answer = await client.patch("/workspaces/ada", json={"name": "Ada"})
        assert (answer.status_code, answer.headers["etag"]) == (200, etag)

    async def test_if_match_is_about_the_workspace_and_not_about_what_is_in_it(
        self, user: User, upload: Upload
    ) -> None:
        read = {"If-Match": (await user.client.get("/workspaces/ada")).headers["etag"]}
        await upload()
        assert (await user.client.patch("/workspaces/ada", json={"description": "x"}, headers=read)).status_code == 200
        stale = await user.client.patch("/workspaces/ada", json={"description": "y"}, headers=read)
        assert code(stale) == (412, "PRECONDITION_FAILED")
        assert stale.headers["etag"] == (await user.client.get("/workspaces/ada")).headers["etag"]
        assert code(await user.client.delete("/workspaces/ada", headers=read)) == (412, "PRECONDITION_FAILED")


class TestDefault:
    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        answer = await stranger.put(f"/workspaces/{user.workspace['id']}/default")
        assert code(answer) == (404, "WORKSPACE_NOT_FOUND")

    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert code(await reader.put("/workspaces/ada/default")) == (403, "FORBIDDEN")

    async def test_is_where_slugs_are_looked_up_from_now_on(
        self, user: User, make_user: MakeUser, upload: Upload
    ) -> None:
        """For the caller alone, whatever their role there."""
        await upload(name="orders")
        bob = await make_user("Bob")
        await bob.client.post("/datasets", json={"name": "of Bob"})
        await join(user.client, "ada", bob)
        assert code(await bob.client.get("/datasets/orders")) == (404, "DATASET_NOT_FOUND")
        chosen = await bob.client.put("/workspaces/ada/default")
        assert (chosen.json()["is_default"], chosen.json()["role"]) == (True, "viewer")
        assert (await bob.client.get("/datasets/orders")).status_code == 200
        assert [each["is_default"] for each in await own(bob.client)] == [True, False]
        assert (await own(user.client))[0]["is_default"]
        assert (await bob.client.put("/workspaces/ada/default")).status_code == 200


async def test_what_is_in_one_is_not_in_another(
    user: User, upload: Upload, connect: Callable[..., AsyncClient]
) -> None:
    """Two workspaces of the same user are as far apart as those of two users, but for ids."""
    other = await make_workspace(user.client)
    here = await upload(name="orders")
    there = await upload(name="orders", workspace=other["id"])
    assert (here["slug"], there["slug"], there["workspace"]) == ("orders", "orders", other["id"])
    assert [each["id"] for each in (await user.client.get("/datasets?workspace=shared")).json()["data"]] == [
        there["id"]
    ]
    assert (await user.client.get("/datasets/orders")).json()["id"] == here["id"]
    assert (await user.client.get("/datasets/orders?workspace=shared")).json()["id"] == there["id"]
    assert (await user.client.get(f"/datasets/{there['id']}")).json() == there
    assert code(await user.client.get(f"/datasets/{here['id']}?workspace=shared")) == (404, "DATASET_NOT_FOUND")
