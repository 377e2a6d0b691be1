"""Deleted workspaces: out of everybody's reach at once, whole again while they can be restored."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from support.calls import CSV
from support.service import MakeUser, Upload, User, without_request_id
from support.sharing import code, delete_workspace, join, make_workspace, own

pytestmark = pytest.mark.anyio
MISSING = "01890000-0000-7000-8000-000000000000"


class TestDelete:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_who_is_no_owner_may_not(self, user: User, make_user: MakeUser, role: str) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, role)
        assert code(await bob.client.delete("/workspaces/ada")) == (403, "FORBIDDEN")
        assert (await user.client.get("/workspaces/ada")).status_code == 200

    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        missing = without_request_id(await stranger.delete(f"/workspaces/{MISSING}"))
        assert missing[0] == 404
        assert without_request_id(await stranger.delete(f"/workspaces/{user.workspace['id']}")) == missing

    async def test_a_key_that_reads_may_not(self, reader: AsyncClient) -> None:
        assert code(await reader.delete("/workspaces/ada")) == (403, "FORBIDDEN")

    async def test_nothing_in_it_is_reached_by_anybody(self, user: User, make_user: MakeUser) -> None:
        """By id or slug, by owner or viewer; each answer is that for something that never was."""
        bob = await make_user("Bob")
        shared = await make_workspace(user.client)
        await join(user.client, shared["id"], bob)
        made = (
            await user.client.post("/datasets?name=orders&workspace=shared", content="a\n1\n2\n", headers=CSV)
        ).json()
        file = (await user.client.post("/uploads?workspace=shared", content="a\n3\n", headers=CSV)).json()
        dataset, imported = made["dataset"]["id"], made["import"]["id"]
        cursor = (await user.client.get(f"/datasets/{dataset}/records?limit=1")).json()["next"]
        paths = [
            "/datasets/{0}",
            "/datasets/{0}/schema",
            "/datasets/{0}/records",
            "/datasets/{0}/records?version=1",
            f"/datasets/{{0}}/records?limit=1&cursor={cursor}",
            "/datasets/{0}/records/1",
            "/datasets/{0}/records/count",
            "/datasets/{0}/records/stream",
            "/datasets/{0}/export",
            "/datasets/{0}/versions",
            "/imports/{1}",
            "/imports/{1}/events",
            "/uploads/{2}",
            "/workspaces/{3}",
            "/workspaces/{3}/members",
            "/workspaces/{3}/export",
            "/datasets?workspace={3}",
            "/imports?workspace={3}",
            "/datasets?workspace={4}",
        ]
        clients = (user.client, bob.client)
        there = (dataset, imported, file["id"], shared["id"], "shared")
        nowhere = (MISSING, MISSING, MISSING, MISSING, "nothing")
        for client in clients:
            assert {(await client.get(path.format(*there))).status_code for path in paths} == {200}
        await delete_workspace(user.client, "shared")
        for client in clients:
            for path in paths:
                answer = without_request_id(await client.get(path.format(*there)))
                assert answer[0] == 404, path
                assert answer == without_request_id(await client.get(path.format(*nowhere)))
            assert shared["id"] not in [each["id"] for each in await own(client)]
            assert code(await client.delete(f"/workspaces/{shared['id']}")) == (404, "WORKSPACE_NOT_FOUND")
            assert code(await client.delete(f"/workspaces/{shared['id']}/members/me")) == (404, "WORKSPACE_NOT_FOUND")

    async def test_its_slug_is_free_again(self, client: AsyncClient) -> None:
        await make_workspace(client, "Books", slug="books")
        await delete_workspace(client, "books")
        assert (await make_workspace(client, "Books", slug="books"))["slug"] == "books"

    async def test_each_member_still_has_a_default_workspace(self, user: User, make_user: MakeUser) -> None:
        """Their oldest one that nobody else added them to, or a new one for who has no other."""
        bob, eve = await make_user("Bob"), await make_user("Eve")
        second = await make_workspace(eve.client, "Second")
        for each in (bob, eve):
            await join(user.client, user.workspace["id"], each)
        assert (await bob.client.put(f"/workspaces/{user.workspace['id']}/default")).status_code == 200
        await delete_workspace(eve.client, eve.workspace["id"])
        assert [each["id"] for each in await own(eve.client)] == [second["id"], user.workspace["id"]]
        await delete_workspace(user.client, user.workspace["id"])
        assert [(each["id"], each["is_default"]) for each in await own(bob.client)] == [(bob.workspace["id"], True)]
        (only,) = await own(user.client)
        assert (only["name"], only["role"], only["is_default"]) == (user.name, "owner", True)
        assert only["id"] != user.workspace["id"]


class TestUndelete:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_to_who_is_no_owner_it_does_not_exist(self, user: User, make_user: MakeUser, role: str) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, role)
        path = f"/workspaces/{user.workspace['id']}/undelete"
        assert code(await bob.client.post(path)) == (403, "FORBIDDEN")
        await delete_workspace(user.client, "ada")
        missing = await bob.client.post(f"/workspaces/{MISSING}/undelete")
        assert without_request_id(await bob.client.post(path)) == without_request_id(missing)
        assert missing.status_code == 404

    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        await delete_workspace(user.client, "ada")
        answer = await stranger.post(f"/workspaces/{user.workspace['id']}/undelete")
        assert code(answer) == (404, "WORKSPACE_NOT_FOUND")

    async def test_one_that_is_not_deleted(self, user: User) -> None:
        for ref in (user.workspace["id"], user.workspace["slug"], MISSING, "nothing"):
            assert code(await user.client.post(f"/workspaces/{ref}/undelete")) == (404, "WORKSPACE_NOT_FOUND")

    async def test_brings_all_of_it_back(self, user: User, make_user: MakeUser, upload: Upload) -> None:
        """But for what was deleted before."""
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "editor")
        orders, gone = await upload(), await upload(name="gone")
        await user.client.delete(f"/datasets/{gone['id']}")
        before = (await user.client.get("/workspaces/ada")).json()
        export = (await bob.client.get(f"/datasets/{orders['id']}/export")).content
        await delete_workspace(user.client, "ada")
        answer = await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")
        assert answer.status_code == 200
        after = answer.json()
        told = {"is_default": False, "updated_at": after["updated_at"], "slug": "ada-2"}
        assert after == before | told
        assert (await bob.client.get(f"/datasets/{orders['id']}")).json() == orders
        assert (await bob.client.get(f"/datasets/{orders['id']}/export")).content == export
        assert (await bob.client.get(f"/datasets/{gone['id']}")).status_code == 404
        assert (await bob.client.post(f"/datasets/{gone['id']}/undelete")).status_code == 200
        assert (await bob.client.post(f"/datasets/{orders['id']}/records", json={"name": "Eve"})).status_code == 201
        again = await user.client.post(f"/workspaces/{user.workspace['id']}/undelete")
        assert code(again) == (404, "WORKSPACE_NOT_FOUND")

    async def test_by_the_slug_that_it_had(self, user: User) -> None:
        """Also where one has it that is there."""
        made = await make_workspace(user.client, "Books")
        await delete_workspace(user.client, "books")
        now = await make_workspace(user.client, "Books")
        told = (await user.client.post("/workspaces/books/undelete")).json()
        assert (told["id"], told["slug"]) == (made["id"], "books-2")
        assert (await user.client.get("/workspaces/books")).json()["id"] == now["id"]

    async def test_a_slug_that_several_had(self, user: User, make_user: MakeUser) -> None:
        """Of those that somebody else deleted none is told."""
        eve = await make_user("Eve")
        theirs = await make_workspace(eve.client, "Books")
        await join(eve.client, theirs["id"], user, "editor")
        await delete_workspace(eve.client, theirs["id"])
        made = []
        for _ in range(2):
            made.append((await make_workspace(user.client, "Books"))["id"])
            await delete_workspace(user.client, "books")
        answer = await user.client.post("/workspaces/books/undelete")
        assert code(answer) == (409, "CONFLICT")
        assert all(each in answer.json()["detail"] for each in made)
        assert theirs["id"] not in answer.text
        assert (await user.client.post(f"/workspaces/{made[0]}/undelete")).json()["id"] == made[0]
        assert (await user.client.post("/workspaces/books/undelete")).json()["id"] == made[1]
