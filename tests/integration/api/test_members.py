"""Members of workspaces: who may change them, and what that changes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from httpx import AsyncClient
from support.late import late_writes
from support.service import MakeUser, Upload, User, without_request_id
from support.sharing import code, join, make_workspace, own

pytestmark = pytest.mark.anyio

MISSING = "01890000-0000-7000-8000-000000000000"


def members_of(user: User, member: str = "") -> str:
    return f"/workspaces/{user.workspace['id']}/members{'/' + member if member else ''}"


async def roles(user: User) -> dict[str, str]:
    """Of the members of the user's own workspace."""
    answer = await user.client.get(members_of(user))
    assert answer.status_code == 200, answer.text
    return {each["name"]: each["role"] for each in answer.json()["data"]}


class TestList:
    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        missing = without_request_id(await stranger.get(f"/workspaces/{MISSING}/members"))
        assert missing[0] == 404
        assert without_request_id(await stranger.get(members_of(user))) == missing

    async def test_every_member_sees_all_the_oldest_first(self, user: User, make_user: MakeUser) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob)
        answer = (await bob.client.get(members_of(user))).json()
        assert [(each["id"], each["name"], each["role"]) for each in answer["data"]] == [
            (user.id, "Ada", "owner"),
            (bob.id, "Bob", "viewer"),
        ]
        assert (answer["total"], answer["has_more"]) == (2, False)
        page = (await bob.client.get(members_of(user), params={"limit": 1, "offset": 1})).json()
        assert ([each["name"] for each in page["data"]], page["has_more"]) == (["Bob"], False)


class TestPut:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_who_is_no_owner_may_not(self, user: User, make_user: MakeUser, role: str) -> None:
        bob, eve = await make_user("Bob"), await make_user("Eve")
        await join(user.client, "ada", bob, role)
        for member in (eve.id, bob.id, user.id, "me", MISSING):
            answer = await bob.client.put(members_of(user, member), json={"role": "owner"})
            assert code(answer) == (403, "FORBIDDEN")
        assert await roles(user) == {"Ada": "owner", "Bob": role}

    async def test_a_stranger_sees_404(self, user: User, make_user: MakeUser) -> None:
        eve = await make_user("Eve")
        missing = await eve.client.put(f"/workspaces/{MISSING}/members/{eve.id}", json={"role": "owner"})
        theirs = await eve.client.put(members_of(user, eve.id), json={"role": "owner"})
        assert without_request_id(theirs) == without_request_id(missing)
        assert await roles(user) == {"Ada": "owner"}

    async def test_a_key_that_reads_may_not(self, user: User, reader: AsyncClient) -> None:
        answer = await reader.put(members_of(user, "me"), json={"role": "viewer"})
        assert code(answer) == (403, "FORBIDDEN")

    async def test_adds_changes_and_says_which(self, user: User, make_user: MakeUser) -> None:
        bob = await make_user("Bob")
        added = await user.client.put(members_of(user, bob.id), json={"role": "viewer"})
        assert (added.status_code, added.json()["role"], added.json()["name"]) == (201, "viewer", "Bob")
        again = await user.client.put(members_of(user, bob.id), json={"role": "viewer"})
        assert (again.status_code, again.json()) == (200, added.json())
        changed = await user.client.put(members_of(user, bob.id), json={"role": "editor"})
        assert (changed.status_code, changed.json()) == (200, added.json() | {"role": "editor"})
        assert (await user.client.get("/workspaces/ada")).json()["members"] == 2

    async def test_a_new_member_has_the_workspace_beside_their_own(
        self, user: User, make_user: MakeUser, upload: Upload
    ) -> None:
        orders, bob = await upload(), await make_user("Bob")
        assert (await bob.client.get(f"/datasets/{orders['id']}")).status_code == 404
        await join(user.client, "ada", bob)
        assert [(each["slug"], each["role"]) for each in await own(bob.client)] == [("bob", "owner"), ("ada", "viewer")]
        assert (await bob.client.get(f"/datasets/{orders['id']}")).json() == orders
        assert (await bob.client.get("/datasets/orders?workspace=ada")).json() == orders

    @pytest.mark.parametrize("member", [MISSING, "nobody", "0"])
    async def test_a_user_that_does_not_exist(self, user: User, member: str) -> None:
        answer = await user.client.put(members_of(user, member), json={"role": "viewer"})
        assert code(answer) == (404, "USER_NOT_FOUND")

    @pytest.mark.parametrize("body", [{}, {"role": "king"}, {"role": "owner", "more": 1}, {"role": None}], ids=str)
    async def test_a_role_that_is_none(self, user: User, body: object) -> None:
        assert code(await user.client.put(members_of(user, "me"), json=body)) == (422, "INVALID_BODY")

    async def test_ownership_is_handed_on(self, user: User, make_user: MakeUser) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "owner")
        assert await roles(user) == {"Ada": "owner", "Bob": "owner"}
        stepped = await user.client.put(members_of(user, "me"), json={"role": "viewer"})
        assert (stepped.status_code, stepped.json()["role"]) == (200, "viewer")
        assert code(await user.client.patch(members_of(user)[: -len("/members")], json={})) == (403, "FORBIDDEN")
        assert await roles(user) == {"Ada": "viewer", "Bob": "owner"}

    async def test_the_last_owner_stays(self, user: User, make_user: MakeUser) -> None:
        await join(user.client, "ada", await make_user("Bob"), "editor")
        assert code(await user.client.put(members_of(user, user.id), json={"role": "editor"})) == (409, "LAST_OWNER")
        assert code(await user.client.delete(members_of(user, "me"))) == (409, "LAST_OWNER")
        assert await roles(user) == {"Ada": "owner", "Bob": "editor"}

    async def test_a_lower_role_counts_at_once(self, user: User, make_user: MakeUser, upload: Upload) -> None:
        orders, bob = await upload(), await make_user("Bob")
        await bob.client.post("/datasets", json={"name": "their own"})  # so that the key's owner is remembered
        await join(user.client, "ada", bob, "editor")
        records = f"/datasets/{orders['id']}/records"
        assert (await bob.client.post(records, json={"name": "Bob"})).status_code == 201
        assert (await user.client.put(members_of(user, bob.id), json={"role": "viewer"})).status_code == 200
        assert code(await bob.client.post(records, json={"name": "Bob"})) == (403, "FORBIDDEN")
        assert (await bob.client.get(records)).status_code == 200


