"""Reading records: page, stream, count, one."""

from __future__ import annotations

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream
from litestar.types import ASGIApp

from backend.controllers.answers import page_answer, ready, streamed, success, tagged, tagged_by_content
from backend.controllers.bodies import NDJSON
from backend.controllers.codings import accepted
from backend.controllers.documented import (
    COUNT,
    IF_NONE_MATCH,
    JSON,
    PAGE,
    QUERY,
    RECORD_LINES,
    STREAM,
    documented,
)
from backend.controllers.fast_path import remember
from backend.controllers.parameters import (
    READS_PARAMETERS,
    CallerRequest,
    Limit,
    Offset,
    Ref,
    Workspace,
    header,
)
from backend.controllers.problems import failures
from backend.controllers.queries import (
    DESCRIPTION,
    EXPLAIN,
    body_members,
    explain_asked,
    query_from_members,
    query_from_string,
    string_members,
    version_asked,
)
from backend.query.nodes import MAX_LIMIT, Query
from backend.schemas.access import Action
from backend.schemas.explanations import Explained
from backend.schemas.records import Record, RecordCount, RecordHistory, RecordPage
from backend.security.auth import may
from backend.services.explanations import ExplanationService
from backend.services.preconditions import matches
from backend.services.queries import QueryService
from backend.services.records import RecordService


class RecordController(Controller):
    path = "/datasets/{ref:str}"
    tags = ("records",)
    opt = may(Action.READ_DATASETS)

    @get(
        "/records",
        opt=READS_PARAMETERS,
        responses={
            200: success(RecordPage | Explained, "A page of records, or with `explain` how it would be found"),
            **failures(304, 404, 410, 422),
        },
        operation_class=documented(parameters=PAGE, answers={NDJSON: RECORD_LINES}),
        description=DESCRIPTION,
    )
    async def list_page(
        self,
        request: CallerRequest,
        ref: Ref,
        queries: NamedDependency[QueryService],
        explanations: NamedDependency[ExplanationService],
    ) -> ASGIApp:
        """A page of records; with `Accept: application/x-ndjson` all of them, a record a line."""
        lines, explains = NDJSON in header(request, b"accept", ""), _explains(request)
        most = None if lines and not explains else MAX_LIMIT
        workspace, query = query_from_string(request.scope["query_string"], EXPLAIN, max_limit=most)
        if explains:
            return await _explained(request, ref, workspace, query, explanations)
        if lines:
            return (await _stream(request, ref, workspace, query, queries)).to_asgi_response(None, request)
        answer = await _page(request, ref, workspace, query, queries)
        remember(request.scope, ref)
        return answer

    @post(
        "/query",
        status_code=200,
        responses={
            200: success(RecordPage | Explained, "A page of records, or with `explain` how it would be found"),
            **failures(304, 404, 410, 413, 422),
        },
        operation_class=documented(parameters=[IF_NONE_MATCH], body={JSON: QUERY}, answers={NDJSON: RECORD_LINES}),
    )
    async def query(
        self,
        request: CallerRequest,
        ref: Ref,
        queries: NamedDependency[QueryService],
        explanations: NamedDependency[ExplanationService],
        workspace: Workspace = None,
    ) -> ASGIApp:
        """A page of records, asked for by a JSON body."""
        members = await body_members(request)
        lines, explains = NDJSON in header(request, b"accept", ""), explain_asked(members)
        query = query_from_members(members, EXPLAIN, max_limit=None if lines and not explains else MAX_LIMIT)
        if explains:
            return await _explained(request, ref, workspace, query, explanations)
        if lines:
            return (await _stream(request, ref, workspace, query, queries)).to_asgi_response(None, request)
        return await _page(request, ref, workspace, query, queries)

    @get(
        "/records/stream",
        opt=READS_PARAMETERS,
        responses=failures(304, 404, 410, 422),
        operation_class=documented(parameters=STREAM, files={NDJSON: RECORD_LINES}),
    )
    async def stream(
        self, request: CallerRequest, ref: Ref, queries: NamedDependency[QueryService]
    ) -> Stream | Response[None]:
        """All records that match, one JSON object a line."""
        workspace, query = query_from_string(request.scope["query_string"], max_limit=None)
        return await _stream(request, ref, workspace, query, queries)

    @get(
        "/records/count",
        opt=READS_PARAMETERS,
        responses=failures(304, 404, 410, 422),
        operation_class=documented(parameters=COUNT),
    )
    async def count(
        self,
        request: CallerRequest,
        ref: Ref,
        queries: NamedDependency[QueryService],
        explanations: NamedDependency[ExplanationService],
    ) -> Response[RecordCount | None] | Response[Explained | None]:
        """How many records match."""
        workspace, query = query_from_string(request.scope["query_string"], EXPLAIN)
        if _explains(request):
            explained = Explained(await explanations.explain(request.user, ref, workspace, query, "count"))
            return tagged_by_content(request, explained)
        answer, etag = await queries.count(request.user, ref, workspace, query)
        return tagged(request, answer, etag)

    @get(
        "/records/{record_id:int}",
        responses={200: success(Record, "The record"), **failures(304, 404, 410)},
        operation_class=documented(parameters=[IF_NONE_MATCH]),
    )
    async def read(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        records: NamedDependency[RecordService],
        workspace: Workspace = None,
        version: FromQuery[str | None] = None,
        as_of: FromQuery[str | None] = None,
    ) -> ASGIApp:
        """One record."""
        number, moment = version_asked(version, as_of)
        record, etag = await records.get(request.user, ref, workspace, record_id, version=number, as_of=moment)
        known = matches(header(request, b"if-none-match", None), etag, weak=True)
        return ready(record, etag, status=304 if known else 200)

    @get(
        "/records/{record_id:int}/history",
        responses=failures(304, 404),
        operation_class=documented(parameters=[IF_NONE_MATCH]),
    )
    async def history(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        records: NamedDependency[RecordService],
        workspace: Workspace = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[RecordHistory | None]:
        """All that a record ever was, the oldest first, with who wrote it and when."""
        history = await records.history(request.user, ref, workspace, record_id, limit=limit, offset=offset)
        return tagged_by_content(request, history)


def _explains(request: CallerRequest) -> bool:
    return b"explain" in request.scope["query_string"] and explain_asked(string_members(request, EXPLAIN))


async def _explained(
    request: CallerRequest, ref: str, workspace: str | None, query: Query, explanations: ExplanationService
) -> ASGIApp:
    explained = Explained(await explanations.explain(request.user, ref, workspace, query))
    return tagged_by_content(request, explained).to_asgi_response(None, request)


async def _page(
    request: CallerRequest, ref: str, workspace: str | None, query: Query, queries: QueryService
) -> ASGIApp:
    known, coding = header(request, b"if-none-match", None), accepted(header(request, b"accept-encoding", ""))
    return page_answer(*await queries.page(request.user, ref, workspace, query, if_none_match=known, coding=coding))


async def _stream(
    request: CallerRequest, ref: str, workspace: str | None, query: Query, queries: QueryService
) -> Stream | Response[None]:
    return await streamed(request, await queries.stream(request.user, ref, workspace, query))
