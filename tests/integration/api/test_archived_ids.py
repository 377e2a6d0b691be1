"""POST /workspaces/import of records that bring their ids, up to the largest there can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient
from support.archives import bring, exported, files, signed
from support.client import problem
from support.service import Upload, User

from backend.schemas.columns import LAST_ID

pytestmark = pytest.mark.anyio


@pytest.fixture
async def with_ids(user: User, upload: Upload) -> dict[str, bytes]:
    await upload()
    return files(await exported(user.client, user.workspace["id"], ids="true"))


def forged(contents: dict[str, bytes], last: int) -> bytes:
    return signed({**contents, "datasets/orders/data.csv": f"__id,name,amount\r\n1,Ann,1\r\n{last},Bob,2\r\n".encode()})


@pytest.mark.parametrize("last", [LAST_ID + 1, 2**63 - 2, 2**63 - 1, 2**63])
async def test_ids_that_clients_would_round(client: AsyncClient, with_ids: dict[str, bytes], last: int) -> None:
    for dry_run in ("true", "false"):
        refused = problem(await bring(client, forged(with_ids, last), dry_run=dry_run), 422)
        assert refused["detail"].startswith(f"'datasets/orders/data.csv': row 3: '{last}' is no id: ")
        assert str(LAST_ID) in refused["detail"]


@pytest.fixture
async def full(client: AsyncClient, with_ids: dict[str, bytes]) -> str:
    """A dataset without an id left."""
    answer = await bring(client, forged(with_ids, LAST_ID))
    assert answer.status_code == 201, answer.text
    return f"/datasets/{answer.json()['datasets'][0]['id']}"


NEW = {"name": "Cid", "amount": 3}


async def test_no_new_record_where_no_id_is_left(client: AsyncClient, full: str) -> None:
    lines = b"\n".join(json.dumps(NEW).encode() for _ in range(3_000))
    requests: list[dict[str, Any]] = [
        {"json": NEW},
        {"json": [NEW, NEW]},
        {"content": lines, "headers": {"Content-Type": "application/x-ndjson"}},
    ]
    for request in requests:
        refused = problem(await client.post(f"{full}/records", **request), 409)
        assert refused["error_code"] == "RECORD_IDS_USED_UP"
    refused = problem(await client.patch(f"{full}/records", json={"creates": [NEW]}), 409)
    assert refused["error_code"] == "RECORD_IDS_USED_UP"
    assert (await client.get(full)).json()["version"] == 1


async def test_the_last_id_is_given_out(client: AsyncClient, with_ids: dict[str, bytes]) -> None:
    answer = await bring(client, forged(with_ids, LAST_ID - 1))
    address = f"/datasets/{answer.json()['datasets'][0]['id']}/records"
    problem(await client.post(address, json=[NEW, NEW]), 409)
    made = await client.post(address, json=NEW)
    assert (made.status_code, made.json()["id"]) == (201, LAST_ID)
    problem(await client.post(address, json=NEW), 409)


async def test_everything_else_goes_on(client: AsyncClient, full: str) -> None:
    """A new type for a column reads all records there are, not all ids that there could be."""
    assert (await client.patch(f"{full}/records/{LAST_ID}", json={"amount": 4})).status_code == 200
    changed = await client.patch(f"{full}/schema", json={"columns": [{"name": "amount", "type": "text"}]})
    assert changed.status_code == 200, changed.text
    assert (await client.delete(f"{full}/records/{LAST_ID}")).status_code == 204
    records = (await client.get(f"{full}/records")).json()["data"]
    assert [each["id"] for each in records] == [1]
