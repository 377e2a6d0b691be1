"""POST /workspaces/import: an exported workspace comes back as a new one, or nothing does."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from support.client import problem
from support.service import ADDRESS, MakeUser, Upload, User, running

from backend.app import create_app
from backend.settings import Settings

pytestmark = pytest.mark.anyio

ZIP = {"Content-Type": "application/zip"}


async def exported(client: AsyncClient, workspace: str, **options: str) -> bytes:
    answer = await client.get(f"/workspaces/{workspace}/export", params=options)
    assert answer.status_code == 200, answer.text
    return answer.content


def files(archive: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return out.getvalue()


def signed(contents: dict[str, bytes], change: Callable[[dict[str, Any]], None] = lambda _: None) -> bytes:
    """An archive whose manifest, once changed, is right about all files."""
    manifest = json.loads(contents["manifest.json"])
    for dataset in manifest["datasets"]:
        for kind in ("data", "schema", "versions"):
            if (content := contents.get(dataset[kind]["file"])) is not None:
                dataset[kind] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(manifest)
    return packed({**contents, "manifest.json": json.dumps(manifest).encode()})


def compared(archive: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Data and schemas, and the manifest without what has to differ."""
    found = files(archive)
    manifest = json.loads(found.pop("manifest.json"))
    workspace = {name: manifest["workspace"][name] for name in ("name", "description")}
    left = {"id", "version", "created_at", "author", "operation", "note", "tag", "versions"}
    datasets = [{name: each[name] for name in each.keys() - left} for each in manifest["datasets"]]
    kept = {name: data for name, data in found.items() if not name.endswith("versions.ndjson")}
    return kept, {"options": manifest["options"], "workspace": workspace, "datasets": datasets}


async def bring(client: AsyncClient, archive: bytes, **params: str) -> Response:
    return await client.post("/workspaces/import", params=params, content=archive, headers=ZIP)


async def workspaces(client: AsyncClient) -> list[str]:
    return [each["slug"] for each in (await client.get("/workspaces")).json()["data"]]


@pytest.fixture
async def archive(user: User, upload: Upload) -> bytes:
    """Of a workspace with one dataset, `orders`."""
    await upload()
    return await exported(user.client, user.workspace["id"])


async def test_a_key_that_reads_may_not_import(reader: AsyncClient, archive: bytes) -> None:
    assert problem(await bring(reader, archive), 403)["error_code"] == "FORBIDDEN"


async def test_somebody_else_brings_it_in(user: User, make_user: MakeUser, archive: bytes) -> None:
    other = await make_user("Bob")
    answer = await bring(other.client, archive)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    workspace = told["workspace"]
    assert answer.headers["location"] == f"/api/v1/workspaces/{workspace['id']}"
    assert answer.headers["etag"] == (await other.client.get(answer.headers["location"][7:])).headers["etag"]
    assert (workspace["slug"], workspace["role"], workspace["is_default"]) == (user.workspace["slug"], "owner", False)
    (orders,) = told["datasets"]
    assert (orders["slug"], orders["rows"], orders["columns"], told["rows"]) == ("orders", 2, 2, 2)
    assert orders["origin"]["workspace"] == user.workspace["id"]
    version = (await other.client.get(f"/datasets/{orders['id']}/versions/1")).json()
    assert (version["operation"], version["added"], version["author"]) == ("import", 2, other.id)
    assert version["source"]["origin"] == orders["origin"]
    assert compared(await exported(other.client, workspace["id"])) == compared(archive)
    assert (await user.client.get(f"/datasets/{orders['id']}")).status_code == 404


async def test_as_a_form_under_another_name(client: AsyncClient, archive: bytes) -> None:
    form = {"name": "A copy", "slug": "copied"}
    answer = await client.post("/workspaces/import", data=form, files={"file": ("x.zip", archive, "application/zip")})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["workspace"]["name"], answer.json()["workspace"]["slug"]) == ("A copy", "copied")
    again = await bring(client, archive, slug="copied")
    assert problem(again, 409)["error_code"] == "WORKSPACE_SLUG_TAKEN"


async def test_twice_it_gets_another_slug(user: User, archive: bytes) -> None:
    slugs = [(await bring(user.client, archive)).json()["workspace"]["slug"] for _ in range(2)]
    assert slugs == [f"{user.workspace['slug']}-{number}" for number in (2, 3)]