class TestDelete:
    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_who_is_no_owner_may_remove_nobody_else(self, user: User, make_user: MakeUser, role: str) -> None:
        bob, eve = await make_user("Bob"), await make_user("Eve")
        await join(user.client, "ada", bob, role)
        await join(user.client, "ada", eve)
        for member in (user.id, eve.id, MISSING):
            assert code(await bob.client.delete(members_of(user, member))) == (403, "FORBIDDEN")
        assert set(await roles(user)) == {"Ada", "Bob", "Eve"}

    async def test_a_stranger_sees_404(self, user: User, stranger: AsyncClient) -> None:
        answer = await stranger.delete(members_of(user, user.id))
        assert code(answer) == (404, "WORKSPACE_NOT_FOUND")
        assert code(await stranger.delete(members_of(user, "me"))) == (404, "WORKSPACE_NOT_FOUND")

    async def test_a_key_that_reads_may_not(self, user: User, reader: AsyncClient) -> None:
        assert code(await reader.delete(members_of(user, "me"))) == (403, "FORBIDDEN")

    async def test_who_is_no_member(self, user: User, make_user: MakeUser) -> None:
        eve = await make_user("Eve")
        for member in (eve.id, MISSING, "nobody"):
            assert code(await user.client.delete(members_of(user, member))) == (404, "MEMBER_NOT_FOUND")

    async def test_everything_is_out_of_reach_at_once(
        self, user: User, make_user: MakeUser, connect: Callable[..., AsyncClient]
    ) -> None:
        """Dataset, records, cursor, import and file, by id and by slug; also by a second key."""
        bob = await make_user("Bob")
        await bob.client.post("/datasets", json={"name": "their own"})
        second = connect((await bob.client.post("/users/me/keys", json={})).json()["api_key"])
        await join(user.client, "ada", bob, "editor")
        csv = {"Content-Type": "text/csv"}
        made = (await bob.client.post("/datasets?name=orders&workspace=ada", content="a\n1\n2\n", headers=csv)).json()
        file = (await bob.client.post("/uploads?workspace=ada", content="a\n3\n", headers=csv)).json()
        dataset = made["dataset"]["id"]
        cursor = (await bob.client.get(f"/datasets/{dataset}/records?limit=1")).json()["next"]
        paths = [
            f"/datasets/{dataset}",
            f"/datasets/{dataset}/records",
            f"/datasets/{dataset}/records?limit=1&cursor={cursor}",
            f"/datasets/{dataset}/records?version=1",
            f"/datasets/{dataset}/records/1",
            f"/datasets/{dataset}/export",
            "/datasets/orders?workspace=ada",
            f"/imports/{made['import']['id']}",
            f"/imports/{made['import']['id']}/events",
            f"/uploads/{file['id']}",
            "/imports?workspace=ada",
            "/workspaces/ada",
            members_of(user),
        ]
        for client in (bob.client, second):
            assert [(await client.get(path)).status_code for path in paths] == [200] * len(paths)
        assert (await user.client.delete(members_of(user, bob.id))).status_code == 204
        for client in (bob.client, second):
            assert [(await client.get(path)).status_code for path in paths] == [404] * len(paths)
        assert (await bob.client.post(f"/datasets/{dataset}/records", json={"a": 9})).status_code == 404
        assert (await user.client.get(f"/datasets/{dataset}/records/count")).json()["count"] == 2

    async def test_who_leaves_their_default_one_gets_their_oldest(self, user: User, make_user: MakeUser) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "owner")
        await make_workspace(user.client, "Second")
        await make_workspace(user.client, "Third")
        assert (await user.client.delete(members_of(user, "me"))).status_code == 204
        assert [(each["slug"], each["is_default"]) for each in await own(user.client)] == [
            ("second", True),
            ("third", False),
        ]
        assert [each["slug"] for each in (await user.client.get("/users/me")).json()["workspaces"]] == [
            "second",
            "third",
        ]

    async def test_who_is_removed_from_their_only_one_gets_a_new_one(self, user: User, make_user: MakeUser) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "owner")
        assert (await bob.client.delete(members_of(user, user.id))).status_code == 204
        (only,) = await own(user.client)
        assert only["id"] != user.workspace["id"]
        assert (only["slug"], only["name"], only["role"], only["is_default"]) == ("ada", "Ada", "owner", True)
        assert (await user.client.post("/datasets", json={"name": "x"})).json()["workspace"] == only["id"]


