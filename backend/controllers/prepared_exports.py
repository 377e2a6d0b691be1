"""Exports that are made beside the requests: look, take the file in parts, delete."""

from __future__ import annotations

import re
from uuid import UUID

from litestar import Controller, Response, delete, get, head
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from backend.controllers.answers import attachment, success, tagged_by_content
from backend.controllers.documented import IF_NONE_MATCH, TEXT, documented, parameter
from backend.controllers.parameters import CallerRequest, Limit, Offset, Workspace
from backend.controllers.problems import failures
from backend.errors import RangeNotSatisfiable
from backend.schemas.access import Action
from backend.schemas.prepared_exports import PreparedExport, PreparedExportList
from backend.security.auth import may
from backend.services.preconditions import matches
from backend.services.prepared_exports import PreparedExportService
from backend.writers import WRITERS

_MEDIA_TYPES = [writer.media_type.partition(";")[0] for writer in WRITERS.values()]
_RANGE = re.compile(r"(?i:bytes)=(?:([0-9]{1,1000})-([0-9]{0,1000})|-([0-9]{1,1000}))")
_HEADERS = (
    parameter("Range", TEXT, "One range of bytes: `bytes=1000-`; the answer is 206.", where="header"),
    parameter("If-Range", TEXT, "The ETag of the file that the range is of.", where="header"),
    IF_NONE_MATCH,
)


class PreparedExportController(Controller):
    path = "/exports"
    tags = ("exports",)
    opt = may(Action.READ_DATASETS)

    @get("/", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_page(
        self,
        request: CallerRequest,
        prepared: NamedDependency[PreparedExportService],
        workspace: Workspace = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[PreparedExportList | None]:
        """The prepared exports of one workspace, the newest first."""
        found = await prepared.list_page(request.user, workspace=workspace, limit=limit, offset=offset)
        return tagged_by_content(request, found)

    @get("/{export_id:uuid}", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self, request: CallerRequest, export_id: FromPath[UUID], prepared: NamedDependency[PreparedExportService]
    ) -> Response[PreparedExport | None]:
        """How far an export is, and where its file is once it is done."""
        return tagged_by_content(request, await prepared.get(request.user, export_id))

    @get(
        "/{export_id:uuid}/file",
        responses={206: success(None, "The range that was asked for"), **failures(304, 404, 409, 416)},
        operation_class=documented(parameters=_HEADERS, files=_MEDIA_TYPES),
    )
    async def file(
        self, request: CallerRequest, export_id: FromPath[UUID], prepared: NamedDependency[PreparedExportService]
    ) -> Stream | Response[None]:
        """The file of a finished export, or a range of it: the same bytes each time."""
        export = await prepared.finished(request.user, export_id)
        headers = _headers(export)
        if matches(request.headers.get("if-none-match"), headers["ETag"], weak=True):
            return Response(None, status_code=304, headers={"ETag": headers["ETag"]})
        part = _range(request, headers["ETag"], export.bytes)
        start, stop = part or (0, export.bytes)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{export.bytes}"
        return Stream(
            prepared.read(export, start, stop),
            status_code=200 if part is None else 206,
            media_type=export.media_type.removesuffix("; charset=utf-8"),  # which Litestar adds
            headers={**headers, "Content-Length": str(stop - start)},
        )

    @head("/{export_id:uuid}/file", include_in_schema=False)
    async def announce(
        self, request: CallerRequest, export_id: FromPath[UUID], prepared: NamedDependency[PreparedExportService]
    ) -> Response[None]:
        """What `GET` says of the file."""
        export = await prepared.finished(request.user, export_id)
        headers = _headers(export)
        if matches(request.headers.get("if-none-match"), headers["ETag"], weak=True):
            return Response(None, status_code=304, headers={"ETag": headers["ETag"]})
        sizes = {"Content-Type": export.media_type, "Content-Length": str(export.bytes)}
        return Response(None, headers={**headers, **sizes})

    @delete("/{export_id:uuid}", opt=may(Action.DELETE_OWN_EXPORTS), responses=failures(403, 404))
    async def remove(
        self, request: CallerRequest, export_id: FromPath[UUID], prepared: NamedDependency[PreparedExportService]
    ) -> None:
        """Delete an export and its file, an editor or owner any; one that is still being made is given up."""
        await prepared.delete(request.user, export_id)


def _headers(export: PreparedExport) -> dict[str, str]:
    return {
        "Content-Disposition": attachment(export.filename),
        "X-Row-Count": str(export.rows),
        "X-Dataset-Version": str(export.version),
        "ETag": f'"{export.id.hex}"',
        "Accept-Ranges": "bytes",
    }


def _range(request: CallerRequest, etag: str, size: int) -> tuple[int, int] | None:
    """The first byte asked for and the one behind the last; None where the whole file is, or several ranges.

    Raises RangeNotSatisfiable.
    """
    if_range = request.headers.get("if-range")
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last, suffix = asked.groups()
    if first is not None and last and int(last) < int(first):
        return None
    start = max(size - int(suffix), 0) if first is None else int(first)
    stop = min(int(last) + 1, size) if last else size
    if start >= stop:
        raise RangeNotSatisfiable(f"The file has {size:,} bytes.", headers={"Content-Range": f"bytes */{size}"})
    return start, stop
