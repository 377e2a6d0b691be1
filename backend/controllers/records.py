"""Records: page, stream, count, read, write."""

from __future__ import annotations

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream
from litestar.types import ASGIApp

from backend.controllers import bodies
from backend.controllers.answers import ready, success, tagged, told
from backend.controllers.bodies import NDJSON
from backend.controllers.documented import (
    COUNT,
    IF_NONE_MATCH,
    JSON,
    PAGE,
    QUERY,
    RECORD,
    RECORD_LINES,
    RECORDS,
    STREAM,
    documented,
)
from backend.controllers.parameters import (
    READS_PARAMETERS,
    CallerRequest,
    IfMatch,
    Limit,
    Offset,
    Ref,
    Workspace,
    header,
)
from backend.controllers.problems import failures
from backend.controllers.queries import DESCRIPTION, body_members, query_from_members, query_from_string, version_asked
from backend.query.nodes import Query
from backend.schemas.records import Record, RecordCount, RecordHistory, RecordPage, Written
from backend.security.auth import may_write
from backend.services.record_writes import RecordWriteService
from backend.services.records import RecordService


class RecordController(Controller):
    path = "/datasets/{ref:str}"
    tags = ("records",)

    @get(
        "/records",
        opt=READS_PARAMETERS,
        responses={200: success(RecordPage, "A page of records"), **failures(304, 404)},
        operation_class=documented(parameters=PAGE, answers={NDJSON: RECORD_LINES}),
        description=DESCRIPTION,
    )
    async def list_page(self, request: CallerRequest, ref: Ref, records: NamedDependency[RecordService]) -> ASGIApp:
        """A page of records; with `Accept: application/x-ndjson` all of them, a record a line."""
        workspace, query = query_from_string(request)
        if NDJSON in header(request, b"accept", ""):
            return (await _stream(request, ref, workspace, query, records)).to_asgi_response(None, request)
        return await _page(request, ref, workspace, query, records)

    @post(
        "/query",
        status_code=200,
        responses={200: success(RecordPage, "A page of records"), **failures(304, 404, 413, 422)},
        operation_class=documented(parameters=[IF_NONE_MATCH], body={JSON: QUERY}, answers={NDJSON: RECORD_LINES}),
    )
    async def query(
        self,
        request: CallerRequest,
        ref: Ref,
        records: NamedDependency[RecordService],
        workspace: Workspace = None,
    ) -> ASGIApp:
        """A page of records, asked for by a JSON body."""
        query = query_from_members(await body_members(request))
        if NDJSON in header(request, b"accept", ""):
            return (await _stream(request, ref, workspace, query, records)).to_asgi_response(None, request)
        return await _page(request, ref, workspace, query, records)

    @get(
        "/records/stream",
        opt=READS_PARAMETERS,
        responses=failures(404),
        operation_class=documented(parameters=STREAM),
        media_type=NDJSON,
    )
    async def stream(self, request: CallerRequest, ref: Ref, records: NamedDependency[RecordService]) -> Stream:
        """All records that match, one JSON object a line."""
        workspace, query = query_from_string(request, max_limit=None)
        return await _stream(request, ref, workspace, query, records)

    @get(
        "/records/count",
        opt=READS_PARAMETERS,
        responses=failures(304, 404),
        operation_class=documented(parameters=COUNT),
    )
    async def count(
        self, request: CallerRequest, ref: Ref, records: NamedDependency[RecordService]
    ) -> Response[RecordCount | None]:
        """How many records match."""
        workspace, query = query_from_string(request)
        answer, etag = await records.count(request.user, ref, workspace, query)
        return tagged(request, answer, etag)

    @get(
        "/records/{record_id:int}",
        responses=failures(304, 404),
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
    ) -> Response[Record | None]:
        """One record."""
        number, moment = version_asked(version, as_of)
        record, etag = await records.get(request.user, ref, workspace, record_id, version=number, as_of=moment)
        return tagged(request, record, etag)

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
        return told(request, history)

    @post(
        "/records",
        guards=[may_write],
        responses=failures(403, 404, 409, 412, 413, 422),
        operation_class=documented(body={JSON: RECORDS, NDJSON: RECORD_LINES}),
    )
    async def create(
        self,
        request: CallerRequest,
        ref: Ref,
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> Response[Record | Written]:
        """New records: one object, an array, or NDJSON; all of them or none."""
        items, single = bodies.records(await request.body(), request.content_type[0])
        if not single:
            written, etag = await record_writes.create(request.user, ref, workspace, items, if_match=if_match)
            return Response(written, status_code=201, headers={"ETag": etag})
        dataset, record, etag = await record_writes.create_one(
            request.user, ref, workspace, items[0], if_match=if_match
        )
        location = f"/api/v1/datasets/{dataset}/records/{record.id}"
        return Response(record, status_code=201, headers={"ETag": etag, "Location": location})

    @patch(
        "/records/{record_id:int}",
        guards=[may_write],
        responses=failures(403, 404, 409, 412, 413, 422),
        operation_class=documented(body={JSON: RECORD}),
    )
    async def change(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> Response[Record]:
        """Change the named fields of one record (JSON merge patch); the others keep their value."""
        item = bodies.record(await request.body())
        record, etag = await record_writes.patch(request.user, ref, workspace, record_id, item, if_match=if_match)
        return Response(record, headers={"ETag": etag})

    @put(
        "/records/{record_id:int}",
        guards=[may_write],
        responses=failures(403, 404, 409, 412, 413, 422),
        operation_class=documented(body={JSON: RECORD}),
    )
    async def replace(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> Response[Record]:
        """Replace all fields of one record."""
        item = bodies.record(await request.body())
        record, etag = await record_writes.replace(request.user, ref, workspace, record_id, item, if_match=if_match)
        return Response(record, headers={"ETag": etag})

    @delete("/records/{record_id:int}", guards=[may_write], responses=failures(403, 404, 409, 412))
    async def remove(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> None:
        """Delete one record; older versions keep it."""
        await record_writes.delete(request.user, ref, workspace, record_id, if_match=if_match)


async def _page(
    request: CallerRequest, ref: str, workspace: str | None, query: Query, records: RecordService
) -> ASGIApp:
    known = header(request, b"if-none-match", None)
    page, etag = await records.page(request.user, ref, workspace, query, if_none_match=known)
    return ready(page, etag, status=200 if page else 304)


async def _stream(
    request: CallerRequest, ref: str, workspace: str | None, query: Query, records: RecordService
) -> Stream:
    version, lines = await records.stream(request.user, ref, workspace, query)
    return Stream(lines, media_type=NDJSON, headers={"X-Dataset-Version": str(version)})
