"""Members of a workspace and their roles."""

from __future__ import annotations

from litestar import Controller, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.controllers.answers import success, tagged_by_content
from backend.controllers.bodies import decoded
from backend.controllers.documented import IF_NONE_MATCH, JSON, documented, schema_of
from backend.controllers.parameters import CallerRequest, Limit, Offset
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.workspaces import Member, MemberList, MemberPut
from backend.security.auth import may
from backend.services.members import MemberService


class MemberController(Controller):
    path = "/workspaces/{workspace:str}/members"
    tags = ("workspaces",)
    opt = may(Action.READ_WORKSPACE)

    @get("/", responses=failures(304, 404, 409), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_page(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        members: NamedDependency[MemberService],
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[MemberList | None]:
        """The members of a workspace, the oldest first."""
        return tagged_by_content(request, await members.list_page(request.user, workspace, limit=limit, offset=offset))

    @put(
        "/{user:str}",
        opt=may(Action.CHANGE_MEMBERS),
        responses={201: success(Member, "A new member"), **failures(403, 404, 409, 413, 422)},
        operation_class=documented(body={JSON: schema_of(MemberPut)}),
    )
    async def change(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        user: FromPath[str],
        members: NamedDependency[MemberService],
    ) -> Response[Member]:
        """Add a user to a workspace, or change a member's role; `{user}` is a user's id or `me`."""
        role = decoded(await request.body(), MemberPut).role
        member, is_new = await members.put(request.user, workspace, user, role)
        return Response(member, status_code=201 if is_new else 200)

    @delete(
        "/{user:str}",
        opt=may(Action.LEAVE_WORKSPACE),
        responses={204: success(None, "No member any more"), **failures(403, 404, 409)},
    )
    async def remove(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        user: FromPath[str],
        members: NamedDependency[MemberService],
    ) -> None:
        """Leave a workspace, or remove a member from it; `{user}` is a user's id or `me`.

        Only an owner removes others.
        """
        await members.remove(request.user, workspace, user)
