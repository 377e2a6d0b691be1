"""Keys and cells stay out of the log of the real service, at its most talkative, and out of the errors of others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.client import Client
from support.program import Program
from support.ready import copy_ready
from support.waiting import until

CELL = "Zwiebelturm"
"""Is in each cell and in each value that is sent, good or bad."""
KEY = "sheaf_never-issued-but-well-formed"
CSV = {"Content-Type": "text/csv"}
ROWS = f"sku,amount,name\n{CELL}-1,1,{CELL} Ann\n{CELL}-2,2,{CELL} Bob\n"
UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "data"
    copy_ready(folder)
    return folder


@pytest.fixture(scope="module")
def program(data: Path) -> Iterator[Program]:
    settings = {"SHEAF_LOG_LEVEL": "debug", "SHEAF_REGISTRATION": "open"}
    with Program("--data", data, environment=settings) as running:
        yield running


class Calls:
    """What was called: each answer, and each key that there was."""

    def __init__(self, owner: Client, stranger: Client) -> None:
        self.owner, self.stranger = owner, stranger
        self.keys, self.answers = [KEY, owner.key, stranger.key], list[httpx.Response]()
        self.shared = ""

    def call(self, client: Client, method: str, path: str, **more: Any) -> httpx.Response:
        self.answers.append(client.http.request(method, path, **more))
        return self.answers[-1]

    @property
    def errors(self) -> Sequence[httpx.Response]:
        return [answer for answer in self.answers if answer.status_code >= 400]


@pytest.fixture(scope="module")
def told(program: Program) -> Iterator[Calls]:
    with Client.register(program.address) as owner, Client.register(program.address) as stranger:
        told = Calls(owner, stranger)
        for client in (owner, stranger):
            _read_and_write(told, client)
            _upload(told, client)
        _try_keys(told)
        yield told


def _read_and_write(told: Calls, client: Client) -> None:
    """The main calls, right and wrong; to the stranger all of it is 404."""
    if client is told.owner:
        made = told.call(client, "POST", "/datasets?name=shared", content=ROWS, headers=CSV).json()["dataset"]
        told.shared = f"/datasets/{made['id']}"
        told.call(client, "PATCH", told.shared, json={"key": "sku"})
    at, records = told.shared, f"{told.shared}/records"
    for path in ("", "/schema", "/records", "/records/stream", "/records/1", "/versions", "/diff", "/export"):
        told.call(client, "GET", f"{at}{path}")
    for question in (
        f"name={CELL}",
        f"q={CELL}",
        f"amount={CELL}",
        f"{CELL}=1",
        f"name=regex:{CELL}(",
        f"cursor={CELL}",
    ):
        told.call(client, "GET", f"{records}?{question}")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        for key in (f"{CELL}-2", f"{CELL}/%2F{CELL}", "x"):
            body = {} if method in {"GET", "DELETE"} else {"json": {"name": CELL, "amount": CELL}}
            told.call(client, method, f"{records}/by-key/{key}", **body)
    for body in (
        {"sku": f"{CELL}-1", "amount": 3},
        {"sku": f"{CELL}-9", "amount": CELL},
        {CELL: CELL},
        [{"sku": CELL}, {"sku": CELL}],
        [{"sku": CELL, "name": CELL + "\0"}],
        {"sku": CELL * 1000},
    ):
        told.call(client, "POST", records, json=body)
        told.call(client, "PUT", f"{records}?key=sku", json=[body] if isinstance(body, dict) else body)
    told.call(client, "PATCH", f"{records}/1", json={"sku": f"{CELL}-2"}, headers={"If-Match": f'"{CELL}"'})
    told.call(client, "POST", "/datasets", json={"name": "shared"})
    told.call(client, "POST", "/datasets", json={"name": "shared"})
    told.call(client, "POST", records, content=f'{{"sku": "{CELL}', headers={"Content-Type": "application/json"})
    told.call(client, "PATCH", records, json={"where": {"name": {"no": CELL}}, "set": {"amount": CELL}})
    told.call(client, "POST", f"{at}/query", json={"filters": {"name": {"regex": f"{CELL}["}}})
    told.call(client, "GET", f"/no/such/path/{CELL}")


def _try_keys(told: Calls) -> None:
    for body in ({"name": "more"}, {"name": "reads", "scope": "read"}):
        told.keys.append(told.call(told.owner, "POST", "/users/me/keys", json=body).json()["api_key"])
    told.keys.append(told.call(told.stranger, "POST", "/users/me/keys/rotate").json()["api_key"])
    for key in (KEY, told.stranger.key, told.owner.key + "x", "é"):
        for headers in ({"X-API-Key": key.encode()}, {"Authorization": f"Bearer {key}".encode()}):
            told.call(told.owner, "GET", "/users/me", headers={"X-API-Key": "", **headers})
    told.call(told.owner, "GET", f"/datasets?api_key={told.owner.key}")
    told.call(told.owner, "POST", "/users", content=f'{{"name": "{told.owner.key}')


def _upload(told: Calls, client: Client) -> None:
    """Files that cannot be read, and cells that do not fit."""
    types = {"types": json.dumps({"name": "integer"})}
    for content, media_type in (
        (ROWS + f'"{CELL}', "text/csv"),
        (f'[{{"a": "{CELL}"', "application/json"),
        (f'{{"a": "{CELL}"}}\n{{{CELL}', "application/x-ndjson"),
        (f"PK\3\4{CELL}", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (f"PAR1{CELL}PAR1", "application/vnd.apache.parquet"),
    ):
        told.call(client, "POST", "/datasets", content=content, headers={"Content-Type": media_type})
    for more in ({}, {"on_error": "reject"}, {"dry_run": "true"}):
        told.call(client, "POST", "/datasets", params={**types, **more}, content=ROWS, headers=CSV)
    for mode in ("append", "upsert&key=sku", "sync&key=name"):
        told.call(client, "POST", f"{told.shared}/imports?mode={mode}", content=ROWS + ROWS[16:], headers=CSV)
    waiting = {**CSV, "Prefer": "respond-async"}
    told.call(client, "POST", "/datasets?name=later", params=types, content=ROWS, headers=waiting)


def test_the_calls_were_answered_well_and_badly(told: Calls) -> None:
    statuses = {answer.status_code for answer in told.answers}
    assert {200, 201, 202, 204, 400, 401, 404, 409, 422} <= statuses
    assert not {status for status in statuses if status >= 500}


def test_the_log_holds_no_key_and_no_cell(told: Calls, program: Program) -> None:
    until(lambda: not _waiting(told.owner), "the imports end")
    assert program.output.count('"event":"request"') >= len(told.answers)
    for secret in (CELL, *told.keys):
        assert secret not in program.output


def _waiting(client: Client) -> bool:
    return any(each["state"] in {"queued", "running"} for each in client.http.get("/imports").json()["data"])


def test_the_databases_log_holds_none_either(told: Calls, program: Program, data: Path) -> None:
    logs = [path.read_text(errors="replace") for path in data.rglob("*.log")]
    assert logs
    assert told.answers
    for secret in (CELL, *told.keys, program.key):
        assert not any(secret in log for log in logs)


def test_no_error_holds_a_key(told: Calls) -> None:
    for answer in told.errors:
        asked = answer.request.url.query.decode() + answer.request.content.decode(errors="replace")
        for key in told.keys:
            assert key not in answer.text or key in asked, answer.text


def test_no_error_holds_a_cell_that_its_caller_did_not_send(told: Calls) -> None:
    refused = [answer for answer in told.errors if answer.request.headers["x-api-key"] == told.stranger.key]
    assert refused
    for answer in refused:
        asked = str(answer.request.url) + answer.request.content.decode(errors="replace")
        assert CELL not in answer.text or CELL in asked, answer.text