async def test_a_slug_is_never_that_of_this_call(client: AsyncClient, archive: bytes) -> None:
    """`/workspaces/import` is an address of its own."""
    assert (await client.post("/workspaces", json={"name": "Import"})).json()["slug"] == "import-2"
    assert problem(await bring(client, archive, slug="import"), 422)["error_code"] == "INVALID_NAME"


async def test_dry_run(client: AsyncClient, archive: bytes) -> None:
    answer = await bring(client, archive, dry_run="true", name="later")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["workspace"]["name"], told["datasets"][0]["id"], told["rows"]) == ("later", None, 2)
    assert len(await workspaces(client)) == 1


async def test_a_retry_makes_no_second_workspace(client: AsyncClient, archive: bytes) -> None:
    key = {**ZIP, "Idempotency-Key": "once"}
    answers = [await client.post("/workspaces/import", content=archive, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(await workspaces(client)) == 2


async def test_an_empty_workspace(user: User) -> None:
    made = await bring(user.client, await exported(user.client, user.workspace["id"]))
    assert (made.status_code, made.json()["datasets"]) == (201, [])


async def test_all_that_a_dataset_is(user: User, upload: Upload) -> None:
    text = (
        'sku,n,flag,day,at,clock,doc,note,"a,""b"\n'
        f"x,{'1234567890' * 4}.10,TRUE,2025-01-31,2025-01-31T10:20:30.120+02:00,10:20,"
        '"{""a"":[1,""x"",null]}","",=1+1\n'
        'y,,FALSE,,,,"""text""","line\r\nend",\'=x\n'
        "z,-0.50,,2025-02-01,2025-01-31T10:20:30.500+02:00,23:59,,,\n"
    ).encode()
    made = await upload(text, name="all kinds", types="doc:json")
    path = f"/datasets/{made['id']}"
    about = {"description": "of\nall kinds", "key": "sku", "keep_versions": 3, "keep_days": 7}
    assert (await user.client.patch(path, json=about)).status_code == 200
    change = {"columns": [{"name": "n", "description": "how many"}, {"name": "day", "rename_to": " the day "}]}
    assert (await user.client.patch(f"{path}/schema", json=change)).status_code == 200
    for options in (
        {},
        {"format": "tsv", "bom": "true"},
        {"delimiter": ";", "newline": "lf", "escape_formulas": "true"},
    ):
        archive = await exported(user.client, user.workspace["id"], **options)
        answer = await bring(user.client, archive)
        assert answer.status_code == 201, answer.text
        again = answer.json()["workspace"]
        assert compared(await exported(user.client, again["id"], **options)) == compared(archive)
        told = (await user.client.get("/datasets/all-kinds", params={"workspace": again["id"]})).json()
        assert {name: told[name] for name in about} == about
        found = await user.client.get("/datasets/all-kinds/records/by-key/y", params={"workspace": again["id"]})
        assert found.json()["data"]["note"] == "line\r\nend"


async def test_datasets_without_rows_or_columns(user: User) -> None:
    client = user.client
    for name, columns in (("bare", None), ("rows without columns", None), ("columns", [{"name": "a", "type": "date"}])):
        made = await client.post("/datasets", json={"name": name} | ({} if columns is None else {"columns": columns}))
        assert made.status_code == 201, made.text
    assert (await client.post("/datasets/rows-without-columns/records", json=[{}, {}, {}])).status_code == 201
    archive = await exported(client, user.workspace["id"])
    answer = await bring(client, archive)
    assert answer.status_code == 201, answer.text
    again = answer.json()["workspace"]["id"]
    assert compared(await exported(client, again)) == compared(archive)
    grown = await client.post("/datasets/rows-without-columns/records", params={"workspace": again}, json={"new": 1})
    assert grown.status_code == 201, grown.text
    assert (
        await client.post("/datasets/columns/records", params={"workspace": again}, json={"new": 1})
    ).status_code == 422


async def test_values_nested_as_deep_as_they_are_stored(user: User) -> None:
    deep = '{"a":' + "[" * 900 + "]" * 900 + "}"
    made = await user.client.post("/datasets", json={"name": "deep", "columns": [{"name": "a", "type": "json"}]})
    json_type = {"Content-Type": "application/json"}
    path = f"/datasets/{made.json()['id']}/records"
    assert (await user.client.post(path, content=deep, headers=json_type)).status_code == 201
    archive = await exported(user.client, user.workspace["id"])
    answer = await bring(user.client, archive)
    assert answer.status_code == 201, answer.text
    assert compared(await exported(user.client, answer.json()["workspace"]["id"])) == compared(archive)


async def test_a_column_that_was_widened(user: User) -> None:
    """It keeps the casing or shape that it had by then."""
    client = user.client
    await client.post("/datasets", json={"name": "open"})
    text = "b,t\nTRUE,2025-01-31T10:20:30Z\n"
    appended = await client.post("/datasets/open/imports", content=text, headers={"Content-Type": "text/csv"})
    assert appended.status_code == 201, appended.text
    assert (await client.post("/datasets/open/records", json={"b": "x", "t": {"a": 1}})).status_code == 201
    columns = (await client.get("/datasets/open/schema")).json()["columns"]
    assert [(each["type"], each["format"]) for each in columns] == [("json", "TRUE"), ("json", "0000-00-00T00:00:00Z")]
    archive = await exported(client, user.workspace["id"])
    again = (await bring(client, archive)).json()["workspace"]["id"]
    assert compared(await exported(client, again)) == compared(archive)


async def test_nulls_alone_on_their_lines(user: User, upload: Upload) -> None:
    made = await upload('only\nx\n""\n', name="one")
    values = [{"only": None}, {"only": ""}, {"only": None}]
    assert (await user.client.post(f"/datasets/{made['id']}/records", json=values)).status_code == 201
    archive = await exported(user.client, user.workspace["id"])
    again = (await bring(user.client, archive)).json()["workspace"]["id"]
    records = (await user.client.get("/datasets/one/records", params={"workspace": again})).json()["data"]
    assert [record["data"]["only"] for record in records] == ["x", "", None, "", None]


async def test_many_columns(user: User, upload: Upload) -> None:
    names = [f"c {at}" for at in range(2_000)]
    await upload(
        ",".join(names) + "\n" + ",".join(map(str, range(2_000))) + "\n" + "," * 1_999 + "\nx" + "," * 1_999,
        name="wide",
    )
    archive = await exported(user.client, user.workspace["id"])
    answer = await bring(user.client, archive)
    assert answer.status_code == 201, answer.text
    assert compared(await exported(user.client, answer.json()["workspace"]["id"])) == compared(archive)


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
        (_set("format_version", "1"), "Expected `int`, got `str`"),
        (_set("datasets", [{}]), "missing required field"),
        (_set("options", {"format": "xlsx"}), "only exports as csv and tsv can be imported"),
        (_set("options", {"null": "NA"}), "only exports without `null`"),
        (_set("options", {"delimiter": "a"}), "delimiter must be one ASCII character"),
        (_twice, "two datasets have the slug 'orders'"),
        (_same_files, "two datasets have the file 'datasets/orders/data.csv'"),
        (_many, "one import takes 500"),
        (_of_the_dataset("slug", "../up"), "'../up' is no slug"),
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
    assert len(await workspaces(client)) == 1


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
    assert len(await workspaces(client)) == 1


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


@pytest.mark.parametrize("body", [b"", b"a,b\n1,2\n", b"PK\x05\x06" + bytes(18), packed({"a.csv": b"a\n1\n"})])
async def test_what_is_no_export(client: AsyncClient, body: bytes) -> None:
    assert problem(await bring(client, body), 422)["error_code"] == "UNREADABLE_FILE"


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


async def test_a_key_that_is_there_twice(user: User, upload: Upload) -> None:
    made = await upload()
    assert (await user.client.patch(f"/datasets/{made['id']}", json={"key": "name"})).status_code == 200
    contents = files(await exported(user.client, user.workspace["id"]))
    contents["datasets/orders/data.csv"] = b"name,amount\r\nAnn,1\r\nAnn,2\r\n"
    refused = problem(await bring(user.client, signed(contents)), 422)
    assert "'Ann'" in refused["detail"]
    contents["datasets/orders/data.csv"] = b"name,amount\r\nAnn,1\r\n,2\r\n"
    assert "there is no value" in problem(await bring(user.client, signed(contents)), 422)["detail"]


async def test_nothing_is_left_of_what_was_refused(user: User, upload: Upload, postgres_url: str) -> None:
    """The first dataset is stored by the time that the last one proves bad."""
    for name in ("a", "b", "c"):
        await upload(name=name)
    contents = files(await exported(user.client, user.workspace["id"]))
    contents["datasets/c/data.csv"] = b"name,amount\r\nAnn,1\r\nBob,x\r\n"
    bad = signed(contents)
    before = schemas(postgres_url)
    problem(await bring(user.client, bad), 422)
    answer = await user.client.post("/workspaces/import", content=bad, headers={**ZIP, "Idempotency-Key": "x"})
    problem(answer, 422)
    assert schemas(postgres_url) == before
    assert len(await workspaces(user.client)) == 1


def schemas(url: str) -> set[str]:
    """Every schema and every workspace in the database."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace UNION SELECT id::text FROM sheaf.workspaces")
        return {row[0] for row in found.fetchall()}


@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 201])
async def test_names_that_cannot_be(client: AsyncClient, archive: bytes, name: str) -> None:
    assert problem(await bring(client, archive, name=name), 422)["error_code"] == "INVALID_NAME"
    assert problem(await bring(client, archive, slug=name), 422)["error_code"] == "INVALID_NAME"


async def test_parameters_that_there_are_not(client: AsyncClient, archive: bytes) -> None:
    problem(await bring(client, archive, workspace="x"), 400)
    problem(await bring(client, archive, dry_run="perhaps"), 400)
    form = {"file": ("x.zip", archive, "application/zip")}
    problem(await client.post("/workspaces/import", data={"other": "x"}, files=form), 400)
    problem(await client.post("/workspaces/import?name=x", data={"name": "y"}, files=form), 400)


async def test_records_keep_their_ids_where_the_export_has_them(user: User, upload: Upload) -> None:
    made = await upload("name\nAnn\nBob\nCid\nDi\n", name="people")
    await user.client.delete(f"/datasets/{made['id']}/records/2")
    await user.client.patch(f"/datasets/{made['id']}/records/4", json={"name": "Dee"})
    for options, ids in (({}, [1, 2, 3]), ({"ids": "true"}, [1, 3, 4])):
        archive = await exported(user.client, user.workspace["id"], **options)
        workspace = (await bring(user.client, archive)).json()["workspace"]["id"]
        assert compared(await exported(user.client, workspace, **options)) == compared(archive)
        found = await user.client.get("/datasets/people/records", params={"workspace": workspace})
        assert [each["id"] for each in found.json()["data"]] == ids
        params = {"workspace": workspace}
        created = await user.client.post("/datasets/people/records", params=params, json={"name": "Eve"})
        assert created.json()["id"] == ids[-1] + 1


async def test_quotas_refuse_all_of_it(user: User, upload: Upload, postgres_url: str, tmp_path: Path) -> None:
    await upload(name="a")
    await upload(name="b")
    archive = await exported(user.client, user.workspace["id"])
    before = schemas(postgres_url)
    for name, most in (("datasets", 1), ("rows", 3), ("bytes", 30_000)):
        told = Settings(database_url=postgres_url, data=tmp_path, log_level="error", **{f"workspace_{name}": most})
        app = create_app(told)
        async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as limited:
            limited.headers["X-API-Key"] = user.key
            refused = problem(await bring(limited, archive), 422)
        assert refused["error_code"] == "QUOTA_EXCEEDED"
        assert f"SHEAF_WORKSPACE_{name.upper()}" in refused["detail"]
    assert schemas(postgres_url) == before


@pytest.mark.parametrize(
    ("limit", "most", "status"),
    [("max_inflated", 1_000, 413), ("max_upload", 100, 413), ("max_columns", 1, 422), ("max_rows", 1, 422)],
)
async def test_limits_are_named(
    user: User, archive: bytes, postgres_url: str, tmp_path: Path, limit: str, most: int, status: int
) -> None:
    told: dict[str, Any] = {limit: most}
    app = create_app(Settings(database_url=postgres_url, data=tmp_path, log_level="error", **told))
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as limited:
        limited.headers["X-API-Key"] = user.key
        refused = problem(await bring(limited, archive), status)
    assert f"SHEAF_{limit.upper()}, {most:,}" in refused["detail"]
