"""Workspaces: make, list, read, change, choose as default, delete, undelete."""

from __future__ import annotations

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.controllers.answers import success, tagged, tagged_by_content
from backend.controllers.bodies import decoded
from backend.controllers.documented import IF_NONE_MATCH, JSON, documented, schema_of
from backend.controllers.parameters import CallerRequest, IfMatch, Limit, Offset
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.addresses import API_PATH
from backend.schemas.workspaces import Workspace, WorkspaceCreate, WorkspaceHead, WorkspaceList, WorkspacePatch
from backend.security.auth import may
from backend.services.workspaces import WorkspaceService


class WorkspaceController(Controller):
    path = "/workspaces"
    tags = ("workspaces",)
    opt = may(Action.READ_WORKSPACE)

    @get("/", responses=failures(304), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_page(
        self,
        request: CallerRequest,
        workspaces: NamedDependency[WorkspaceService],
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[WorkspaceList | None]:
        """The caller's workspaces, the default one first."""
        return tagged_by_content(request, await workspaces.list_page(request.user, limit=limit, offset=offset))

    @post(
        "/",
        opt=may(Action.ADD_WORKSPACES),
        responses=failures(403, 409, 413, 422),
        operation_class=documented(body={JSON: schema_of(WorkspaceCreate)}),
    )
    async def create(
        self, request: CallerRequest, workspaces: NamedDependency[WorkspaceService]
    ) -> Response[Workspace]:
        """A new, empty workspace of the caller's own."""
        head = await workspaces.create(request.user, decoded(await request.body(), WorkspaceCreate))
        location = f"{API_PATH}/workspaces/{head.workspace.id}"
        return Response(head.workspace, status_code=201, headers={"ETag": head.etag, "Location": location})

    @get("/{workspace:str}", responses=failures(304, 404, 409), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self, request: CallerRequest, workspace: FromPath[str], workspaces: NamedDependency[WorkspaceService]
    ) -> Response[Workspace | None]:
        """One workspace."""
        head = await workspaces.get(request.user, workspace)
        return tagged(request, head.workspace, head.etag)

    @patch(
        "/{workspace:str}",
        opt=may(Action.CHANGE_WORKSPACE),
        responses=failures(403, 404, 409, 412, 413, 422),
        operation_class=documented(body={JSON: schema_of(WorkspacePatch)}),
    )
    async def change(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        workspaces: NamedDependency[WorkspaceService],
        if_match: IfMatch = None,
    ) -> Response[Workspace]:
        """Rename or describe a workspace."""
        changes = decoded(await request.body(), WorkspacePatch)
        return _answer(await workspaces.patch(request.user, workspace, changes, if_match=if_match))

    @put("/{workspace:str}/default", opt=may(Action.CHOOSE_DEFAULT), responses=failures(403, 404, 409))
    async def choose(
        self, request: CallerRequest, workspace: FromPath[str], workspaces: NamedDependency[WorkspaceService]
    ) -> Response[Workspace]:
        """Make a workspace one's default: the one that slugs are looked up in."""
        return _answer(await workspaces.choose(request.user, workspace))

    @delete(
        "/{workspace:str}",
        opt=may(Action.CHANGE_WORKSPACE),
        responses={204: success(None, "The workspace is gone"), **failures(403, 404, 409, 412)},
    )
    async def remove(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        workspaces: NamedDependency[WorkspaceService],
        if_match: IfMatch = None,
    ) -> None:
        """Delete a workspace with all that is in it; it can be restored for a grace time."""
        await workspaces.delete(request.user, workspace, if_match=if_match)

    @post(
        "/{workspace:str}/undelete",
        opt=may(Action.CHANGE_WORKSPACE),
        status_code=200,
        responses=failures(403, 404, 409, 422),
    )
    async def undelete(
        self, request: CallerRequest, workspace: FromPath[str], workspaces: NamedDependency[WorkspaceService]
    ) -> Response[Workspace]:
        """Bring a deleted workspace back, by its id, or by the slug that it had."""
        return _answer(await workspaces.undelete(request.user, workspace))


def _answer(head: WorkspaceHead) -> Response[Workspace]:
    return Response(head.workspace, headers={"ETag": head.etag})
