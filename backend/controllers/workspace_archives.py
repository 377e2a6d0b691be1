"""A workspace as one file: out, and in again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Response, get, head, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from backend.controllers.answers import attachment, success
from backend.controllers.documented import EXPORT_OPTIONS, FILE, TEXT, Fields, documented, parameter
from backend.controllers.exports import OPTIONS, export_options
from backend.controllers.multipart import FormReceiver
from backend.controllers.parameters import READS_PARAMETERS, CallerRequest, converted, parameters_of
from backend.controllers.problems import failures
from backend.controllers.uploads import body_chunks
from backend.errors import UnsupportedFormat
from backend.query.text import shown
from backend.schemas.access import Action
from backend.schemas.addresses import API_PATH
from backend.schemas.exports import ExportOptions
from backend.schemas.workspace_archives import WorkspaceImport, WorkspaceImportPlan, WorkspaceImportRequest
from backend.security.auth import may
from backend.services.importers import Importers
from backend.services.uploads import Upload
from backend.services.workspace_exports import AnnouncedArchive, WorkspaceExportService
from backend.services.workspace_imports import WorkspaceImportService

ZIP = "application/zip"
_FORM_TYPE = "multipart/form-data"
_RAW = (ZIP, "application/x-zip-compressed", "application/octet-stream", "")
"""As what a ZIP is sent; some clients have no name for it."""
_FIELDS = ("name", "slug", "dry_run")
_FORM: Fields = {
    "type": "object",
    "properties": {"file": FILE, "name": TEXT, "slug": TEXT, "dry_run": TEXT},
    "required": ["file"],
}


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
        archive = await workspace_exports.start(request.user, workspace, _export_options(request))
        return Stream(archive.chunks, media_type=ZIP, headers=_headers(archive))

    @head("/{workspace:str}/export", opt=READS_PARAMETERS, include_in_schema=False)
    async def announce(
        self,
        request: CallerRequest,
        workspace: FromPath[str],
        workspace_exports: NamedDependency[WorkspaceExportService],
    ) -> Response[None]:
        """What an export would say of its file; none is made."""
        announced = await workspace_exports.announce(request.user, workspace, _export_options(request))
        return Response(None, headers={"Content-Type": ZIP, **_headers(announced)})

    @post(
        "/import",
        request_max_body_size=None,
        opt=READS_PARAMETERS | may(Action.ADD_WORKSPACES),
        operation_class=documented(
            parameters=[
                parameter("name", TEXT, "The workspace's name; the archive's without it."),
                parameter(
                    "slug", TEXT, "Its slug; without it the archive's, with a number where you have that already."
                ),
                parameter("dry_run", {"type": "boolean"}, "Check everything, store nothing."),
            ],
            body={ZIP: FILE, _FORM_TYPE: _FORM},
        ),
        responses=failures(403, 409, 413, 415, 422)
        | {
            200: success(WorkspaceImportPlan, "A dry run: what would be made"),
            201: success(WorkspaceImport, "The new workspace"),
        },
    )
    async def import_archive(
        self,
        request: CallerRequest,
        workspace_imports: NamedDependency[WorkspaceImportService],
        importers: NamedDependency[Importers],
    ) -> Response[Any]:
        """Make a new workspace of an exported one: all of it or nothing.

        The archive is sent as the raw body or as the part `file` of a form. Each file in it is checked against the
        manifest's SHA-256 and number of rows.
        """
        with importers.folder.open() as upload:
            asked = await _receive(request, workspace_imports, upload)
            made = await workspace_imports.run(request.user, upload, asked)
        if isinstance(made, WorkspaceImportPlan):
            return Response(made, status_code=200)
        location = f"{API_PATH}/workspaces/{made.head.workspace.id}"
        return Response(made.answer, status_code=201, headers={"ETag": made.head.etag, "Location": location})


def _export_options(request: CallerRequest) -> ExportOptions:
    return export_options(parameters_of(request, sorted(OPTIONS)))


def _headers(announced: AnnouncedArchive) -> dict[str, str]:
    return {
        "Content-Disposition": attachment(announced.filename),
        "Cache-Control": "private",
        "X-Row-Count": str(announced.rows),
    }


async def _receive(request: CallerRequest, imports: WorkspaceImportService, upload: Upload) -> WorkspaceImportRequest:
    """The archive, and what is asked in the query string or in fields of the form: that before the archive is read."""
    params = parameters_of(request, _FIELDS)
    media_type = request.content_type[0]
    if media_type not in (*_RAW, _FORM_TYPE):
        text = (
            f"An archive is sent as {ZIP}, or as the part `file` of a form: {_FORM_TYPE}; not as {shown(media_type)}."
        )
        raise UnsupportedFormat(text)
    await imports.check(request.user, asked := _asked(params))
    if media_type != _FORM_TYPE:
        await upload.receive(body_chunks(request), request.content_length)
        return asked

    async def check(_: str) -> None:
        await imports.check(request.user, _asked(params))

    boundary = request.content_type[1].get("boundary", "")
    await FormReceiver(upload, params, _FIELDS, check).receive(body_chunks(request), boundary)
    return _asked(params)


def _asked(params: Mapping[str, str]) -> WorkspaceImportRequest:
    return converted(params, WorkspaceImportRequest, "A parameter")
