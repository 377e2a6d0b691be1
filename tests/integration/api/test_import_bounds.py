"""POST /workspaces/import of more than there is room for: nothing of it stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest
from httpx import ASGITransport, AsyncClient
from support.archives import ZIP, bring, copied, exported, files, signed
from support.client import problem
from support.service import ADDRESS, Upload, User, running
from support.waiting import eventually

from backend.app import create_app
from backend.repositories.advisory_locks import MANY_DATASETS
from backend.services.workspace_contents import ALONGSIDE
from backend.settings import Settings

pytestmark = pytest.mark.anyio


async def test_of_large_archives_one_at_a_time(user: User, archive: bytes, postgres_url: str) -> None:
    """Each table takes locks, and there is room for those of one such import."""
    small, large = copied(archive, ALONGSIDE), copied(archive, ALONGSIDE + 1)
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("SELECT pg_advisory_xact_lock(%s)", (MANY_DATASETS,))
        waiting = asyncio.create_task(bring(user.client, large))
        await eventually(lambda: waits(other))
        assert (await bring(user.client, small)).status_code == 201
        assert not waiting.done()
    assert (await waiting).status_code == 201


async def waits(other: psycopg.AsyncConnection) -> bool:
    """Whether somebody waits for the turn of another import."""
    query = "SELECT FROM pg_locks WHERE NOT granted AND (classid::bigint << 32) | objid::bigint = %s"
    return (await other.execute(query, (MANY_DATASETS,))).rowcount == 1


def schemas(url: str) -> set[str]:
    """Every schema and every workspace in the database."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace UNION SELECT id::text FROM sheaf.workspaces")
        return {row[0] for row in found.fetchall()}


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
    assert (await user.client.get("/workspaces")).json()["total"] == 1


async def test_quotas_refuse_all_of_it(user: User, upload: Upload, postgres_url: str, tmp_path: Path) -> None:
    await upload(name="a")
    await upload(name="b")
    archive = await exported(user.client, user.workspace["id"])
    before = schemas(postgres_url)
    for name, most in (("datasets", 1), ("rows", 3), ("bytes", len(archive) - 1)):
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
