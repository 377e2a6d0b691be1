"""Imports that run or ran: look, follow, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage, Stream

from backend.controllers.answers import attachment, success, tagged_by_content
from backend.controllers.documented import IF_NONE_MATCH, documented
from backend.controllers.parameters import CallerRequest, Limit, Offset, Workspace
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.import_status import ImportList, ImportStatus
from backend.security.auth import may
from backend.services.import_status import OPEN, ImportStatusService
from backend.services.rejected_files import RejectedFiles

EVENTS = {"text/event-stream": {"description": "Events whose data is the import's status, as JSON."}}


class ImportStatusController(Controller):
    path = "/imports"
    tags = ("imports",)
    opt = may(Action.READ_DATASETS)

    @get("/", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_page(
        self,
        request: CallerRequest,
        import_status: NamedDependency[ImportStatusService],
        workspace: Workspace = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[ImportList | None]:
        """The imports of one workspace, the newest first, without their reports."""
        found = await import_status.list_page(request.user, workspace=workspace, limit=limit, offset=offset)
        return tagged_by_content(request, found)

    @get("/{import_id:uuid}", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self, request: CallerRequest, import_id: FromPath[UUID], import_status: NamedDependency[ImportStatusService]
    ) -> Response[ImportStatus | None]:
        """How far an import is, or how it ended."""
        return tagged_by_content(request, await import_status.get(request.user, import_id))

    @get("/{import_id:uuid}/events", responses=failures(404), operation_class=documented(files=EVENTS))
    async def events(
        self, request: CallerRequest, import_id: FromPath[UUID], import_status: NamedDependency[ImportStatusService]
    ) -> ServerSentEvent:
        """The same as Server-Sent Events, until it has ended or the key does not open it any more.

        `progress` at least once a second, then one of `done`, `failed`, `cancelled`; the data of each is the status.
        """
        status = await import_status.get(request.user, import_id)
        return ServerSentEvent(
            _messages(import_status.events(request.user, status)), headers={"Cache-Control": "private, no-cache"}
        )

    @get("/{import_id:uuid}/rejected", responses=failures(404), operation_class=documented(files=["text/csv"]))
    async def rejected(
        self, request: CallerRequest, import_id: FromPath[UUID], rejected_files: NamedDependency[RejectedFiles]
    ) -> Stream:
        """The rows that did not go in, as CSV: `__row`, `__error`, and their cells as they stood in the file."""
        file = await rejected_files.start(request.user, import_id)
        headers = {"Content-Disposition": attachment(file.filename), "X-Row-Count": str(file.rows)}
        return Stream(file.chunks, media_type="text/csv", headers=headers)

    @delete(
        "/{import_id:uuid}",
        opt=may(Action.WRITE_RECORDS),
        status_code=202,
        responses={**failures(403, 404, 409), 204: success(None, "It has ended; nothing of it is left")},
    )
    async def cancel(
        self, request: CallerRequest, import_id: FromPath[UUID], import_status: NamedDependency[ImportStatusService]
    ) -> Response[ImportStatus | None]:
        """Cancel an import; nothing of it stays."""
        status = await import_status.cancel(request.user, import_id)
        return Response(status, status_code=202) if status.state in OPEN else Response(None, status_code=204)


async def _messages(statuses: AsyncIterator[ImportStatus]) -> AsyncIterator[ServerSentEventMessage]:
    number = 0
    async for status in statuses:
        number += 1
        event = "progress" if status.state in OPEN else status.state
        yield ServerSentEventMessage(msgspec.json.encode(status), event=event, id=number)
