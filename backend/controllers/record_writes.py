"""Writing records: create, change, replace, delete, and many of these at once."""

from __future__ import annotations

from litestar import Controller, Response, delete, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ASGIApp

from backend.controllers import bodies
from backend.controllers.answers import REFUSED_WRITE, REMOVED_RECORD, WRITTEN_RECORD, preference, ready, success
from backend.controllers.bodies import NDJSON, limited
from backend.controllers.documented import BATCH, JSON, PREFER, RECORD, RECORD_LINES, RECORDS, documented
from backend.controllers.filtered_writes import WHERE, MaxAffected, asked_patch, patch_where
from backend.controllers.parameters import CallerRequest, IfMatch, Ref, Workspace, wants_minimal
from backend.controllers.record_streams import MEDIA_TYPES, create_from_lines
from backend.controllers.uploads import body_chunks
from backend.schemas.access import Action
from backend.schemas.addresses import API_PATH
from backend.schemas.records import Appended, Changed, Record, Written
from backend.security.auth import may
from backend.services.filtered_writes import FilteredWriteService, Terms
from backend.services.record_streams import RecordStreams
from backend.services.record_writes import RecordWriteService


class RecordWriteController(Controller):
    path = "/datasets/{ref:str}"
    tags = ("records",)
    opt = may(Action.WRITE_RECORDS)

    @post(
        "/records",
        request_max_body_size=None,
        responses={200: success(Written | Appended, "A dry run"), **REFUSED_WRITE},
        operation_class=documented(parameters=[PREFER], body={JSON: RECORDS, NDJSON: RECORD_LINES}),
    )
    async def create(
        self,
        request: CallerRequest,
        ref: Ref,
        record_writes: NamedDependency[RecordWriteService],
        record_streams: NamedDependency[RecordStreams],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[Record | Written | Appended]:
        """New records: one object, an array, or NDJSON of any length; all of them or none."""
        if request.content_type[0] in MEDIA_TYPES:
            return await create_from_lines(request, record_streams, ref, workspace, if_match=if_match, dry_run=dry_run)
        most = record_streams.folder.json_limit
        items, single = bodies.records(await limited(body_chunks(request), most, request.content_length))
        if dry_run or not single:
            minimal = wants_minimal(request)
            written, etag = await record_writes.create(
                request.user,
                ref,
                workspace,
                items,
                if_match=if_match,
                single=single,
                answer=not minimal,
                dry_run=dry_run,
            )
            headers = {"ETag": etag, **preference(minimal=minimal)}
            return Response(written, status_code=200 if dry_run else 201, headers=headers)
        dataset, record, etag = await record_writes.create_one(
            request.user, ref, workspace, items[0], if_match=if_match
        )
        location = f"{API_PATH}/datasets/{dataset}/records/{record.id}"
        return Response(record, status_code=201, headers={"ETag": etag, "Location": location})

    @patch(
        "/records/{record_id:int}",
        responses=WRITTEN_RECORD,
        operation_class=documented(body={JSON: RECORD}),
    )
    async def change(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> ASGIApp:
        """Change the named fields of one record (JSON merge patch); the others keep their value."""
        item = bodies.record(await request.body())
        record, etag, changed = await record_writes.patch(
            request.user, ref, workspace, record_id, item, if_match=if_match, dry_run=dry_run
        )
        return Response(changed).to_asgi_response(None, request) if dry_run else ready(record, etag)

    @put(
        "/records/{record_id:int}",
        responses=WRITTEN_RECORD,
        operation_class=documented(body={JSON: RECORD}),
    )
    async def replace(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> ASGIApp:
        """Replace all fields of one record."""
        item = bodies.record(await request.body())
        record, etag, changed = await record_writes.replace(
            request.user, ref, workspace, record_id, item, if_match=if_match, dry_run=dry_run
        )
        return Response(changed).to_asgi_response(None, request) if dry_run else ready(record, etag)

    @delete(
        "/records/{record_id:int}",
        status_code=200,
        responses=REMOVED_RECORD,
    )
    async def remove(
        self,
        request: CallerRequest,
        ref: Ref,
        record_id: FromPath[int],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[Changed | None]:
        """Delete one record; older versions keep it."""
        done = await record_writes.delete(request.user, ref, workspace, record_id, if_match=if_match, dry_run=dry_run)
        return Response(done) if dry_run else Response(None, status_code=204)

    @patch(
        "/records",
        responses=REFUSED_WRITE,
        operation_class=documented(parameters=[PREFER], body={JSON: {"oneOf": [BATCH, WHERE]}}),
    )
    async def batch(
        self,
        request: CallerRequest,
        ref: Ref,
        record_writes: NamedDependency[RecordWriteService],
        filtered_writes: NamedDependency[FilteredWriteService],
        workspace: Workspace = None,
        partial: FromQuery[bool] = False,
        dry_run: FromQuery[bool] = False,
        max_affected: MaxAffected = None,
        if_match: IfMatch = None,
    ) -> Response[Changed]:
        """Change, delete and create up to 10,000 records, or change all that a filter lets through, as one version.

        All of it or nothing; with `partial=true` what is good goes in, and each bad operation is answered. `where` and
        `set` patch all records that match; with `max_affected` none of them when more do.
        """
        if (where := asked_patch(await request.body(), partial=partial, max_affected=max_affected)) is not None:
            terms = Terms(where.max_affected, if_match, dry_run=dry_run)
            return await patch_where(request, ref, workspace, filtered_writes, where, terms)
        minimal = wants_minimal(request)
        done, etag = await record_writes.batch(
            request.user,
            ref,
            workspace,
            bodies.batch(await request.body()),
            partial=partial,
            answer=not minimal,
            dry_run=dry_run,
            if_match=if_match,
        )
        return Response(done, headers={"ETag": etag, **preference(minimal=minimal)})
