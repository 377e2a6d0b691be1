"""GET /workspaces/{ws}/export: all of a workspace as one ZIP."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest
from httpx import AsyncClient, Response
from support.service import Upload, User, without_request_id

from backend.errors import VersionPruned
from backend.repositories.database import Database
from backend.schemas.exports import ExportOptions
from backend.services.spool import Spool, Streams
from backend.services.users import UserService
from backend.services.workspace_exports import WorkspaceExportService

pytestmark = pytest.mark.anyio

MISSING = "01890000-0000-7000-8000-000000000000"
FILES = ("data.csv", "schema.json", "versions.ndjson")


def opened(answer: Response) -> ZipFile:
    assert answer.status_code == 200, answer.text
    archive = ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


def manifest(archive: ZipFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return found


async def test_a_stranger_learns_nothing(user: User, stranger: AsyncClient, upload: Upload) -> None:
    await upload()
    missing = without_request_id(await stranger.get(f"/workspaces/{MISSING}/export"))
    assert missing[0] == 404
    for ref in (user.workspace["id"], user.workspace["slug"] + "-no"):
        assert without_request_id(await stranger.get(f"/workspaces/{ref}/export")) == missing


async def test_a_key_that_reads_may_export(user: User, reader: AsyncClient, upload: Upload) -> None:
    await upload()
    names = opened(await reader.get(f"/workspaces/{user.workspace['slug']}/export")).namelist()
    assert names[-1] == "manifest.json"


async def test_every_dataset_is_in_it(user: User, upload: Upload) -> None:
    orders = await upload()
    await upload('only\n""\nx\n', name="Straße 東京")
    await user.client.patch(f"/datasets/{orders['id']}/records/1", json={"amount": 7})
    answer = await user.client.get(f"/workspaces/{user.workspace['id']}/export")
    archive = opened(answer)
    told = manifest(archive)
    assert archive.namelist() == [
        *(f"datasets/{slug}/{file}" for slug in ("orders", "strasse-東京") for file in FILES),
        "manifest.json",
    ]
    assert (told["format"], told["format_version"]) == ("sheaf-workspace", 1)
    assert told["workspace"] == {
        "id": user.workspace["id"],
        "slug": user.workspace["slug"],
        "name": user.workspace["name"],
        "description": None,
    }
    for dataset in told["datasets"]:
        exported = await user.client.get(f"/datasets/{dataset['id']}/export")
        assert archive.read(dataset["data"]["file"]) == exported.content
        schema = (await user.client.get(f"/datasets/{dataset['id']}/schema")).json()
        assert json.loads(archive.read(dataset["schema"]["file"])) == {"columns": schema["columns"]}
        listed = (await user.client.get(f"/datasets/{dataset['id']}/versions")).json()["data"]
        lines = archive.read(dataset["versions"]["file"]).splitlines()
        assert [json.loads(line) for line in lines] == listed[::-1]
        for file in (dataset["data"], dataset["schema"], dataset["versions"]):
            content = archive.read(file["file"])
            assert file == {
                "file": file["file"],
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "private"
    assert answer.headers["x-row-count"] == "4"
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{user.workspace["slug"]}.zip"')
    assert "content-length" not in answer.headers


async def test_what_the_manifest_tells_of_a_dataset(user: User, upload: Upload) -> None:
    made = await upload()
    path = f"/datasets/{made['id']}"
    about = {"description": "all of them", "key": "name", "keep_versions": 9, "keep_days": 30}
    assert (await user.client.patch(path, json=about)).status_code == 200
    await user.client.put(f"{path}/versions/2/tag", json={"tag": "audited"})
    (told,) = manifest(opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export")))["datasets"]
    assert {**told, "created_at": "…", "data": "…", "schema": "…", "versions": "…"} == {
        "id": made["id"], "slug": "orders", "name": "orders", "kind": "table", "open_schema": False, **about,
        "rows": 2, "columns": 2, "version": 2, "author": user.id, "operation": "schema", "note": None, "tag": "audited",
        "created_at": "…", "data": "…", "schema": "…", "versions": "…",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["tsv", "xlsx"])
async def test_other_formats(user: User, upload: Upload, form: str) -> None:
    made = await upload()
    archive = opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export", params={"format": form}))
    exported = await user.client.get(f"/datasets/{made['id']}/export", params={"format": form})
    assert archive.read(f"datasets/orders/data.{form}") == exported.content
    assert manifest(archive)["options"]["format"] == form


async def test_options_of_csv(user: User, upload: Upload) -> None:
    made = await upload()
    asked = {"delimiter": ";", "newline": "lf", "bom": "true"}
    archive = opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export", params=asked))
    exported = await user.client.get(f"/datasets/{made['id']}/export", params=asked)
    assert archive.read("datasets/orders/data.csv") == exported.content


@pytest.mark.parametrize("asked", [{"format": "docx"}, {"delimiter": "ab"}, {"limit": "3"}, {"workspace": "x"}])
async def test_options_that_there_are_not(user: User, asked: dict[str, str]) -> None:
    answer = await user.client.get(f"/workspaces/{user.workspace['id']}/export", params=asked)
    assert answer.status_code == 400


async def test_what_a_format_cannot_hold_is_refused_before_the_first_byte(user: User, upload: Upload) -> None:
    await upload(f"a\n{'x' * 40_000}\n", name="long")
    answer = await user.client.get(f"/workspaces/{user.workspace['id']}/export", params={"format": "xlsx"})
    assert answer.status_code == 422
    assert "'long'" in answer.json()["detail"]


async def test_an_empty_workspace(user: User) -> None:
    archive = opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export"))
    assert archive.namelist() == ["manifest.json"]
    assert manifest(archive)["datasets"] == []


async def test_deleted_datasets_stay_out(user: User, upload: Upload) -> None:
    made = await upload()
    await user.client.delete(f"/datasets/{made['id']}")
    archive = opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export"))
    assert archive.namelist() == ["manifest.json"]


async def test_folders_that_every_file_system_takes(user: User, upload: Upload) -> None:
    await upload(name="con")
    await upload(name="語" * 80)
    archive = opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export"))
    assert {name.split("/")[1] for name in archive.namelist()[:-1]} == {"con-", "語" * 66}
    assert {each["slug"] for each in manifest(archive)["datasets"]} == {"con", "語" * 80}


async def test_a_dataset_of_many_columns(user: User, upload: Upload) -> None:
    names = [f"c{at}" for at in range(2_000)]
    text = ",".join(names) + "\r\n" + ",".join(map(str, range(2_000))) + "\r\n"
    await upload(text, name="wide")
    archive = opened(await user.client.get(f"/workspaces/{user.workspace['id']}/export"))
    assert archive.read("datasets/wide/data.csv").decode() == text


class Late(Streams):
    """Streams that begin only after something else is done."""

    def __init__(self, folder: Path, before: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(folder, concurrency=1)
        self._before = before

    async def start(self, produce: Callable[[Spool], None], user: UUID | None = None) -> AsyncGenerator[bytes]:
        await self._before()
        return await super().start(produce, user)


async def begun_before(
    database_url: str, user: User, folder: Path, change: Callable[[], Awaitable[Any]]
) -> AsyncGenerator[bytes]:
    """The archive of the user's workspace as it was before the change, which is made before a dataset is read."""
    database = await Database(database_url, size=4, bulk_size=2, prepare=True).open()
    try:
        caller = await UserService(database, registration_open=False).identify(user.key)
        assert caller is not None
        service = WorkspaceExportService(database, Late(folder, change))
        export = await service.start(caller, user.workspace["id"], ExportOptions())
        async for chunk in export.chunks:
            yield chunk
    finally:
        await database.close()


