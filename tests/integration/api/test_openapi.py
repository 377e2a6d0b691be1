"""The OpenAPI document is valid and whole, and no call that it describes meets what it does not."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from httpx import AsyncClient, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.endpoints import document
from support.service import Upload, User

HOST = "http://sheaf.test"
CONTRACT = """
POST /users
GET /users/me
GET /limits
GET /users/me/keys
POST /users/me/keys
DELETE /users/me/keys/{key_id}
POST /users/me/keys/rotate
GET /workspaces
POST /workspaces
GET /workspaces/{workspace}
PATCH /workspaces/{workspace}
DELETE /workspaces/{workspace}
POST /workspaces/{workspace}/undelete
PUT /workspaces/{workspace}/default
GET /workspaces/{workspace}/members
PUT /workspaces/{workspace}/members/{user}
DELETE /workspaces/{workspace}/members/{user}
POST /datasets
GET /datasets
GET /datasets/{ref}
PATCH /datasets/{ref}
DELETE /datasets/{ref}
POST /datasets/{ref}/undelete
POST /datasets/{ref}/imports
GET /imports
GET /imports/{import_id}
GET /imports/{import_id}/events
GET /imports/{import_id}/rejected
DELETE /imports/{import_id}
POST /uploads
GET /uploads/{upload_id}
DELETE /uploads/{upload_id}
GET /datasets/{ref}/schema
GET /datasets/{ref}/records
GET /datasets/{ref}/records/stream
GET /datasets/{ref}/records/count
GET /datasets/{ref}/records/{record_id}
GET /datasets/{ref}/records/{record_id}/history
POST /datasets/{ref}/records
PATCH /datasets/{ref}/records
DELETE /datasets/{ref}/records
PUT /datasets/{ref}/records
GET /datasets/{ref}/records/by-key/{key}
PATCH /datasets/{ref}/records/by-key/{key}
PUT /datasets/{ref}/records/by-key/{key}
DELETE /datasets/{ref}/records/by-key/{key}
PATCH /datasets/{ref}/records/{record_id}
PUT /datasets/{ref}/records/{record_id}
DELETE /datasets/{ref}/records/{record_id}
POST /datasets/{ref}/query
GET /datasets/{ref}/export
POST /datasets/{ref}/export
GET /exports/{export_id}
GET /exports/{export_id}/file
DELETE /exports/{export_id}
GET /datasets/{ref}/versions
GET /datasets/{ref}/versions/{version}
GET /datasets/{ref}/diff
POST /datasets/{ref}/restore
GET /workspaces/{workspace}/export
POST /workspaces/import
PUT /datasets/{ref}/versions/{version}/tag
DELETE /datasets/{ref}/versions/{version}/tag
"""


DOCUMENT = document()
_TAKE_A_WORKSPACE = [
    f"{method.upper()} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method, told in item.items()
    if any(each["name"] == "workspace" for each in told.get("parameters", ()))
]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
CALLED = [each for each in OPERATIONS if not each.path.endswith("/rotate")]
"""Not the one that takes the caller's key away."""


def operations() -> list[tuple[str, str, Any]]:
    return [
        (method.upper(), path, operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    ]


class TestDocument:
    def test_is_valid(self) -> None:
        assert DOCUMENT["openapi"].startswith("3.1")
        SCHEMA.validate()

    def test_has_every_call_of_the_contract(self) -> None:
        documented = {f"{method} {path.removeprefix('/api/v1')}" for method, path, _ in operations()}
        assert set(CONTRACT.split("\n")) - {""} <= documented
        assert {"GET /health/live", "GET /health/ready"} <= documented

    def test_a_call_is_summed_up_by_what_its_handler_says(self) -> None:
        summaries = {f"{method} {path}": operation["summary"] for method, path, operation in operations()}
        assert summaries["GET /api/v1/datasets"] == "The caller's datasets in one workspace"
        assert all(" " in summary for summary in summaries.values()), summaries

    def test_each_failure_is_a_problem(self) -> None:
        for method, path, operation in operations():
            for status, response in operation["responses"].items():
                if status >= "4":
                    assert list(response["content"]) == ["application/problem+json"], (method, path, status)
            if path.startswith("/api"):
                assert {"400", "401", "503"} <= set(operation["responses"])

    def test_whatever_takes_a_body_says_so(self) -> None:
        without = {
            f"/api/v1/{path}"
            for path in (
                "users/me/keys/rotate",
                "datasets/{ref}/undelete",
                "workspaces/{workspace}/undelete",
                "workspaces/{workspace}/default",
            )
        }
        for method, path, operation in operations():
            if method in {"POST", "PUT", "PATCH"}:
                assert ("requestBody" in operation) == (path not in without), (method, path)

    @pytest.mark.anyio
    async def test_the_browsable_page(self, anonymous: AsyncClient) -> None:
        answer = await anonymous.get(f"{HOST}/schema")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        parts = re.findall(r"""(?:src|href)=["']([^"']*)""", answer.text)
        assert {part.partition(":")[0] for part in parts if not part.startswith("/")} <= {"data"}
        types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
        needed = [part for part in parts if part.startswith("/")]
        assert len(needed) == 3
        for path in needed:
            part = await anonymous.get(f"{HOST}{path}")
            assert (part.status_code, part.headers["content-type"]) == (200, types[path.rpartition(".")[2]])
            assert len(part.content) > 100_000


@st.composite
def calls(draw: st.DrawFn) -> tuple[schemathesis.Case, bool]:
    """A call, right or wrong, and whether it is to be about the dataset that is there."""
    operation = draw(st.sampled_from(CALLED))
    mode = draw(st.sampled_from(list(schemathesis.GenerationMode)))
    return draw(operation.as_strategy(generation_mode=mode)), draw(st.sampled_from([True, True, False]))


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # another thread does, the pool of connections
@pytest.mark.anyio
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls())
async def test_no_call_meets_a_status_that_is_not_documented(
    user: User, upload: Upload, call: tuple[schemathesis.Case, bool]
) -> None:
    case, about_ours = call
    listed = (await user.client.get("/datasets")).json()["data"]
    ours = listed[0] if listed else await upload("name,amount,day\nAnn,1,2025-01-31\nBob,2.50,\n")
    workspace = (await user.client.get("/workspaces")).json()["data"][0]["id"]
    things = {"ref": ours["id"], "record_id": 1, "version": 1, "workspace": workspace, "user": "me"}
    known = things if about_ours else {}
    case.path_parameters = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
    answer = await send(user, case)
    assert answer.status_code < 500, answer.text
    allowed = {*case.operation.definition.raw["responses"], *(() if case.method == case.operation.method else ("405",))}
    assert str(answer.status_code) in allowed, (case, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


async def send(user: User, case: schemathesis.Case) -> Response:
    told = case.as_transport_kwargs(base_url=HOST)
    headers = {
        name: value.encode("utf-8", "surrogateescape")
        for name, value in told.pop("headers").items()
        if name.lower() not in {"authorization", "x-api-key", "content-length", "transfer-encoding"}
    }
    told.pop("cookies", None)
    body = told.pop("data", None)
    content = body.encode() if isinstance(body, str) else body
    if content is not None:
        told["content"] = content
    return await user.client.request(headers={**headers, "X-API-Key": user.key}, **told)


@pytest.mark.parametrize("name", _TAKE_A_WORKSPACE)
def test_a_workspace_that_may_be_several_is_documented(name: str) -> None:
    method, path = name.split(" ")
    assert "409" in DOCUMENT["paths"][path][method.lower()]["responses"]
