"""Registration, who am I, keys."""

from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.controllers.answers import tagged_by_content
from backend.controllers.bodies import decoded
from backend.controllers.documented import IF_NONE_MATCH, JSON, documented, schema_of
from backend.controllers.parameters import CallerRequest
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.users import KeyCreate, KeyIssued, KeyList, KeyRotated, Me, Registered, UserCreate
from backend.security.auth import PUBLIC, may
from backend.security.idempotency import SECRET
from backend.services.users import UserService

_SHOWN_ONCE = CacheControlHeader(no_store=True)


class UserController(Controller):
    path = "/users"
    tags = ("users",)
    opt = may(Action.READ_ACCOUNT)

    @post(
        "/",
        opt=PUBLIC | SECRET,
        cache_control=_SHOWN_ONCE,
        responses=failures(403, 413, 422),
        operation_class=documented(body={JSON: schema_of(UserCreate)}),
    )
    async def register(self, request: CallerRequest, users: NamedDependency[UserService]) -> Registered:
        """Registers a user; the key is shown this once."""
        return await users.register(decoded(await request.body(), UserCreate).name)

    @get("/me", responses=failures(304), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def me(self, request: CallerRequest, users: NamedDependency[UserService]) -> Response[Me | None]:
        """Who the key belongs to, and the workspaces that it opens."""
        return tagged_by_content(request, users.me(request.user))

    @get("/me/keys", responses=failures(304), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_keys(self, request: CallerRequest, users: NamedDependency[UserService]) -> Response[KeyList | None]:
        """The caller's keys, without their secrets."""
        return tagged_by_content(request, await users.list_keys(request.user))

    @post(
        "/me/keys",
        opt=may(Action.CHANGE_ACCOUNT) | SECRET,
        cache_control=_SHOWN_ONCE,
        responses=failures(403, 413, 422),
        operation_class=documented(body={JSON: schema_of(KeyCreate)}),
    )
    async def issue_key(self, request: CallerRequest, users: NamedDependency[UserService]) -> KeyIssued:
        """One more key; it is shown this once."""
        return await users.issue_key(request.user, decoded(await request.body(), KeyCreate))

    @delete("/me/keys/{key_id:uuid}", opt=may(Action.CHANGE_ACCOUNT), responses=failures(403, 404))
    async def revoke_key(
        self, request: CallerRequest, key_id: FromPath[UUID], users: NamedDependency[UserService]
    ) -> None:
        """Revokes a key at once."""
        await users.revoke_key(request.user, key_id)

    @post(
        "/me/keys/rotate",
        opt=may(Action.CHANGE_ACCOUNT) | SECRET,
        cache_control=_SHOWN_ONCE,
        status_code=200,
        responses=failures(403),
    )
    async def rotate_key(self, request: CallerRequest, users: NamedDependency[UserService]) -> KeyRotated:
        """A new secret for the key of this request; the old one is dead at once."""
        return await users.rotate_key(request.user)
