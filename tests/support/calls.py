"""Calls that many tests of the API make, and what they read of an answer."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient, Response

from support.service import exact
from support.waiting import eventually

CSV = {"Content-Type": "text/csv"}
ORDERS = b"name,amount\nAnn,1\nBob,2\n"


async def make(client: AsyncClient, name: str = "orders", **members: Any) -> Any:
    """Make an empty dataset; answers it."""
    answer = await client.post("/datasets", json={"name": name, **members})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def raw(client: AsyncClient, body: bytes = ORDERS, headers: dict[str, str] = CSV, **params: Any) -> Response:
    """Upload a file as the raw body."""
    return await client.post("/datasets", params=params, content=body, headers=headers)


async def send(client: AsyncClient, method: str, path: str, text: str, **headers: str) -> Response:
    """Send JSON to the letter; `path` is that below `/datasets`."""
    headers = {"Content-Type": "application/json", **headers}
    return await client.request(method, f"/datasets/{path}", content=text.encode(), headers=headers)


async def page(client: AsyncClient, ref: str = "people", **params: Any) -> Any:
    """A page of records, numbers as they are written."""
    answer = await client.get(f"/datasets/{ref}/records", params=params)
    assert answer.status_code == 200, answer.text
    return exact(answer)


async def records(client: AsyncClient, ref: str, **params: Any) -> list[dict[str, Any]]:
    """The data of a page's records, numbers as they are written."""
    return [record["data"] for record in (await page(client, ref, **params))["data"]]


async def names(client: AsyncClient, **params: Any) -> list[str]:
    """The column `name` of a page of `people`."""
    return [data["name"] for data in await records(client, "people", **params)]


async def refused(client: AsyncClient, **params: Any) -> Response:
    """The answer to a page of `people` that is asked for wrongly."""
    answer = await client.get("/datasets/people/records", params=params)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def version(client: AsyncClient, ref: str) -> int:
    """The newest version's number."""
    number: int = (await client.get(f"/datasets/{ref}")).json()["version"]
    return number


async def schema(client: AsyncClient, ref: str, **params: Any) -> dict[str, str]:
    """The columns' types by their names."""
    told = (await client.get(f"/datasets/{ref}/schema", params=params)).json()
    return {column["name"]: column["type"] for column in told["columns"]}


async def ended(client: AsyncClient, export: str) -> dict[str, Any]:
    """What is told of a prepared export once it is done, or has failed."""

    async def status() -> dict[str, Any] | None:
        answer = await client.get(f"/exports/{export}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told if told["state"] in {"done", "failed"} else None

    found = await eventually(status)
    assert found is not None
    return found


def pointers(answer: Response) -> list[tuple[str, str]]:
    """Where each value stands that a 422 is about, and what is wrong with it."""
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
