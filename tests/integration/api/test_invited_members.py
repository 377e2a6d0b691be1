"""Whom others make a member of their workspaces, nobody asked: nothing of their own changes by it."""

from __future__ import annotations

import psycopg
import pytest
from support.service import MakeUser, User
from support.sharing import code, join, make_workspace, own

pytestmark = pytest.mark.anyio
FILLED = """
WITH made AS (
    INSERT INTO sheaf.workspaces (id, slug, name) SELECT gen_random_uuid(), 'w' || n, 'w' FROM generate_series(2, %s) n
    RETURNING id
) INSERT INTO sheaf.memberships (user_id, workspace_id, role, invited) SELECT %s, id, 'owner', %s FROM made
"""
MOST = 1_000


@pytest.fixture
async def eve(make_user: MakeUser) -> User:
    """Who adds others to her workspaces."""
    return await make_user("Eve")


class TestSlugs:
    async def test_ones_own_workspace_is_meant_before_one_that_another_added_one_to(
        self, user: User, eve: User
    ) -> None:
        """Whichever is older."""
        for name in ("Early", "Late"):
            theirs = await make_workspace(eve.client, name)
            if name == "Early":
                await join(eve.client, theirs["id"], user, "owner")
            mine = await make_workspace(user.client, name)
            assert mine["slug"] == theirs["slug"] == name.lower()
            if name == "Late":
                await join(eve.client, theirs["id"], user, "owner")
            assert (await user.client.get(f"/workspaces/{name.lower()}")).json()["id"] == mine["id"]
            made = await user.client.post("/datasets", json={"name": "x", "workspace": name.lower()})
            assert made.json()["workspace"] == mine["id"]

    async def test_the_only_one_of_that_slug_is_meant(self, user: User, eve: User) -> None:
        theirs = await make_workspace(eve.client, "Books")
        await join(eve.client, theirs["id"], user)
        assert (await user.client.get("/workspaces/books")).json()["id"] == theirs["id"]

    async def test_the_default_one_is_meant_whoever_added_one_to_it(self, user: User, eve: User) -> None:
        """So no other one can be made with its slug."""
        theirs = await make_workspace(eve.client, "Books")
        mine = await make_workspace(user.client, "Books")
        await join(eve.client, theirs["id"], user)
        assert (await user.client.put(f"/workspaces/{theirs['id']}/default")).status_code == 200
        assert (await user.client.get("/workspaces/books")).json()["id"] == theirs["id"]
        assert (await user.client.delete(f"/workspaces/{mine['id']}")).status_code == 204
        answer = await user.client.post("/workspaces", json={"name": "x", "slug": "books"})
        assert code(answer) == (409, "WORKSPACE_SLUG_TAKEN")


async def test_another_ones_workspace_does_not_become_the_default_one(user: User, eve: User) -> None:
    """Nor where it is the only one left: who has no other gets a new one."""
    await join(eve.client, eve.workspace["id"], user, "owner")
    late = await make_workspace(user.client, "Late")
    for left in (user.workspace["id"], late["id"]):
        assert (await user.client.delete(f"/workspaces/{left}")).status_code == 204
        first, second = await own(user.client)
        assert (first["is_default"], second["id"]) == (True, eve.workspace["id"])
        assert (first["id"] == late["id"]) == (left != late["id"])
    assert (first["slug"], first["name"], first["role"], first["members"]) == ("ada", "Ada", "owner", 1)


class TestMost:
    async def test_of_ones_own(self, user: User, eve: User, postgres_url: str) -> None:
        """Whoever has so many can still be added to others'."""
        gone = await make_workspace(user.client, "Gone")
        assert (await user.client.delete("/workspaces/gone")).status_code == 204
        with psycopg.connect(postgres_url) as tx:
            tx.execute(FILLED, (MOST, user.id, False))
        for answer in (
            await user.client.post("/workspaces", json={"name": "one more"}),
            await user.client.post(f"/workspaces/{gone['id']}/undelete"),
        ):
            assert code(answer) == (422, "LIMIT_EXCEEDED")
            assert "1,000 workspaces of their own" in answer.json()["detail"]
        await join(eve.client, eve.workspace["id"], user)
        assert (await user.client.delete("/workspaces/w2")).status_code == 204
        await make_workspace(user.client, "One more")

    async def test_that_others_added_one_to(self, user: User, eve: User, postgres_url: str) -> None:
        """Whoever has so many can still make their own, and is told another role where they are a member."""
        await join(eve.client, eve.workspace["id"], user)
        shared = await make_workspace(eve.client)
        with psycopg.connect(postgres_url) as tx:
            tx.execute(FILLED, (MOST, user.id, True))
        answer = await eve.client.put(f"/workspaces/{shared['id']}/members/{user.id}", json={"role": "viewer"})
        assert code(answer) == (422, "LIMIT_EXCEEDED")
        assert "1,000 workspaces that others added them to" in answer.json()["detail"]
        again = await eve.client.put(f"/workspaces/eve/members/{user.id}", json={"role": "editor"})
        assert again.status_code == 200
        await make_workspace(user.client)