async def test_all_datasets_are_as_of_one_moment(user: User, upload: Upload, postgres_url: str, tmp_path: Path) -> None:
    made = {name: await upload(name=name) for name in ("a", "b")}
    before = [(await user.client.get(f"/datasets/{name}/export")).content for name in made]

    async def change() -> None:
        for name in made:
            await user.client.patch(f"/datasets/{name}/records/1", json={"name": "changed"})
            await user.client.patch(f"/datasets/{name}", json={"name": f"not {name}"})
        await user.client.post("/datasets", json={"name": "new"})

    archive = b"".join([chunk async for chunk in begun_before(postgres_url, user, tmp_path, change)])
    with ZipFile(io.BytesIO(archive)) as opened:
        assert [opened.read(f"datasets/{name}/data.csv") for name in made] == before
        told = manifest(opened)["datasets"]
        assert [(each["name"], each["version"]) for each in told] == [("a", 1), ("b", 1)]
        lines = opened.read("datasets/a/versions.ndjson").splitlines()
        assert [json.loads(line)["version"] for line in lines] == [1]


async def test_a_version_that_is_pruned_meanwhile_breaks_the_transfer(
    user: User, upload: Upload, postgres_url: str, tmp_path: Path
) -> None:
    made = {name: await upload(name=name) for name in ("a", "b")}

    async def prune() -> None:
        path = f"/datasets/{made['b']['id']}"
        assert (await user.client.patch(path, json={"keep_versions": 1})).status_code == 200
        assert (await user.client.delete(f"{path}/records/1")).status_code == 204

    with pytest.raises(VersionPruned):
        assert not [chunk async for chunk in begun_before(postgres_url, user, tmp_path, prune)]


async def test_announced(user: User, upload: Upload) -> None:
    await upload()
    path = f"/workspaces/{user.workspace['id']}/export"
    whole, announced = await user.client.get(path), await user.client.head(path)
    assert (announced.status_code, announced.content) == (200, b"")
    for name in ("content-type", "content-disposition", "x-row-count", "cache-control"):
        assert announced.headers[name] == whole.headers[name]
    assert (await user.client.head(path, params={"no": "1"})).status_code == 400
