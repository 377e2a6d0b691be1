"""Records by their value in the dataset's key column."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import unquote_to_bytes

from litestar import Controller, Response, delete, get, patch, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter

from backend.controllers import bodies
from backend.controllers.answers import REMOVED_RECORD, WRITTEN_RECORD, success, tagged
from backend.controllers.documented import IF_NONE_MATCH, JSON, RECORD, documented
from backend.controllers.parameters import CallerRequest, IfMatch, Ref, Workspace
from backend.controllers.problems import failures
from backend.controllers.queries import version_asked
from backend.errors import InvalidParameter
from backend.schemas.access import Action
from backend.schemas.records import Changed, Record
from backend.security.auth import may
from backend.services.keyed_records import KeyedRecordService
from backend.services.record_keys import ByKey
from backend.services.record_writes import RecordWriteService

_BEFORE = b"/records/by-key/"
OnlyNew: TypeAlias = Annotated[str | None, HeaderParameter(name="If-None-Match")]


class RecordKeyController(Controller):
    """`key` is taken from the address as it was sent, so that it may hold slashes, percent-encoded or not."""

    path = "/datasets/{ref:str}/records/by-key/{key:path}"
    tags = ("records",)
    opt = may(Action.READ_DATASETS)

    @get(responses=failures(304, 404, 409, 410), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self,
        request: CallerRequest,
        ref: Ref,
        key: FromPath[Path],
        keyed_records: NamedDependency[KeyedRecordService],
        workspace: Workspace = None,
        version: FromQuery[str | None] = None,
        as_of: FromQuery[str | None] = None,
    ) -> Response[Record | None]:
        """The record with this value in the key column."""
        number, moment = version_asked(version, as_of)
        record, etag = await keyed_records.get(
            request.user, ref, workspace, _sent(request, key), version=number, as_of=moment
        )
        return tagged(request, record, etag)

    @patch(
        opt=may(Action.WRITE_RECORDS),
        responses=WRITTEN_RECORD,
        operation_class=documented(body={JSON: RECORD}),
    )
    async def change(
        self,
        request: CallerRequest,
        ref: Ref,
        key: FromPath[Path],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[Record | Changed]:
        """Change the named fields of the record with this key (JSON merge patch); the others keep their value."""
        item = bodies.record(await request.body())
        record, etag, changed = await record_writes.patch(
            request.user, ref, workspace, ByKey(_sent(request, key)), item, if_match=if_match, dry_run=dry_run
        )
        return Response(changed) if dry_run else Response(record, headers={"ETag": etag})

    @put(
        opt=may(Action.WRITE_RECORDS),
        responses={**WRITTEN_RECORD, 201: success(Record, "A new record")},
        operation_class=documented(body={JSON: RECORD}),
    )
    async def replace(
        self,
        request: CallerRequest,
        ref: Ref,
        key: FromPath[Path],
        keyed_records: NamedDependency[KeyedRecordService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
        if_none_match: OnlyNew = None,
    ) -> Response[Record | Changed]:
        """Replace all fields of the record with this key, or make it; the key itself may be left out of the body.

        With `If-None-Match: *` it is only made: 412 where there is one.
        """
        if if_none_match not in {None, "*"}:
            text = "If-None-Match takes only * here: make the record where there is none. An ETag goes into If-Match."
            raise InvalidParameter(text)
        item = bodies.record(await request.body())
        record, etag, changed = await keyed_records.put(
            request.user,
            ref,
            workspace,
            _sent(request, key),
            item,
            if_match=if_match,
            only_new=if_none_match is not None,
            dry_run=dry_run,
        )
        if dry_run:
            made = Changed(record.version, 1, 0, 0, 0, data=[record], dry_run=True)
            return Response(changed or made, status_code=200)
        return Response(record, headers={"ETag": etag}, status_code=200 if changed else 201)

    @delete(
        opt=may(Action.WRITE_RECORDS),
        status_code=200,
        responses=REMOVED_RECORD,
    )
    async def remove(
        self,
        request: CallerRequest,
        ref: Ref,
        key: FromPath[Path],
        record_writes: NamedDependency[RecordWriteService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[Changed | None]:
        """Delete the record with this key; older versions keep it."""
        done = await record_writes.delete(
            request.user, ref, workspace, ByKey(_sent(request, key)), if_match=if_match, dry_run=dry_run
        )
        return Response(done) if dry_run else Response(None, status_code=204)


def _sent(request: CallerRequest, routed: Path) -> str:
    """The key as it was sent: routing has joined its slashes and cut it at its ends. Raises InvalidParameter."""
    sent = request.scope.get("raw_path", b"").partition(b"?")[0].partition(_BEFORE)[2]
    try:
        return unquote_to_bytes(sent).decode() if sent else str(routed).removeprefix("/")
    except UnicodeDecodeError:
        raise InvalidParameter("The key in the address is not UTF-8.") from None
