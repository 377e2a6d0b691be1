"""Deleted datasets: gone from sight, and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from httpx import AsyncClient
from support.calls import make
from support.service import Upload, without_request_id

pytestmark = pytest.mark.anyio


@pytest.fixture
def expire(postgres_url: str) -> Callable[[Any], None]:
    """Lets 31 days go by since a dataset was deleted."""

    def later(dataset: Any) -> None:
        table = f"ws_{UUID(dataset['workspace']).hex}.datasets"
        with psycopg.connect(postgres_url) as connection:
            aged = f"UPDATE {table} SET deleted_at = deleted_at - interval '31 days' WHERE id = %s"
            connection.execute(aged, (dataset["id"],))

    return later


class TestDelete:
    async def test_is_gone_and_its_name_free(self, client: AsyncClient) -> None:
        made = await make(client)
        answer = await client.delete("/datasets/orders")
        assert (answer.status_code, answer.content) == (204, b"")
        for path in ("", "/schema", "/records", "/versions", "/export"):
            assert (await client.get(f"/datasets/{made['id']}{path}")).status_code == 404
        assert (await client.get("/datasets")).json()["total"] == 0
        assert (await make(client))["slug"] == "orders"

    async def test_twice_is_404(self, client: AsyncClient) -> None:
        made = await make(client)
        await client.delete(f"/datasets/{made['id']}")
        assert (await client.delete(f"/datasets/{made['id']}")).status_code == 404

    async def test_if_match(self, client: AsyncClient) -> None:
        await make(client)
        assert (await client.delete("/datasets/orders", headers={"If-Match": '"old"'})).status_code == 412
        etag = (await client.get("/datasets/orders")).headers["etag"]
        assert (await client.delete("/datasets/orders", headers={"If-Match": etag})).status_code == 204


class TestUndelete:
    async def test_brings_everything_back(self, client: AsyncClient, upload: Upload) -> None:
        made = await upload()
        await client.delete("/datasets/orders")
        answer = await client.post(f"/datasets/{made['id']}/undelete")
        assert answer.status_code == 200
        assert answer.json() == made
        assert answer.headers["etag"] == (await client.get("/datasets/orders")).headers["etag"]
        assert (await client.get("/datasets/orders/records")).json()["total"] == 2

    async def test_a_dataset_that_is_not_deleted_is_404(self, client: AsyncClient) -> None:
        made = await make(client)
        assert (await client.post(f"/datasets/{made['id']}/undelete")).status_code == 404

    async def test_a_slug_says_too_little(self, client: AsyncClient) -> None:
        await make(client)
        await client.delete("/datasets/orders")
        assert (await client.post("/datasets/orders/undelete")).status_code == 404

    async def test_a_name_taken_meanwhile_is_409(self, client: AsyncClient) -> None:
        made = await make(client)
        await client.delete("/datasets/orders")
        await make(client)
        answer = await client.post(f"/datasets/{made['id']}/undelete")
        assert answer.status_code == 409
        assert answer.json()["error_code"] == "DATASET_NAME_TAKEN"
        await client.patch("/datasets/orders", json={"name": "others"})
        assert (await client.post(f"/datasets/{made['id']}/undelete")).json()["slug"] == "orders"

    async def test_a_slug_taken_meanwhile_gets_a_suffix(self, client: AsyncClient) -> None:
        made = await make(client, "a b")
        await client.delete("/datasets/a-b")
        await make(client, "a-b")
        assert (await client.post(f"/datasets/{made['id']}/undelete")).json()["slug"] == "a-b-2"

    async def test_after_the_grace_time_it_is_gone(self, client: AsyncClient, expire: Callable[[Any], None]) -> None:
        made = await make(client)
        await client.delete("/datasets/orders")
        expire(made)
        answer = await client.post(f"/datasets/{made['id']}/undelete")
        missing = await client.post("/datasets/01890000-0000-7000-8000-000000000000/undelete")
        assert without_request_id(answer) == without_request_id(missing)
