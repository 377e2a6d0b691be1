"""Every endpoint, called by those who must be refused: nobody, a stranger, a key that may only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response
from msgspec import Struct
from support.service import User, without_request_id

pytestmark = pytest.mark.anyio

MISSING = "01890000-0000-7000-8000-000000000000"


class Call(Struct, frozen=True):
    """`bad` is a body that the owner would be refused for."""

    method: str
    path: str
    body: Any = None
    bad: Any = None

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.path.endswith(("/query", "/export"))

    async def send(self, client: AsyncClient, ref: str, *, bad: bool = False) -> Response:
        path = self.path.format(ref=ref, record=1, version=1, key=MISSING)
        return await client.request(self.method, path, json=self.bad if bad else self.body)


OWN = [
    Call("GET", "/users/me"),
    Call("GET", "/limits"),
    Call("GET", "/users/me/keys"),
    Call("POST", "/users/me/keys", {}),
    Call("POST", "/users/me/keys/rotate"),
    Call("DELETE", "/users/me/keys/{key}"),
    Call("GET", "/datasets"),
    Call("POST", "/datasets", {"name": "new"}),
    Call("POST", "/uploads"),
    Call("GET", "/imports"),
    Call("GET", "/workspaces"),
    Call("POST", "/workspaces", {"name": "new"}),
    Call("POST", "/workspaces/import"),
]
OF_A_WORKSPACE = [
    Call("GET", "/workspaces/{ref}"),
    Call("PATCH", "/workspaces/{ref}", {"name": "mine now"}, {"name": 7}),
    Call("DELETE", "/workspaces/{ref}"),
    Call("POST", "/workspaces/{ref}/undelete"),
    Call("PUT", "/workspaces/{ref}/default"),
    Call("GET", "/workspaces/{ref}/members"),
    Call("PUT", "/workspaces/{ref}/members/{key}", {"role": "owner"}, {"role": "king"}),
    Call("DELETE", "/workspaces/{ref}/members/{key}"),
    Call("GET", "/workspaces/{ref}/export"),
]
OF_A_DATASET = [
    Call("GET", "/datasets/{ref}"),
    Call("PATCH", "/datasets/{ref}", {"description": "mine now"}, {"name": 7}),
    Call("DELETE", "/datasets/{ref}"),
    Call("POST", "/datasets/{ref}/undelete"),
    Call("POST", "/datasets/{ref}/imports", {"upload": MISSING}, {"upload": 7}),
    Call("GET", "/datasets/{ref}/schema"),
    Call("PATCH", "/datasets/{ref}/schema", {"columns": [{"name": "name", "rename_to": "x"}]}, {"columns": 7}),
    Call("GET", "/datasets/{ref}/records"),
    Call("POST", "/datasets/{ref}/query", {}, {"filters": {"nothing": 1}}),
    Call("GET", "/datasets/{ref}/records/stream"),
    Call("GET", "/datasets/{ref}/records/count"),
    Call("GET", "/datasets/{ref}/records/{record}"),
    Call("GET", "/datasets/{ref}/records/{record}/history"),
    Call("POST", "/datasets/{ref}/records", {"name": "Eve"}, {"nothing": 1}),
    Call("PATCH", "/datasets/{ref}/records", {"deletes": []}, {"creates": [{"nothing": 1}]}),
    Call("PATCH", "/datasets/{ref}/records", {"where": {}, "set": {"name": "Eve"}}, {"where": {}, "set": {"x": 1}}),
    Call("DELETE", "/datasets/{ref}/records", {"where": {"name": "Ann"}}, {"where": {"nothing": 1}}),
    Call("PUT", "/datasets/{ref}/records?key=name", [{"name": "Eve"}], [{"nothing": 1}]),
    Call("GET", "/datasets/{ref}/records/by-key/{key}"),
    Call("PATCH", "/datasets/{ref}/records/by-key/{key}", {"name": "Eve"}, {"nothing": 1}),
    Call("PUT", "/datasets/{ref}/records/by-key/{key}", {"name": "Eve"}, {"nothing": 1}),
    Call("DELETE", "/datasets/{ref}/records/by-key/{key}"),
    Call("PATCH", "/datasets/{ref}/records/{record}", {"name": "Eve"}, {"nothing": 1}),
    Call("PUT", "/datasets/{ref}/records/{record}", {"name": "Eve"}, {"nothing": 1}),
    Call("DELETE", "/datasets/{ref}/records/{record}"),
    Call("GET", "/datasets/{ref}/export"),
    Call("POST", "/datasets/{ref}/export", {}, {"filters": {"nothing": 1}}),
    Call("GET", "/datasets/{ref}/versions"),
    Call("GET", "/datasets/{ref}/diff"),
    Call("POST", "/datasets/{ref}/restore", {"version": 1}, {"version": 0}),
    Call("GET", "/datasets/{ref}/versions/{version}"),
    Call("PUT", "/datasets/{ref}/versions/{version}/tag", {"tag": "audited"}, {"tag": "7"}),
    Call("DELETE", "/datasets/{ref}/versions/{version}/tag"),
]
OF_AN_IMPORT = [
    Call("GET", "/imports/{ref}"),
    Call("GET", "/imports/{ref}/events"),
    Call("GET", "/imports/{ref}/rejected"),
    Call("DELETE", "/imports/{ref}"),
]
OF_AN_UPLOAD = [
    Call("GET", "/uploads/{ref}"),
    Call("DELETE", "/uploads/{ref}"),
]
EVERY = OWN + OF_A_WORKSPACE + OF_A_DATASET + OF_AN_IMPORT + OF_AN_UPLOAD
PUBLIC = {("POST", "/users")}


def _named(call: Call) -> str:
    return f"{call.method} {call.path}"


async def test_every_endpoint_is_listed_here(anonymous: AsyncClient) -> None:
    answer = await anonymous.get("http://sheaf.test/schema/openapi.json")
    documented = {
        (method.upper(), "".join(part if "}" not in part else "{}" + part.split("}")[1] for part in path.split("{")))
        for path, item in answer.json()["paths"].items()
        for method in item
        if path.startswith("/api/v1")
    }
    listed = {
        (call.method, "/api/v1" + call.path.partition("?")[0].format(ref="{}", record="{}", version="{}", key="{}"))
        for call in EVERY
    } | {(method, "/api/v1" + path) for method, path in PUBLIC}
    assert documented == listed


@pytest.mark.parametrize("call", EVERY, ids=_named)
async def test_without_a_key_nothing_is_told(anonymous: AsyncClient, call: Call) -> None:
    answer = await call.send(anonymous, MISSING)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error_code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("call", OF_A_DATASET, ids=_named)
async def test_anothers_dataset_is_as_one_that_does_not_exist(
    user: User, stranger: AsyncClient, upload: Callable[..., Any], call: Call
) -> None:
    theirs = await upload(name="theirs")
    missing = without_request_id(await call.send(stranger, MISSING))
    assert missing[0] == 404
    assert without_request_id(await call.send(stranger, theirs["id"])) == missing
    by_slug = without_request_id(await call.send(stranger, "theirs"))
    assert by_slug == without_request_id(await call.send(stranger, "no-such"))
    assert by_slug == missing
    unchanged = (await user.client.get(f"/datasets/{theirs['id']}")).json()
    assert unchanged == theirs


@pytest.mark.parametrize("call", OF_AN_IMPORT + OF_AN_UPLOAD, ids=_named)
async def test_anothers_import_or_file_is_as_one_that_does_not_exist(
    user: User, stranger: AsyncClient, upload: Callable[..., Any], call: Call
) -> None:
    if call in OF_AN_IMPORT:
        theirs = (await upload(whole=True))["import"]["id"]
    else:
        theirs = (await user.client.post("/uploads", content="a\n1\n", headers={"Content-Type": "text/csv"})).json()[
            "id"
        ]
    missing = without_request_id(await call.send(stranger, MISSING))
    assert missing[0] == 404
    assert without_request_id(await call.send(stranger, theirs)) == missing
    look = f"/imports/{theirs}" if call in OF_AN_IMPORT else f"/uploads/{theirs}"
    assert (await user.client.get(look)).status_code == 200


@pytest.mark.parametrize("call", [call for call in OF_A_DATASET if call.bad], ids=_named)
async def test_a_bad_body_does_not_tell_either(stranger: AsyncClient, upload: Callable[..., Any], call: Call) -> None:
    theirs = await upload(name="theirs")
    answer = await call.send(stranger, theirs["id"], bad=True)
    assert without_request_id(answer) == without_request_id(await call.send(stranger, MISSING, bad=True))


@pytest.mark.parametrize("call", [call for call in OF_A_DATASET if "{record}" in call.path], ids=_named)
async def test_a_record_that_does_not_exist(user: User, upload: Callable[..., Any], call: Call) -> None:
    mine = await upload()
    path = call.path.format(ref=mine["id"], record=99)
    answer = await user.client.request(call.method, path, json=call.body)
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RECORD_NOT_FOUND"


@pytest.mark.parametrize("call", [call for call in EVERY if call.writes], ids=_named)
async def test_a_key_that_reads_may_not_write(reader: AsyncClient, upload: Callable[..., Any], call: Call) -> None:
    mine = await upload()
    answer = await call.send(reader, mine["id"])
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "FORBIDDEN"


@pytest.mark.parametrize("call", [call for call in OF_A_DATASET if not call.writes], ids=_named)
async def test_a_key_that_reads_may_read(reader: AsyncClient, upload: Callable[..., Any], call: Call) -> None:
    mine = await upload()
    wanted = 409 if "{key}" in call.path else 200  # the dataset has no key column
    assert (await call.send(reader, mine["id"])).status_code == wanted


@pytest.mark.parametrize("call", OF_A_DATASET, ids=_named)
async def test_anothers_workspace_is_as_one_that_does_not_exist(
    user: User, stranger: AsyncClient, upload: Callable[..., Any], call: Call
) -> None:
    await upload(name="theirs")
    answers = []
    for workspace in (user.workspace["id"], user.workspace["slug"] + "-no", MISSING):
        path = call.path.format(ref="theirs", record=1, version=1, key=MISSING)
        answer = await stranger.request(call.method, path, json=call.body, params={"workspace": workspace})
        answers.append(without_request_id(answer))
    assert answers[0][0] == 404
    assert answers[0] == answers[1] == answers[2]


async def test_a_list_holds_only_ones_own(stranger: AsyncClient, upload: Callable[..., Any]) -> None:
    await upload(name="theirs")
    listed = (await stranger.get("/datasets")).json()
    assert [each["name"] for each in listed["data"]] == ["of a stranger"]


async def test_a_cursor_opens_nothing(user: User, stranger: AsyncClient, upload: Callable[..., Any]) -> None:
    theirs = await upload(name="theirs")
    cursor = (await user.client.get(f"/datasets/{theirs['id']}/records?limit=1")).json()["next"]
    answer = await stranger.get(f"/datasets/{theirs['id']}/records", params={"cursor": cursor})
    assert answer.status_code == 404
    csv = {"Content-Type": "text/csv"}
    mine = await stranger.post("/datasets?name=x", content="name,amount\nEve,1\nEve,2", headers=csv)
    answer = await stranger.get(f"/datasets/{mine.json()['dataset']['id']}/records", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_CURSOR"


async def test_an_export_of_ones_own_by_a_strangers_names(user: User, upload: Callable[..., Any]) -> None:
    """A slug is looked up in one's own workspace, whatever others call theirs."""
    await upload(name="of a stranger")
    answer = await user.client.get("/datasets/of-a-stranger/export")
    assert answer.text == "name,amount\r\nAnn,1\r\nBob,2\r\n"
