"""A workspace as one file: out, and in again."""

from __future__ import annotations

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from backend.controllers.answers import attachment
from backend.controllers.documented import EXPORT_OPTIONS, documented
from backend.controllers.exports import OPTIONS, export_options
from backend.controllers.parameters import READS_PARAMETERS, CallerRequest, refuse_unknown
from backend.controllers.problems import failures
from backend.controllers.queries import string_members
from backend.schemas.access import Action
from backend.security.auth import may
from backend.services.workspace_exports import WorkspaceExportService

ZIP = "application/zip"


class WorkspaceArchiveController(Controller):
    path = "/workspaces"
    tags = ("workspaces",)
    opt = may(Action.EXPORT_WORKSPACE)

    @get(
        "/{workspace:str}/export",
        opt=READS_PARAMETERS,
        responses=failures(403, 404, 409, 422),
        operation_class=documented(parameters=EXPORT_OPTIONS, files=[ZIP]),
    )
    async def export(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        workspace_exports: NamedDependency[WorkspaceExportService],
    ) -> Stream:
        """All datasets of a workspace as one ZIP, as of one moment, with their schemas and a manifest.

        It is streamed; `manifest.json`, its last entry, has the SHA-256 of every other file.
        """
        refuse_unknown((name for name, _ in request.query_params.multi_items()), tuple(sorted(OPTIONS)))
        options = export_options(string_members(request, OPTIONS))
        archive = await workspace_exports.start(request.user, workspace, options)
        headers = {
            "Content-Disposition": attachment(archive.filename),
            "Cache-Control": "private",
            "X-Row-Count": str(archive.rows),
        }
        return Stream(archive.chunks, media_type=archive.media_type, headers=headers)
