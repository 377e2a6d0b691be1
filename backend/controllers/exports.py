"""A dataset as a file."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, head, post
from litestar.di import NamedDependency
from litestar.response import Stream

from backend.controllers.answers import attachment, success, tagged_by_content
from backend.controllers.documented import EXPORT, EXPORT_BY_BODY, FILE, JSON, QUERY, documented, schema_of
from backend.controllers.parameters import READS_PARAMETERS, CallerRequest, Ref, converted, flag, parameters_of
from backend.controllers.problems import failures
from backend.controllers.queries import (
    DESCRIPTION,
    body_members,
    explain_asked,
    query_from_members,
    query_from_string,
    string_members,
)
from backend.errors import InvalidQuery
from backend.query.nodes import Query
from backend.schemas.access import Action
from backend.schemas.addresses import API_PATH
from backend.schemas.explanations import Explained
from backend.schemas.exports import ExportOptions
from backend.schemas.prepared_exports import PreparedExport
from backend.security.auth import may
from backend.services.explanations import ExplanationService
from backend.services.export_queue import ExportQueue
from backend.services.exports import Announced, Asked, ExportService
from backend.writers import WRITERS

OPTIONS = frozenset(ExportOptions.__struct_fields__)
_ASKED = OPTIONS | {"prepare", "explain"}
_PREPARED = {202: success(PreparedExport, "With `prepare=true`: the file is being made; `Location` tells how far")}
_RECORDS = {"type": "array", "items": {"type": "object"}}
_FILES = {
    **{writer.media_type.partition(";")[0]: FILE for writer in WRITERS.values()},
    JSON: {"anyOf": [_RECORDS, schema_of(Explained)]},
}


class ExportController(Controller):
    path = "/datasets/{ref:str}/export"
    tags = ("exports",)
    opt = may(Action.READ_DATASETS)

    @get(
        "/",
        opt=READS_PARAMETERS,
        responses=_PREPARED | failures(304, 404, 410, 422),
        operation_class=documented(parameters=EXPORT, files=_FILES),
        description=DESCRIPTION,
    )
    async def export(
        self,
        request: CallerRequest,
        ref: Ref,
        exports: NamedDependency[ExportService],
        export_queue: NamedDependency[ExportQueue],
        explanations: NamedDependency[ExplanationService],
    ) -> Stream | Response[Any]:
        """What matches, as CSV, TSV, XLSX, JSON, NDJSON or Parquet: one version, streamed."""
        workspace, query = query_from_string(request.scope["query_string"], _ASKED, max_limit=None)
        options = string_members(request, _ASKED)
        if explain_asked(options):
            return await _explained(request, ref, workspace, query, explanations)
        asked, prepare = _asked(ref, workspace, query, options)
        return await _export(request, asked, exports, export_queue, prepare=prepare)

    @head("/", opt=READS_PARAMETERS, include_in_schema=False)
    async def announce(
        self,
        request: CallerRequest,
        ref: Ref,
        exports: NamedDependency[ExportService],
        explanations: NamedDependency[ExplanationService],
    ) -> Response[None]:
        """What an export would say of its file; none is made, or prepared."""
        workspace, query = query_from_string(request.scope["query_string"], _ASKED, max_limit=None)
        options = string_members(request, _ASKED)
        if explain_asked(options):
            told = await _explained(request, ref, workspace, query, explanations)
            return Response(None, status_code=told.status_code, headers={"Content-Type": JSON, **told.headers})
        asked, prepare = _asked(ref, workspace, query, options)
        if prepare:
            await exports.plan(request.user, asked)
            return Response(None, status_code=202, headers={"Content-Type": JSON})
        known = request.headers.get("if-none-match")
        announced, etag = await exports.announce(request.user, asked, if_none_match=known)
        if announced is None:
            return Response(None, status_code=304, headers={"ETag": etag})
        return Response(None, headers={"Content-Type": announced.media_type, **_headers(announced, etag)})

    @post(
        "/",
        status_code=200,
        opt=READS_PARAMETERS,
        responses=_PREPARED | failures(304, 404, 410, 413, 422),
        operation_class=documented(parameters=EXPORT_BY_BODY, body={JSON: QUERY}, files=_FILES),
    )
    async def export_query(
        self,
        request: CallerRequest,
        ref: Ref,
        exports: NamedDependency[ExportService],
        export_queue: NamedDependency[ExportQueue],
        explanations: NamedDependency[ExplanationService],
    ) -> Stream | Response[Any]:
        """An export asked for by a JSON body; options of the format stand there or in the query string."""
        params = parameters_of(request, ("workspace", *sorted(_ASKED)))
        members = await body_members(request)
        query = query_from_members(members, _ASKED, max_limit=None)
        stated = {name: value for name, value in members.items() if name in _ASKED}
        workspace, options = params.pop("workspace", None), {**params, **stated}
        if explain_asked(options):
            return await _explained(request, ref, workspace, query, explanations)
        asked, prepare = _asked(ref, workspace, query, options)
        return await _export(request, asked, exports, export_queue, prepare=prepare)


async def _explained(
    request: CallerRequest, ref: str, workspace: str | None, query: Query, explanations: ExplanationService
) -> Response[Any]:
    explained = Explained(await explanations.explain(request.user, ref, workspace, query, "export"))
    return tagged_by_content(request, explained)


def _asked(ref: str, workspace: str | None, query: Query, options: dict[str, Any]) -> tuple[Asked, bool]:
    """What is wanted, and whether it is to be made beside the request. Raises InvalidQuery."""
    options.pop("explain", None)
    prepare = flag("prepare", options.pop("prepare", False))
    return Asked(ref, workspace, query, export_options(options)), prepare


async def _export(
    request: CallerRequest, asked: Asked, exports: ExportService, queue: ExportQueue, *, prepare: bool
) -> Stream | Response[Any]:
    if prepare:
        status = await queue.add(request.user, asked)
        return Response(status, status_code=202, headers={"Location": f"{API_PATH}/exports/{status.id}"})
    known = request.headers.get("if-none-match")
    export, etag = await exports.start(request.user, asked, if_none_match=known)
    if export is None:
        return Response(None, status_code=304, headers={"ETag": etag})
    media_type = export.media_type.removesuffix("; charset=utf-8")  # which Litestar adds
    return Stream(export.chunks, media_type=media_type, headers=_headers(export, etag))


def _headers(announced: Announced, etag: str) -> dict[str, str]:
    return {
        "Content-Disposition": attachment(announced.filename),
        "X-Row-Count": str(announced.rows),
        "X-Dataset-Version": str(announced.version),
        "ETag": etag,
    }


def export_options(members: dict[str, Any]) -> ExportOptions:
    """How a file is to be written, as a request says. Raises InvalidQuery."""
    return converted(members, ExportOptions, "An export option", InvalidQuery)
