"""Workspaces that several users share."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from support.service import User


async def make_workspace(client: AsyncClient, name: str = "Shared", **members: Any) -> dict[str, Any]:
    """A new workspace of this caller's."""
    answer = await client.post("/workspaces", json={"name": name, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def delete_workspace(client: AsyncClient, workspace: str) -> None:
    answer = await client.delete(f"/workspaces/{workspace}")
    assert answer.status_code == 204, answer.text


async def join(owner: AsyncClient, workspace: str, user: User, role: str = "viewer") -> None:
    """Make the user a member."""
    answer = await owner.put(f"/workspaces/{workspace}/members/{user.id}", json={"role": role})
    assert answer.status_code == 201, answer.text


async def own(client: AsyncClient) -> list[dict[str, Any]]:
    """The caller's workspaces as `GET /workspaces` lists them."""
    answer = await client.get("/workspaces")
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def code(answer: Any) -> tuple[int, str]:
    """Status and error code of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["error_code"]
