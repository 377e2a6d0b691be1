"""The same records as an array and as lines that are copied: the same is stored, or the same refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from support.service import ADDRESS, exact

from backend.errors import AppError
from backend.readers.base import ReadLimits
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.services.record_streams import RecordStreams, Short
from backend.services.record_writes import RecordWriteService
from backend.services.small_writes import SmallWrites
from backend.services.uploads import UploadFolder
from backend.services.users import UserService
from backend.services.writing import Writers

pytestmark = pytest.mark.anyio

KINDS = ["integer", "number", "boolean", "text", "date", "datetime", "time", "json"]
COLUMNS = [{"name": kind, "type": kind, "nullable": kind != "integer"} for kind in KINDS]
NUMBERS = [
    "0",
    "-0",
    "7",
    "-12",
    "0.10",
    "1e5",
    "0.0e9999",
    "1e-9999",
    "1E400",
    "12345678901234567890",
    "00",
    "1" * 400,
]
WORDS = ["", "a", "null", "é", "\u0000", "😀", '"\\', "\t", "1e9999", "2025-01-31", "2025-02-29", "2024-02-29"]
MOMENTS = [
    "2025-01-31T10:20:30Z", "2025-01-31 10:20:30", "2025-01-31T10:20:30+02:00", "2025-01-31T10:20:30.5Z", "10:20:30",
    "10:20", "24:00:00", "0001-01-01T00:00:00Z", "2025-13-01T00:00:00Z", "2025-01-31T23:59:60Z", "9999-12-31",
]  # fmt: skip
SCALARS = st.sampled_from([*NUMBERS, "true", "false", "null"]) | st.sampled_from([*WORDS, *MOMENTS]).flatmap(
    lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
)
VALUES = (
    SCALARS | st.lists(SCALARS, max_size=2).map(lambda each: f"[{', '.join(each)}]") | SCALARS.map('{{"k": {}}}'.format)
)
FITTING = {
    "integer": st.sampled_from(["0", "-0", "7", "12345678901234567890"]),
    "number": st.sampled_from(["0.0", "0.10", "1e5", "-3", "null"]),
    "boolean": st.sampled_from(["true", "false", "null"]),
    "text": st.sampled_from(WORDS[:4]).map(json.dumps),
    "date": st.sampled_from(['"2025-01-31"', '"2024-02-29"', "null"]),
    "datetime": st.sampled_from(['"2025-01-31T10:20:30Z"', '"2025-01-31T10:20:30+02:00"', "null"]),
    "time": st.sampled_from(['"10:20:30"', '"10:20"', "null"]),
    "json": st.sampled_from(['{"a": [null, 0.10]}', "null", '"x"', "[1e5]", "12345678901234567890"]),
}


class Both(Struct):
    """`client` sends arrays, `streams` copies whatever comes."""

    client: AsyncClient
    streams: RecordStreams
    caller: Caller

    async def array(self, ref: str, records: list[str]) -> tuple[str, list[dict[str, Any]]]:
        body = f"[{','.join(records)}]".encode()
        answer = await self.client.post(f"/datasets/{ref}/records", content=body)
        return ("", []) if answer.status_code == 201 else (answer.json()["error_code"], answer.json().get("errors", []))

    async def lines(self, ref: str, records: list[str]) -> tuple[str, list[dict[str, Any]]]:
        with self.streams.folder.open() as upload:
            await upload.write("\n".join(records).encode())
            await upload.finish()
            try:
                await self.streams.append(self.caller, ref, None, upload, if_match=None, dry_run=False)
            except AppError as error:
                return error.code(), list(msgspec.to_builtins(error.errors))
        return "", []


@pytest.fixture(scope="module")
async def both(
    service: ASGITransport, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Both]:
    database = await Database(postgres_url, size=3, bulk_size=1, prepare=True).open()
    limits = ReadLimits(max_columns=1000)
    writers, folder = Writers(database), UploadFolder(tmp_path_factory.mktemp("spool"), 1 << 30, 1 << 20)
    writes = RecordWriteService(writers, SmallWrites(database, limits=limits), limits=limits)
    streams = RecordStreams(database, writers, writes, folder, limits, short=Short(0, -1))
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        key = (await client.post("/users", json={"name": "Ada"})).json()["api_key"]
        client.headers["X-API-Key"] = key
        await client.post("/datasets", json={"name": "first"})
        caller = await UserService(database, registration_open=False).identify(key)
        assert caller is not None
        yield Both(client, streams, caller)
    await database.close()


@st.composite
def records(draw: st.DrawFn, names: list[str]) -> list[str]:
    """Records as JSON text: most of them fit, some have a member twice."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        fits = draw(st.integers(0, 3)) > 0
        members = draw(st.lists(st.sampled_from(names), max_size=6, unique=fits))
        members = ["integer", *members] if fits and "integer" not in members else members
        values = [draw(FITTING.get(name, VALUES) if fits else VALUES) for name in members]
        space = draw(st.sampled_from(["", " "]))
        pairs = [f"{json.dumps(name)}:{space}{value}" for name, value in zip(members, values, strict=True)]
        found.append("{" + f",{space}".join(pairs) + "}")
    return found


async def compare(both: Both, items: list[str], columns: list[dict[str, Any]] | None) -> None:
    """Make two datasets, fill one by each way, and see that nobody could tell them apart."""
    refs = [str(uuid4()), str(uuid4())]
    members = {} if columns is None else {"columns": columns}
    made = [(await both.client.post("/datasets", json={"name": ref, **members})).json()["id"] for ref in refs]
    array, lines = await both.array(made[0], items), await both.lines(made[1], items)
    if array[0] == "BAD_REQUEST":  # bad JSON spoils the whole array, but only its own line
        assert lines[0] == "INVALID_RECORD"
    else:
        assert array == lines
    seen = []
    for ref in made:
        page = exact(await both.client.get(f"/datasets/{ref}/records"))
        schema = (await both.client.get(f"/datasets/{ref}/schema")).json()["columns"]
        described = [(column["name"], column["type"]) for column in schema]
        seen.append((page["data"], page["version"], described))
        await both.client.delete(f"/datasets/{ref}")
    assert seen[0] == seen[1]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=records([*KINDS, "other"]))
async def test_with_a_schema(both: Both, items: list[str]) -> None:
    await compare(both, items, COLUMNS)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=records(["a", "b", "é", "integer", "date"]))
async def test_without_a_schema(both: Both, items: list[str]) -> None:
    await compare(both, items, None)