@pytest.mark.parametrize(("change", "wanted"), [("removed", 404), ("demoted", 403), ("revoked", 401)])
async def test_a_write_that_was_let_in_before_is_refused(
    user: User, make_user: MakeUser, upload: Upload, connect: Callable[..., AsyncClient], change: str, wanted: int
) -> None:
    """Whose body takes its time is asked for again when it is there."""
    orders, bob = await upload(), await make_user("Bob")
    await join(user.client, "ada", bob, "editor")
    assert (await bob.client.put("/workspaces/ada/default")).status_code == 200
    second = await bob.client.post("/users/me/keys", json={})
    late = connect(second.json()["api_key"])
    async with late_writes(late, orders) as answers:
        if change == "removed":
            assert (await user.client.delete(members_of(user, bob.id))).status_code == 204
        elif change == "demoted":
            assert (await user.client.put(members_of(user, bob.id), json={"role": "viewer"})).status_code == 200
        else:
            assert (await bob.client.delete(f"/users/me/keys/{second.json()['id']}")).status_code == 204
    assert set(answers.values()) == {wanted}, answers
    assert (await user.client.get(f"/datasets/{orders['id']}")).json() == orders
    assert (await user.client.get("/datasets?workspace=ada")).json()["total"] == 1


class TestAtTheSameMoment:
    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_two_owners_demote_or_remove_each_other(self, user: User, make_user: MakeUser, method: str) -> None:
        """The first one does, the second one may not any more: one owner is left."""
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "owner")
        body = {"role": "viewer"} if method == "PUT" else None
        answers = await asyncio.gather(
            user.client.request(method, members_of(user, bob.id), json=body),
            bob.client.request(method, members_of(user, user.id), json=body),
        )
        done, refused = sorted(answer.status_code for answer in answers)
        assert done in {200, 204}
        assert refused in {403, 404}
        left = user if answers[0].is_success else bob
        told = (await left.client.get(members_of(user))).json()["data"]
        assert [each["id"] for each in told if each["role"] == "owner"] == [left.id]

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    async def test_two_owners_step_down_together(self, user: User, make_user: MakeUser, method: str) -> None:
        bob = await make_user("Bob")
        await join(user.client, "ada", bob, "owner")
        body = {"role": "viewer"} if method == "PUT" else None
        answers = await asyncio.gather(
            *(each.client.request(method, members_of(user, "me"), json=body) for each in (user, bob))
        )
        assert sorted(answer.status_code for answer in answers)[1] == 409
        left = bob if answers[0].is_success else user
        told = (await left.client.get(members_of(user))).json()["data"]
        assert [each["id"] for each in told if each["role"] == "owner"] == [left.id]

    async def test_a_user_who_loses_two_workspaces_at_once_still_has_one(self, make_user: MakeUser) -> None:
        """Each removal could think that the other workspace is left. Many users, so that some meet in the middle."""

        async def lose_both() -> User:
            user, bob, eve = await make_user("Ada"), await make_user("Bob"), await make_user("Eve")
            first, second = [(await make_workspace(user.client, name))["id"] for name in ("First", "Second")]
            await asyncio.gather(
                join(user.client, first, bob, "owner"),
                join(user.client, second, eve, "owner"),
                user.client.delete(f"/workspaces/{user.workspace['id']}"),
            )
            answers = await asyncio.gather(
                bob.client.delete(f"/workspaces/{first}/members/{user.id}"), eve.client.delete(f"/workspaces/{second}")
            )
            assert [answer.status_code for answer in answers] == [204, 204]
            return user

        for user in await asyncio.gather(*(lose_both() for _ in range(10))):
            (only,) = await own(user.client)
            assert (only["is_default"], only["role"]) == (True, "owner")
