"""Any workspace → export → import → export: the same files to the byte, and a manifest that tells the same."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any
from zipfile import ZipFile

import pytest
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.service import ADDRESS

pytestmark = pytest.mark.anyio

OTHERS = {"id", "version", "created_at", "author", "operation", "note", "tag", "versions"}
"""What a manifest tells of a dataset and cannot tell of its copy."""
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
AWKWARD = st.text(st.sampled_from(" \t\r\n\",;|'\\=+-@#\x01a1\u00a0\u2028\ufeff😀é"), max_size=6)
WORDS = st.sampled_from(["", "NA", "null", "\\.", "\\N", "0", "007", "1e5", "true", "2025-01-31", "{}", "'=x", '"'])
TEXTS = TEXT | AWKWARD | WORDS
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=40) | st.decimals(-1000, 1000, places=2)
JSON = st.recursive(
    TEXTS | st.booleans() | st.integers(),
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(TEXTS, inner | st.none(), max_size=3),
    max_leaves=5,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "integer": st.integers(-(10**40), 10**40),
    "number": NUMBERS,
    "boolean": st.booleans(),
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z"),
    "time": st.times().map(lambda clock: clock.replace(microsecond=0).isoformat()),
    "json": JSON,
}
NAMES = (
    (TEXTS | st.sampled_from(["a", "b", "__row", "datasets", "limit"]))
    .map(str.strip)
    .filter(lambda name: bool(name) and name != "__id")
)


def as_json(value: Any) -> str:
    """JSON with each digit of its numbers."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{as_json(each)}" for name, each in value.items()) + "}"
    return "[" + ",".join(map(as_json, value)) + "]" if isinstance(value, list) else json.dumps(value)


class Table:
    """A dataset to be: `columns` is None for one without a schema; `about` is what a PATCH sets."""

    def __init__(self, columns: list[dict[str, Any]] | None, records: list[dict[str, Any]], about: dict[str, Any]):
        self.columns, self.records, self.about = columns, records, about

    def __repr__(self) -> str:
        return f"Table({self.columns!r}, {self.records!r}, {self.about!r})"


@st.composite
def tables(draw: st.DrawFn) -> Table:
    about = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "description": TEXTS,
                "keep_versions": st.integers(1, 2**31 - 1),
                "keep_days": st.integers(1, 36_500),
            },
        )
    )
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    if draw(st.booleans()):
        items = st.dictionaries(st.sampled_from(names), st.none() | JSON) if names else st.just({})
        return Table(None, draw(st.lists(items, max_size=5)), about)
    columns = [
        {"name": name, "type": draw(st.sampled_from(sorted(VALUES))), "description": draw(st.none() | TEXTS)}
        for name in names
    ]
    cells = {each["name"]: st.none() | VALUES[each["type"]] for each in columns}
    records = draw(st.lists(st.fixed_dictionaries({}, optional=cells), max_size=6)) if columns else []
    if columns and draw(st.booleans()):
        name, kind = columns[0]["name"], columns[0]["type"]
        keys = draw(st.lists(VALUES[kind], unique_by=str, min_size=len(records), max_size=len(records)))
        if kind in {"text", "integer", "date"}:
            about["key"] = name
            records = [{**record, name: key} for record, key in zip(records, keys, strict=True)]
    return Table(columns, records, about)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["csv", "tsv"]),
        "delimiter": st.sampled_from([",", ";", "|", "tab", " ", "~"]),
        "newline": st.sampled_from(["crlf", "lf"]),
        "bom": st.sampled_from(["true", "false"]),
        "escape_formulas": st.sampled_from(["true", "false"]),
        "ids": st.sampled_from(["true", "false"]),
    },
)


async def made(client: AsyncClient, workspace: str, tables: list[Table]) -> None:
    """Fills a workspace with these datasets."""
    for number, table in enumerate(tables):
        body = {"name": f"dataset {number}"} | ({} if table.columns is None else {"columns": table.columns})
        created = await client.post("/datasets", params={"workspace": workspace}, json=body)
        assert created.status_code == 201, created.text
        path = f"/datasets/{created.json()['id']}"
        if table.records:
            body = as_json(table.records)
            written = await client.post(f"{path}/records", content=body, headers={"Content-Type": "application/json"})
            assert written.status_code == 201, written.text
        if table.about:
            changed = await client.patch(path, json=table.about)
            assert changed.status_code in {200, 422}, changed.text


async def exported(client: AsyncClient, workspace: str, options: dict[str, str]) -> bytes:
    answer = await client.get(f"/workspaces/{workspace}/export", params=options)
    assert answer.status_code == 200, answer.text
    return answer.content


def told(archive: bytes) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The files of data and schemas, and what the manifest says that does not have to differ."""
    with ZipFile(io.BytesIO(archive)) as opened:
        files = {name: opened.read(name) for name in opened.namelist() if not name.endswith("versions.ndjson")}
    datasets = json.loads(files.pop("manifest.json"))["datasets"]
    return files, [{name: each[name] for name in each.keys() - OTHERS} for each in datasets]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=st.lists(tables(), max_size=5), options=OPTIONS)
@example(tables=[Table(None, [{}, {}], {})], options={"escape_formulas": "true"})
@example(tables=[Table([{"name": "\ufeff", "type": "text"}], [{"\ufeff": "\ufeff"}], {})], options={})
async def test_a_workspace_comes_back_as_it_went(
    service: ASGITransport, tables: list[Table], options: dict[str, str]
) -> None:
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        registered = (await client.post("/users", json={"name": "Ada"})).json()
        client.headers["X-API-Key"] = registered["api_key"]
        workspace = registered["workspace"]["id"]
        await made(client, workspace, tables)
        archive = await exported(client, workspace, options)
        answer = await client.post("/workspaces/import", content=archive, headers={"Content-Type": "application/zip"})
        assert answer.status_code == 201, answer.text
        again = answer.json()
        assert again["rows"] == sum(len(table.records) for table in tables)
        assert told(await exported(client, again["workspace"]["id"], options)) == told(archive)
