"""The versions of a dataset."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, get
from msgspec import Meta

from backend.controllers.problems import failures
from backend.schemas.callers import Caller
from backend.schemas.versions import Version, VersionList
from backend.services.versions import VersionService

CallerRequest = Request[Caller, Any, Any]


class VersionController(Controller):
    path = "/datasets/{ref:str}/versions"
    tags = ("versions",)

    @get("/", responses=failures(404))
    async def list_page(
        self,
        request: CallerRequest,
        ref: str,
        versions: VersionService,
        workspace: str | None = None,
        limit: Annotated[int, Meta(ge=1, le=1000)] = 100,
        offset: Annotated[int, Meta(ge=0, le=2**31)] = 0,
    ) -> VersionList:
        """What was written and by whom, the newest first."""
        return await versions.list_page(request.user, ref, workspace, limit=limit, offset=offset)

    @get("/{version:int}", responses=failures(404))
    async def read(
        self, request: CallerRequest, ref: str, version: int, versions: VersionService, workspace: str | None = None
    ) -> Version:
        """One version."""
        return await versions.get(request.user, ref, workspace, version)
