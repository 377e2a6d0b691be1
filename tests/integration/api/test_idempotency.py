"""`Idempotency-Key`: whoever sends a write again gets the first answer again, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response
from openpyxl import Workbook
from support import calls
from support.calls import CSV, ORDERS
from support.service import MakeUser, Upload, User

XLSX = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

Call = Callable[[AsyncClient, str], Awaitable[Response]]
"""Makes a write to the dataset of this name, or makes one like it."""
pytestmark = pytest.mark.anyio


def workbook(**tables: list[list[Any]]) -> bytes:
    """A workbook with these sheets."""
    book, out = Workbook(), BytesIO()
    book.remove(book.active)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(out)
    return out.getvalue()


BOOK = workbook(One=[["city", "year"], ["Bonn", 1]], Two=[["who", "paid"], ["Ann", 2]])


def json_call(method: str, path: str, body: Any) -> Call:
    """`{}` in the path stands for the dataset."""

    async def call(client: AsyncClient, ref: str) -> Response:
        return await client.request(method, path.format(ref), json=body)

    return call


def file_call(path: str, body: bytes = ORDERS, **headers: str) -> Call:
    async def call(client: AsyncClient, ref: str) -> Response:
        return await client.post(path.format(ref), content=body, headers={**CSV, **headers})

    return call


async def form(client: AsyncClient, ref: str) -> Response:
    return await client.post("/datasets", files={"file": ("f.csv", ORDERS)}, data={"name": f"new {ref}"})


def lines_call(count: int) -> Call:
    async def call(client: AsyncClient, ref: str) -> Response:
        headers = {"Content-Type": "application/x-ndjson"}
        return await client.post(f"/datasets/{ref}/records", content=b'{"name": "Cid"}\n' * count, headers=headers)

    return call


async def sheets(client: AsyncClient, ref: str) -> Response:
    return await client.post("/datasets?name=book&sheet=*", content=BOOK, headers=XLSX)


RECORD = {"name": "Cid", "amount": 3}
WRITES: dict[str, Call] = {
    "empty dataset": json_call("POST", "/datasets", {"name": "new"}),
    "raw file": file_call("/datasets?name=new"),
    "form": form,
    "append": file_call("/datasets/{}/imports"),
    "replace": file_call("/datasets/{}/imports?mode=replace", b"name,amount\nZoe,9\n"),
    "upsert": file_call("/datasets/{}/imports?mode=upsert&key=name", b"name,amount\nAnn,5\nZoe,9\n"),
    "sync": file_call("/datasets/{}/imports?mode=sync&key=name", b"name,amount\nAnn,5\nZoe,9\n"),
    "plan": file_call("/datasets/{}/imports?dry_run=true"),
    "kept file": file_call("/uploads"),
    "promised": file_call("/datasets/{}/imports", Prefer="respond-async"),
    "record": json_call("POST", "/datasets/{}/records", RECORD),
    "records": json_call("POST", "/datasets/{}/records", [RECORD, RECORD]),
    "no records": json_call("POST", "/datasets/{}/records", []),
    "lines": lines_call(2),
    "many lines": lines_call(10_001),
    "patch record": json_call("PATCH", "/datasets/{}/records/1", {"amount": 7}),
    "patch nothing": json_call("PATCH", "/datasets/{}/records/1", {"amount": 1}),
    "patch schema": json_call("PATCH", "/datasets/{}/schema", {"columns": [{"name": "name", "rename_to": "who"}]}),
    "batch": json_call("PATCH", "/datasets/{}/records", {"changes": [{"id": 1, "set": {"amount": 4}}], "deletes": [2]}),
    "restore": json_call("POST", "/datasets/{}/restore", {"version": 1}),
    "sheets": sheets,
    "key column": json_call("PATCH", "/datasets/{}", {"key": "name"}),
    "kept versions": json_call("PATCH", "/datasets/{}", {"keep_versions": 50}),
    "workspace": json_call("POST", "/workspaces", {"name": "new"}),
    "patch workspace": json_call("PATCH", "/workspaces/ada", {"description": "told twice"}),
    "patch dataset": json_call("PATCH", "/datasets/{}", {"description": "told twice"}),
}


Connect = Callable[..., AsyncClient]


def with_key(connect: Connect, user: User, key: str | None = None) -> AsyncClient:
    """Calls as `user`, each time with the same `Idempotency-Key`."""
    client = connect(user.key)
    client.headers["Idempotency-Key"] = str(uuid4()) if key is None else key
    return client


@pytest.fixture
def repeating(user: User, connect: Connect) -> AsyncClient:
    return with_key(connect, user)


async def state(client: AsyncClient) -> Any:
    """All datasets and their versions, and the workspaces."""
    told = (await client.get("/datasets", params={"sort": "name"})).json()["data"]
    spaces = (await client.get("/workspaces")).json()["data"]
    datasets = [(each["name"], each["version"], each["rows"], each["columns"], each["description"]) for each in told]
    return datasets, [(each["slug"], each["description"]) for each in spaces]


def same(first: Response, again: Response) -> None:
    """The second answer is the first one, but for what tells that it was given before."""
    own = {"x-request-id", "server-timing", "idempotency-replayed"}
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    kept, repeated = (
        {name: value for name, value in each.headers.items() if name not in own} for each in (first, again)
    )
    assert kept == repeated


@pytest.mark.parametrize("kind", WRITES)
async def test_a_write_sent_again_is_answered_again(
    kind: str, client: AsyncClient, repeating: AsyncClient, upload: Upload
) -> None:
    await upload(name="people")
    assert (await client.patch("/datasets/people/records/2", json={"amount": 5})).status_code == 200
    first = await WRITES[kind](repeating, "people")
    assert first.status_code < 300, first.text
    before = await state(client)
    for _ in range(2):
        same(first, await WRITES[kind](repeating, "people"))
    assert await state(client) == before


@pytest.mark.parametrize("kind", WRITES)
async def test_a_key_changes_nothing_about_a_write(kind: str, make_user: MakeUser, connect: Connect) -> None:
    told = []
    for key in (None, str(uuid4())):
        user = await make_user()
        assert (await calls.raw(user.client, name="people")).status_code == 201
        assert (await user.client.patch("/datasets/people/records/2", json={"amount": 5})).status_code == 200
        caller = user.client if key is None else with_key(connect, user, key)
        answer = await WRITES[kind](caller, "people")
        told.append((answer.status_code, sorted(answer.headers), shape(answer.json()), await state(user.client)))
    assert told[0] == told[1]


async def test_a_dataset_is_brought_back_once(client: AsyncClient, repeating: AsyncClient, upload: Upload) -> None:
    made = await upload()
    assert (await client.delete("/datasets/orders")).status_code == 204
    first = await repeating.post(f"/datasets/{made['id']}/undelete")
    assert first.json() == made
    assert (await client.delete("/datasets/orders")).status_code == 204
    same(first, await repeating.post(f"/datasets/{made['id']}/undelete"))
    assert (await client.get("/datasets/orders")).status_code == 404


async def test_a_workspace_is_brought_back_once(client: AsyncClient, repeating: AsyncClient) -> None:
    made = (await client.post("/workspaces", json={"name": "new"})).json()
    assert (await client.delete("/workspaces/new")).status_code == 204
    first = await repeating.post(f"/workspaces/{made['id']}/undelete")
    assert first.status_code == 200
    same(first, await repeating.post(f"/workspaces/{made['id']}/undelete"))
    assert (await client.delete("/workspaces/new")).status_code == 204
    gone = await repeating.post(f"/workspaces/{made['id']}/undelete")
    assert (gone.status_code, gone.json()["error_code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (await client.get("/workspaces/new")).status_code == 404


async def test_an_archive_is_brought_in_once(client: AsyncClient, repeating: AsyncClient, upload: Upload) -> None:
    await upload()
    archive = (await client.get("/workspaces/ada/export")).content
    sent = {"content": archive, "headers": {"Content-Type": "application/zip"}}
    first = await repeating.post("/workspaces/import", **sent)
    assert first.status_code == 201
    same(first, await repeating.post("/workspaces/import", **sent))
    assert (await client.get("/workspaces")).json()["total"] == 2


def shape(node: Any, name: str = "") -> Any:
    """An answer without what is new each time."""
    if isinstance(node, dict):
        return {key: shape(value, key) for key, value in node.items()}
    if isinstance(node, list):
        return [shape(each) for each in node]
    return None if name in {"id", "workspace", "owner", "expires_at", "seconds"} or name.endswith("_at") else node


async def test_each_call_that_takes_the_header_says_so(anonymous: AsyncClient) -> None:
    paths = (await anonymous.get("http://sheaf.test/schema/openapi.json")).json()["paths"]
    known = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": call
        for path, methods in paths.items()
        for method, call in methods.items()
    }
    takes = {
        name
        for name, call in known.items()
        if any(each["name"] == "Idempotency-Key" for each in call.get("parameters", ()))
    }
    writes = {name for name in known if name.startswith(("POST", "PATCH"))}
    assert writes - takes == {
        "POST /users",
        "POST /users/me/keys",
        "POST /users/me/keys/rotate",
        "POST /datasets/{ref}/query",
        "POST /datasets/{ref}/export",
    }
    assert takes <= writes
    assert all({"400", "409", "422"} <= set(known[name]["responses"]) for name in takes)
