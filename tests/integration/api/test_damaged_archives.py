"""POST /workspaces/import of what is no export, or one that was changed since."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import pytest
from httpx import AsyncClient
from support.archives import bring, exported, files, packed, signed
from support.client import problem
from support.service import Upload, User

from backend.services.workspace_contents import LARGEST_LINE, LARGEST_MANIFEST, LARGEST_SCHEMA

pytestmark = [pytest.mark.anyio, pytest.mark.reads]

UUID = "01890000-0000-7000-8000-000000000000"


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.__setitem__(name, value)


def _of_the_dataset(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["datasets"][0].__setitem__(name, value)


def _twice(manifest: dict[str, Any]) -> None:
    manifest["datasets"] *= 2


def _same_files(manifest: dict[str, Any]) -> None:
    manifest["datasets"].append({**manifest["datasets"][0], "slug": "other", "name": "other"})


def _many(manifest: dict[str, Any]) -> None:
    manifest["datasets"] *= 501


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("format", "frictionless"), "its format is 'frictionless'"),
        (_set("format_version", 2), "this is version 2"),
        (_set("format_version", 0), "there is no version 0 of the format"),
        (_set("format_version", -5), "there is no version -5 of the format"),
        (_set("format_version", "1"), "Expected `int`, got `str`"),
        (_set("datasets", [{}]), "missing required field"),
        (_set("options", {"format": "xlsx"}), "only exports as csv and tsv can be imported"),
        (_set("options", {"null": "NA"}), "only exports without `null`"),
        (_set("options", {"delimiter": "a"}), "delimiter must be one ASCII character"),
        (_twice, "two datasets have the slug 'orders'"),
        (_same_files, "two datasets have the file 'datasets/orders/data.csv'"),
        (_many, "one import takes 500"),
        (_of_the_dataset("slug", "../up"), "'../up' is no slug"),
        (_of_the_dataset("slug", "Orders"), "'Orders' is no slug"),
        (_of_the_dataset("slug", UUID), f"'{UUID}' is no slug"),
        (_of_the_dataset("name", "a\u0001"), "a dataset is called"),
        (_of_the_dataset("name", "a\u0000"), "it holds the NUL character"),
        (_of_the_dataset("kind", "graph"), "of the kind 'graph'"),
        (_of_the_dataset("rows", 3), "it has 2 records; the manifest says 3"),
        (_of_the_dataset("columns", 3), "it has 2 columns; the manifest says 3"),
        (_of_the_dataset("key", "name"), "the key 'name' is no column without nulls"),
        (_of_the_dataset("keep_days", 0), "Expected `int` >= 1"),
        (lambda each: each["datasets"][0]["data"].update(file="../../etc/passwd"), "is missing from the archive"),
        (lambda each: each["datasets"][0]["data"].update(sha256="0" * 64), "has changed since the export"),
        (lambda each: each["datasets"][0]["schema"].update(bytes=1), "has changed since the export"),
    ],
)
async def test_a_manifest_that_makes_no_sense(
    client: AsyncClient, archive: bytes, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    for dry_run in ("true", "false"):
        refused = problem(await bring(client, signed(files(archive), change), dry_run=dry_run), 422)
        assert reason in refused["detail"]
    assert (await client.get("/workspaces")).json()["total"] == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it has no header"),
        (b"name,amount\r\nAnn,1\r\nBob,2", "it ends within a record"),
        (b"name,total\r\nAnn,1\r\nBob,2\r\n", "its header names other columns than its schema"),
        (b"name,amount\r\nAnn,1\r\n", "it has 1 records; the manifest says 2"),
        (b"name,amount\r\nAnn,1\r\nBob,x\r\n", "row 3, column 'amount': 'x' is not of type integer."),
        (b"name,amount\r\nAnn,1\r\nBob,02\r\n", "row 3, column 'amount': '02' is not of type integer."),
        (b"name,amount\r\nAnn,1\r\nBob,2,3\r\n", "cells than the 2 of its header"),
        (b"name,amount\r\nAnn,1\r\nBob\r\n", "cells than the 2 of its header"),
        (b'name,amount\r\nAnn,1\r\n"B"ob,2\r\n', "it is not written as an export writes it"),
        (b"name,amount\r\nAnn,1\r\nB\xe9b,2\r\n", "it is not written as an export writes it"),
        (b"name,amount\r\nAnn,1\r\nB\0b,2\r\n", "it holds the NUL character"),
    ],
)
async def test_records_that_do_not_fit(client: AsyncClient, archive: bytes, data: bytes, reason: str) -> None:
    changed = signed({**files(archive), "datasets/orders/data.csv": data})
    for dry_run in ("true", "false"):
        refused = problem(await bring(client, changed, dry_run=dry_run), 422)
        assert refused["detail"].startswith("'datasets/orders/data.csv': ")
        assert reason in refused["detail"]
    assert (await client.get("/workspaces")).json()["total"] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda columns: columns[0].update(name="amount"), "a column is named twice"),
        (lambda columns: columns[0].update(name="__id"), "a column is named twice, has no name or is called __id"),
        (lambda columns: columns[0].update(name=" "), "a column is named twice, has no name"),
        (lambda columns: columns[0].update(name="a\0"), "it holds the NUL character"),
        (lambda columns: columns[0].update(type="money"), "Invalid enum value 'money'"),
        (lambda columns: columns[1].update(format="0.00"), "column 'amount' has the format '0.00'"),
        (lambda columns: columns[1].update(type="boolean", format="YES"), "column 'amount' has the format 'YES'"),
        (lambda columns: columns[1].update(type="datetime", format="0000"), "column 'amount' has the format '0000'"),
        (lambda columns: columns[0].update(description="x" * 10_001), "Expected `str` of length <= 10000"),
        (lambda columns: columns[1].update(type="time", format="00:00:00." + "0" * 1000), "of length <= 1000"),
        (lambda columns: columns[1].update(evidence={}), "the evidence of column 'amount': Object missing"),
        (lambda columns: columns[1]["evidence"].update(min="a\0"), "it holds the NUL character"),
        (lambda columns: columns[1]["evidence"].update(min="x" * 65_536), "is longer than 65,536 bytes"),
        (lambda columns: columns.pop(), "it has 1 columns; the manifest says 2"),
    ],
)
async def test_a_schema_that_makes_no_sense(
    client: AsyncClient, archive: bytes, change: Callable[[list[dict[str, Any]]], Any], reason: str
) -> None:
    contents = files(archive)
    schema = json.loads(contents["datasets/orders/schema.json"])
    change(schema["columns"])
    contents["datasets/orders/schema.json"] = json.dumps(schema).encode()
    refused = problem(await bring(client, signed(contents)), 422)
    assert refused["detail"].startswith("'datasets/orders/schema.json': ")
    assert reason in refused["detail"]


@pytest.mark.parametrize("file", ["data.csv", "schema.json", "versions.ndjson"])
async def test_a_file_that_is_missing(client: AsyncClient, archive: bytes, file: str) -> None:
    contents = files(archive)
    del contents[f"datasets/orders/{file}"]
    refused = problem(await bring(client, packed(contents)), 422)
    assert refused["detail"] == f"'datasets/orders/{file}' is missing from the archive."


@pytest.mark.parametrize(
    ("file", "most"), [("manifest.json", LARGEST_MANIFEST), ("datasets/orders/schema.json", LARGEST_SCHEMA)]
)
async def test_what_is_held_in_memory_is_small(client: AsyncClient, archive: bytes, file: str, most: int) -> None:
    """Up to its limit such a file is read, whatever is in it."""
    contents = files(archive)
    told = contents[file].rstrip().removesuffix(b"}") + b', "more": "'
    room = most - len(told) - len('"}')
    filled = told + rb"\\" * (room // 2) + b"x" * (room % 2) + b'"}'
    for data, status in ((filled, 200), (filled + b" ", 422)):
        assert len(data) == most + (status == 422)
        changed = {**contents, file: data}
        sent = packed(changed) if file == "manifest.json" else signed(changed)
        answer = await bring(client, sent, dry_run="true")
        assert answer.status_code == status, answer.text[:500]
    assert f"is larger than the {most:,} bytes" in problem(answer, 422)["detail"]


@pytest.mark.parametrize("body", [b"", b"a,b\n1,2\n", b"PK\x05\x06" + bytes(18), packed({"a.csv": b"a\n1\n"})])
async def test_what_is_no_export(client: AsyncClient, body: bytes) -> None:
    assert problem(await bring(client, body), 422)["error_code"] == "UNREADABLE_FILE"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{" + b'"a": {' * 100_000, "it is nested too deep to be read"),
        (b'{"format": "\\ud800"}', "it is no JSON: it is cut off or a bracket is missing"),
        (b'{"format":\n "\\ud800", "more": 1}', "line 2, character 9: a lone surrogate is no character"),
        (b'{"format":\n "\\udc00", "more": 1}', "line 2, character 9: a lone surrogate is no character"),
        (b'{"format": x}', "line 1, character 12: invalid character"),
        (b'{"format": "\xff"}', "it is not UTF-8"),
        (b"", "it is no JSON: it is cut off or a bracket is missing"),
    ],
)
async def test_a_manifest_that_is_no_json(client: AsyncClient, archive: bytes, body: bytes, reason: str) -> None:
    refused = problem(await bring(client, packed({**files(archive), "manifest.json": body})), 422)
    assert refused["detail"] == f"'manifest.json': {reason}."


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it tells of no version"),
        (b"no JSON\n", "line 1: "),
        (b"{}\n[]\n", "line 2: Expected `object`, got `array`"),
        (b"{}\n\n{}\n", "line 2: it is no JSON"),
        (b'{"a": ' * 100_000, "line 1: it is nested too deep to be read"),
        (b'{"a": "' + b"x" * LARGEST_LINE + b'"}', f"has a line longer than {LARGEST_LINE:,} bytes"),
    ],
)
async def test_versions_that_are_no_lines_of_objects(
    client: AsyncClient, archive: bytes, body: bytes, reason: str
) -> None:
    refused = problem(await bring(client, signed({**files(archive), "datasets/orders/versions.ndjson": body})), 422)
    assert refused["detail"].startswith("'datasets/orders/versions.ndjson'")
    assert reason in refused["detail"]


@pytest.mark.parametrize("name", ["manifest.json", "datasets/orders/data.csv", "notes.txt"])
async def test_two_files_of_one_name(client: AsyncClient, archive: bytes, name: str) -> None:
    contents = {"notes.txt": b"x", **files(archive)}
    out = io.BytesIO(packed(contents))
    with pytest.warns(UserWarning, match="Duplicate name"), ZipFile(out, "a") as changed:
        changed.writestr(name, contents[name])
    refused = problem(await bring(client, out.getvalue()), 422)
    assert refused["detail"] == f"'{name}' is in the archive twice."


async def test_no_byte_may_be_another(client: AsyncClient, archive: bytes) -> None:
    """Wherever one is, the archive is refused, or it is none that anybody looks at."""
    for at in range(0, len(archive), 97):
        damaged = bytearray(archive)
        damaged[at] ^= 0x5A
        answer = await bring(client, bytes(damaged), dry_run="true")
        if answer.status_code == 200:
            continue
        assert problem(answer, 422)["error_code"] in {"UNREADABLE_FILE", "INVALID_NAME"}
    for end in range(0, len(archive), 97):
        problem(await bring(client, archive[:end], dry_run="true"), 422)


@pytest.mark.writes
async def test_a_key_that_is_there_twice(user: User, upload: Upload) -> None:
    made = await upload()
    assert (await user.client.patch(f"/datasets/{made['id']}", json={"key": "name"})).status_code == 200
    contents = files(await exported(user.client, user.workspace["id"]))
    contents["datasets/orders/data.csv"] = b"name,amount\r\nAnn,1\r\nAnn,2\r\n"
    refused = problem(await bring(user.client, signed(contents)), 422)
    assert "'Ann'" in refused["detail"]
    contents["datasets/orders/data.csv"] = b"name,amount\r\nAnn,1\r\n,2\r\n"
    assert "there is no value" in problem(await bring(user.client, signed(contents)), 422)["detail"]
