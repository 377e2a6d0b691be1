"""Registration, who am I, keys."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post

from backend.controllers.problems import failures
from backend.schemas.callers import Caller
from backend.schemas.users import KeyCreate, KeyIssued, KeyList, KeyRotated, Me, Registered, UserCreate
from backend.security.auth import PUBLIC, may_write
from backend.services.users import UserService

CallerRequest = Request[Caller, Any, Any]


class UserController(Controller):
    path = "/users"
    tags = ("users",)

    @post("/", opt=PUBLIC, responses=failures(403, 422))
    async def register(self, data: UserCreate, users: UserService) -> Registered:
        """Registers a user; the key is shown this once."""
        return await users.register(data.name)

    @get("/me", responses=failures())
    async def me(self, request: CallerRequest, users: UserService) -> Me:
        """Who the key belongs to, and the workspaces that it opens."""
        return users.me(request.user)

    @get("/me/keys", responses=failures())
    async def list_keys(self, request: CallerRequest, users: UserService) -> KeyList:
        """The caller's keys, without their secrets."""
        return await users.list_keys(request.user)

    @post("/me/keys", guards=[may_write], responses=failures(403, 422))
    async def issue_key(self, request: CallerRequest, data: KeyCreate, users: UserService) -> KeyIssued:
        """One more key; it is shown this once."""
        return await users.issue_key(request.user, data)

    @delete("/me/keys/{key_id:uuid}", guards=[may_write], responses=failures(403, 404))
    async def revoke_key(self, request: CallerRequest, key_id: UUID, users: UserService) -> None:
        """Revokes a key at once."""
        await users.revoke_key(request.user, key_id)

    @post("/me/keys/rotate", guards=[may_write], status_code=200, responses=failures(403))
    async def rotate_key(self, request: CallerRequest, users: UserService) -> KeyRotated:
        """A new secret for the key of this request; the old one is dead at once."""
        return await users.rotate_key(request.user)
