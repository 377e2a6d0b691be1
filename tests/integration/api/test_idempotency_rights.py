"""An answer is told again only to who still may do what it tells of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient, Response
from msgspec import Struct
from support.calls import CSV, ORDERS
from support.service import MakeUser, Upload, User, without_request_id
from support.sharing import delete_workspace, join

pytestmark = pytest.mark.anyio
KEY = {"Idempotency-Key": "one"}
TOLD = b"idempotency-replayed"


class Shared(Struct):
    """A dataset of `owner`, to which `editor` has written with a key; `answer` is what that told."""

    owner: User
    editor: User
    dataset: dict[str, Any]
    answer: Response

    async def again(self) -> Response:
        path = f"/datasets/{self.dataset['id']}/records"
        return await self.editor.client.post(path, json={"name": "Eve"}, headers=KEY)

    async def count(self) -> int:
        counted = await self.owner.client.get(f"/datasets/{self.dataset['id']}/records/count")
        total: int = counted.json()["count"]
        return total

    async def member(self, role: str | None) -> None:
        """Makes the editor something else, or nothing, in the workspace."""
        path = f"/workspaces/{self.dataset['workspace']}/members/{self.editor.id}"
        if role is None:
            answer = await self.owner.client.delete(path)
        else:
            answer = await self.owner.client.put(path, json={"role": role})
        assert answer.is_success, answer.text


@pytest.fixture
async def shared(user: User, make_user: MakeUser, upload: Upload) -> Shared:
    dataset, editor = await upload(), await make_user("Ed")
    await join(user.client, dataset["workspace"], editor, "editor")
    found = Shared(user, editor, dataset, Response(0))
    found.answer = await found.again()
    assert found.answer.status_code == 201
    replayed = await found.again()
    assert replayed.content == found.answer.content
    assert TOLD in dict(replayed.headers.raw)
    return found


async def test_who_was_removed_gets_the_answer_of_a_stranger(shared: Shared, stranger: AsyncClient) -> None:
    await shared.member(None)
    path = f"/datasets/{shared.dataset['id']}/records"
    missing = await stranger.post(path, json={"name": "Eve"}, headers=KEY)
    assert missing.status_code == 404
    assert without_request_id(await shared.again()) == without_request_id(missing)
    assert await shared.count() == 3
    await shared.member("editor")
    assert (await shared.again()).content == shared.answer.content
    assert await shared.count() == 3


async def test_who_may_only_look_now_is_refused_as_such(shared: Shared) -> None:
    await shared.member("viewer")
    answer = await shared.again()
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "FORBIDDEN"
    assert await shared.count() == 3
    await shared.member("owner")
    assert (await shared.again()).content == shared.answer.content


async def test_a_deleted_workspace_tells_nothing_until_it_is_back(shared: Shared) -> None:
    await delete_workspace(shared.owner.client, shared.dataset["workspace"])
    assert (await shared.again()).status_code == 404
    back = await shared.owner.client.post(f"/workspaces/{shared.dataset['workspace']}/undelete")
    assert back.status_code == 200
    assert (await shared.again()).content == shared.answer.content
    assert await shared.count() == 3


async def test_the_same_names_elsewhere_get_no_second_write(shared: Shared) -> None:
    """What the path says may mean another workspace once the first one is out of reach."""
    editor, key = shared.editor, {"Idempotency-Key": "two"}
    assert (await editor.client.post("/datasets?name=orders", content=ORDERS, headers=CSV)).status_code == 201
    assert (await editor.client.put(f"/workspaces/{shared.dataset['workspace']}/default")).status_code == 200

    async def write(name: str) -> Response:
        return await editor.client.post("/datasets/orders/records", json={"name": name}, headers=key)

    assert (await write("Eve")).status_code == 201
    assert await shared.count() == 4
    await shared.member(None)
    for answer in await asyncio.gather(write("Eve"), write("Fay")):
        assert answer.status_code == 422
        assert answer.json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"
        assert "is not among yours now" in answer.json()["detail"]
    own = (await editor.client.get("/datasets/orders")).json()
    assert (own["workspace"], own["version"], own["rows"]) == (editor.workspace["id"], 1, 2)


async def test_many_at_once_while_rights_go(shared: Shared) -> None:
    """Each gets the answer or the refusal; no more is written than once."""
    asked = [asyncio.create_task(shared.again()) for _ in range(10)]
    await shared.member(None)
    late = await asyncio.gather(*(shared.again() for _ in range(10)))
    assert {each.status_code for each in late} == {404}
    for answer in await asyncio.gather(*asked):
        assert answer.status_code in {201, 404}
        assert answer.status_code == 404 or answer.content == shared.answer.content
    assert await shared.count() == 3


@pytest.mark.parametrize("later", [False, True])
async def test_an_import_is_no_exception(shared: Shared, later: bool) -> None:
    path = f"/datasets?name=new&workspace={shared.dataset['workspace']}"
    headers = {**CSV, "Idempotency-Key": "file", **({"Prefer": "respond-async"} if later else {})}
    first = await shared.editor.client.post(path, content=ORDERS, headers=headers)
    assert first.status_code == (202 if later else 201)
    again = await shared.editor.client.post(path, content=ORDERS, headers=headers)
    assert again.content == first.content
    await shared.member(None)
    gone = await shared.editor.client.post(path, content=ORDERS, headers=headers)
    assert gone.status_code == 404
    assert TOLD not in dict(gone.headers.raw)


async def test_what_was_done_to_a_workspace_is_told_to_its_owners(shared: Shared) -> None:
    place, client = f"/workspaces/{shared.dataset['workspace']}", shared.editor.client
    await shared.member("owner")
    first = await client.patch(place, json={"description": "new"}, headers=KEY)
    assert first.status_code == 200
    assert (await client.patch(place, json={"description": "new"}, headers=KEY)).content == first.content
    await shared.member("editor")
    assert (await client.patch(place, json={"description": "new"}, headers=KEY)).status_code == 403
    await shared.member(None)
    assert (await client.patch(place, json={"description": "new"}, headers=KEY)).status_code == 404
