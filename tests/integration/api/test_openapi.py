"""The OpenAPI document is valid and whole, and the service does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from httpx import AsyncClient
from support.endpoints import document
from support.server import Server

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
GET /exports
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
SUPPORT = Path(__file__).parents[2] / "support"


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

    def test_a_union_is_any_of_its_members(self) -> None:
        """An answer that fits two of them would break `oneOf`."""
        assert "oneOf" not in str(DOCUMENT)

    def test_each_failure_is_a_problem(self) -> None:
        for method, path, operation in operations():
            for status, response in operation["responses"].items():
                if status >= "4":
                    assert list(response["content"]) == ["application/problem+json"], (method, path, status)
            if path.startswith("/api"):
                assert {"400", "401", "429", "431", "503"} <= set(operation["responses"])

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


@pytest.mark.skipif(sys.platform != "linux", reason="the service is found in /proc")
def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    """Every operation, right and wrong, alone and one after another, and every check there is.

    `FUZZ_MINUTES` goes on for as long; `./scripts/fuzz api` sets it, and `FUZZ_SEED`, which repeats a run.
    """
    minutes, seed = float(os.environ.get("FUZZ_MINUTES", "0")), os.environ.get("FUZZ_SEED", "1")
    phases = ["--phases", "coverage,fuzzing,stateful" if minutes else "fuzzing,stateful"]
    longer = ["--max-time", f"{60 * minutes:.0f}", "--max-examples", "100"] if minutes else []
    ended = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", SUPPORT / "contract.toml", "--no-color"),
            *("run", f"{server.base}/schema/openapi.json", "--checks", "all", "--seed", seed, *longer),
            *(*phases, "--continue-on-failure", "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "CONTRACT_BASE": server.base,
            "SCHEMATHESIS_HOOKS": "support.contract",
            "PYTHONPATH": str(SUPPORT.parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write(ended.stdout)
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"
    assert f"{len(OPERATIONS)} selected / {len(OPERATIONS)} total" in ended.stdout
    assert "❌" not in ended.stdout


@pytest.mark.anyio
async def test_options_tells_every_method(client: AsyncClient) -> None:
    answer = await client.options(f"{HOST}/api/v1/workspaces")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, OPTIONS, POST")


@pytest.mark.parametrize("name", _TAKE_A_WORKSPACE)
def test_a_workspace_that_may_be_several_is_documented(name: str) -> None:
    method, path = name.split(" ")
    assert "409" in DOCUMENT["paths"][path][method.lower()]["responses"]
