"""The versions of a dataset: list, read, name."""

from __future__ import annotations

from litestar import Controller, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.controllers.answers import tagged_by_content
from backend.controllers.bodies import decoded
from backend.controllers.documented import IF_NONE_MATCH, JSON, documented, schema_of
from backend.controllers.parameters import CallerRequest, Limit, Offset, Ref, Workspace
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.versions import Tag, Version, VersionList
from backend.security.auth import may
from backend.services.versions import VersionService


class VersionController(Controller):
    path = "/datasets/{ref:str}/versions"
    tags = ("versions",)
    opt = may(Action.READ_DATASETS)

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
        return tagged_by_content(request, page)

    @get("/{version:int}", responses=failures(304, 404, 410), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self,
        request: CallerRequest,
        ref: Ref,
        version: FromPath[int],
        versions: NamedDependency[VersionService],
        workspace: Workspace = None,
    ) -> Response[Version | None]:
        """One version."""
        return tagged_by_content(request, await versions.get(request.user, ref, workspace, version))

    @put(
        "/{version:int}/tag",
        opt=may(Action.CHANGE_DATASETS),
        responses=failures(403, 404, 409, 410, 413, 422),
        operation_class=documented(body={JSON: schema_of(Tag)}),
    )
    async def tag(
        self,
        request: CallerRequest,
        ref: Ref,
        version: FromPath[int],
        versions: NamedDependency[VersionService],
        workspace: Workspace = None,
    ) -> Version:
        """Give a version a name by which it is found as by its number; it has one at a time."""
        named = decoded(await request.body(), Tag)
        return await versions.tag(request.user, ref, workspace, version, named.tag)

    @delete("/{version:int}/tag", opt=may(Action.CHANGE_DATASETS), responses=failures(403, 404, 410))
    async def untag(
        self,
        request: CallerRequest,
        ref: Ref,
        version: FromPath[int],
        versions: NamedDependency[VersionService],
        workspace: Workspace = None,
    ) -> None:
        """Take a version's name away."""
        await versions.tag(request.user, ref, workspace, version, None)
