"""The versions of a dataset."""

from __future__ import annotations

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.controllers.answers import told
from backend.controllers.documented import IF_NONE_MATCH, documented
from backend.controllers.parameters import CallerRequest, Limit, Offset, Ref, Workspace
from backend.controllers.problems import failures
from backend.schemas.versions import Version, VersionList
from backend.services.versions import VersionService


class VersionController(Controller):
    path = "/datasets/{ref:str}/versions"
    tags = ("versions",)

    @get("/", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_page(
        self,
        request: CallerRequest,
        ref: Ref,
        versions: NamedDependency[VersionService],
        workspace: Workspace = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[VersionList | None]:
        """What was written and by whom, the newest first."""
        page = await versions.list_page(request.user, ref, workspace, limit=limit, offset=offset)
        return told(request, page)

    @get("/{version:int}", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self,
        request: CallerRequest,
        ref: Ref,
        version: FromPath[int],
        versions: NamedDependency[VersionService],
        workspace: Workspace = None,
    ) -> Response[Version | None]:
        """One version."""
        return told(request, await versions.get(request.user, ref, workspace, version))
