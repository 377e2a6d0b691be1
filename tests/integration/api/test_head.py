"""HEAD answers what GET does, without the body."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

pytestmark = [pytest.mark.anyio, pytest.mark.reads]
_CHANGING = {"x-request-id", "server-timing", "content-length"}


@pytest.mark.parametrize(
    "path",
    ["datasets", "datasets/orders", "datasets/orders/schema", "datasets/orders/records?amount=1", "users/me",
     "datasets/orders/records/1", "datasets/orders/records/9", "datasets/orders/records?no=1", "datasets/none",
     "datasets/export", "datasets/events", "datasets/orders/records/by-key/file"],
)  # fmt: skip
async def test_it_is_get_without_the_body(orders: AsyncClient, path: str) -> None:
    whole, head = await orders.get(path), await orders.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    told = [{name: value for name, value in each.headers.items() if name not in _CHANGING} for each in (whole, head)]
    assert told[0] == told[1]
    assert int(head.headers["content-length"]) > 0


async def test_a_tag_that_is_known(orders: AsyncClient) -> None:
    tag = (await orders.head("datasets/orders")).headers["etag"]
    assert (await orders.head("datasets/orders", headers={"If-None-Match": tag})).status_code == 304


_FORMATS = ["csv", "tsv", "xlsx", "json", "ndjson", "parquet"]


@pytest.mark.parametrize("asked", [*(f"format={name}" for name in _FORMATS), "ids=true&limit=1", "no=1", "bom=x",
                                   "explain=true", "prepare=x", "prepare=true&bom=x"])  # fmt: skip
async def test_an_export_is_announced(orders: AsyncClient, asked: str) -> None:
    path = f"datasets/orders/export?{asked}"
    whole, head = await orders.get(path), await orders.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    told = [{name: value for name, value in each.headers.items() if name not in _CHANGING} for each in (whole, head)]
    assert told[0] == told[1]
    assert "content-length" not in head.headers, "nobody knows it"
    if "etag" in whole.headers:
        known = {"If-None-Match": whole.headers["etag"]}
        assert [(await orders.request(how, path, headers=known)).status_code for how in ("GET", "HEAD")] == [304, 304]


@pytest.mark.parametrize(
    "path",
    [
        *(f"datasets/orders/{read}?explain=true" for read in ("records", "records/count", "export")),
        "exports",
        "imports",
    ],
)
async def test_what_has_no_version_has_a_tag_of_its_own(orders: AsyncClient, path: str) -> None:
    tag = (await orders.get(path)).headers["etag"]
    known = await orders.get(path, headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)


async def test_nothing_is_prepared(orders: AsyncClient) -> None:
    head = await orders.head("datasets/orders/export?prepare=true&format=json")
    assert (head.status_code, head.content, head.headers["content-type"]) == (202, b"", "application/json")
    assert "location" not in head.headers


async def test_nobody_else_learns_of_an_export(
    anonymous: AsyncClient, orders: AsyncClient, stranger: AsyncClient
) -> None:
    path = f"datasets/{(await orders.get('datasets/orders')).json()['id']}/export"
    assert (await orders.head(path)).status_code == 200
    assert (await anonymous.head(path)).status_code == 401
    assert (await stranger.head(path)).status_code == 404


@pytest.mark.parametrize(
    "path", ["datasets/orders/records/stream", "datasets/orders/records/stream/", "users/me/keys/rotate"]
)
async def test_where_there_is_none(orders: AsyncClient, path: str) -> None:
    assert (await orders.head(path)).status_code == 405


async def test_without_a_key(anonymous: AsyncClient) -> None:
    assert (await anonymous.head("datasets")).status_code == 401
