"""Datasets that many tests of the API read and write."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from support.calls import make
from support.service import Once, Upload

PEOPLE = """name,amount,born,active
Ann,10,1990-01-31,true
Bob,9,,false
Émile,100.50,2001-12-01,true
bob,,1990-01-31,
"O'Neil, Jr.",9.0,1985-05-05,false
"""
COLUMNS = [
    {"name": "sku", "type": "text", "nullable": False},
    {"name": "count", "type": "integer"},
    {"name": "price", "type": "number"},
    {"name": "active", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "datetime"},
    {"name": "time", "type": "time"},
    {"name": "more", "type": "json"},
]


@pytest.fixture
async def people(upload: Upload, once: Once) -> dict[str, Any]:
    """`PEOPLE` as a dataset."""
    found: dict[str, Any] = await once("people", lambda: upload(PEOPLE, name="people"))
    return found


@pytest.fixture
async def orders(client: AsyncClient, upload: Upload, once: Once) -> AsyncClient:
    """Calls as the owner of `orders`, which has one record."""
    await once("orders", lambda: upload("status,amount\nnew,1\n"))
    return client


@pytest.fixture
async def typed(client: AsyncClient, once: Once) -> dict[str, Any]:
    """A dataset with a column of each type and one record."""

    async def filled() -> dict[str, Any]:
        dataset: dict[str, Any] = await make(client, "typed", columns=COLUMNS)
        assert (await client.post("/datasets/typed/records", json={"sku": "first", "count": 1})).status_code == 201
        return dataset

    found: dict[str, Any] = await once("typed", filled)
    return found
