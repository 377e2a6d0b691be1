"""Exported workspaces: taken out, changed, brought in again."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from httpx import AsyncClient, Response

from support.service import Once, Upload, User

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


def copied(archive: bytes, times: int) -> bytes:
    """An archive with one dataset, `orders`, copied so that there are so many of it."""
    contents = files(archive)
    manifest = json.loads(contents["manifest.json"])
    (orders,) = manifest["datasets"]
    for number in range(2, times + 1):
        told = {"slug": f"orders-{number}", "name": f"orders {number}"}
        for kind in ("data", "schema", "versions"):
            file = f"datasets/orders-{number}/{kind}"
            contents[file] = contents[orders[kind]["file"]]
            told[kind] = {**orders[kind], "file": file}
        manifest["datasets"].append({**orders, **told})
    return packed({**contents, "manifest.json": json.dumps(manifest).encode()})


def compared(archive: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Data and schemas, and the manifest without what an import has to change."""
    found = files(archive)
    manifest = json.loads(found.pop("manifest.json"))
    workspace = {name: manifest["workspace"][name] for name in ("name", "description")}
    left = {"id", "version", "created_at", "author", "operation", "note", "tag", "versions"}
    datasets = [{name: each[name] for name in each.keys() - left} for each in manifest["datasets"]]
    kept = {name: data for name, data in found.items() if not name.endswith("versions.ndjson")}
    return kept, {"options": manifest["options"], "workspace": workspace, "datasets": datasets}


async def bring(client: AsyncClient, archive: bytes, **params: str) -> Response:
    return await client.post("/workspaces/import", params=params, content=archive, headers=ZIP)


@pytest.fixture
async def archive(user: User, upload: Upload, once: Once) -> bytes:
    """Of a workspace with one dataset, `orders`."""

    async def filled() -> bytes:
        await upload()
        return await exported(user.client, user.workspace["id"])

    made: bytes = await once("archive", filled)
    return made
