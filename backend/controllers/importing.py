"""A file on its way into a dataset: sent now or kept before, imported while its caller waits or later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar import Response
from msgspec import structs

from backend.controllers.documented import TEXT, parameter
from backend.controllers.parameters import CallerRequest
from backend.schemas.addresses import API_PATH
from backend.schemas.import_status import ImportStatus
from backend.schemas.imports import ImportRequest
from backend.schemas.plans import AnyPlan, KeptFile
from backend.services.importers import Importers
from backend.services.jobs import Imported
from backend.services.uploads import Upload

Receive = Callable[[Upload], Awaitable[ImportRequest]]
"""Takes the body; answers what is asked with it."""
Shape = Callable[[Imported], Response[Any]]
"""Makes the answer of an import that is done."""

PREFER = parameter(
    "Prefer", TEXT, "`respond-async`: 202 as soon as the file is stored; it is imported after that.", where="header"
)


async def import_sent(request: CallerRequest, parts: Importers, receive: Receive, shape: Shape) -> Response[Any]:
    """Imports the file in the body; a dry run keeps it for a while."""
    with parts.folder.open() as upload:
        asked = await receive(upload)
        if wants_later(request):
            return accepted(await parts.queue.add(request.user, upload, asked))
        imported = await parts.runs.run(request.user, upload, asked)
        if not isinstance(imported.answer, AnyPlan):
            return shape(imported)
        kept = KeptFile(*await parts.uploads.keep(request.user, asked.workspace, upload))
        return Response(structs.replace(imported.answer, upload=kept), status_code=200)


async def import_kept(
    request: CallerRequest, parts: Importers, upload_id: UUID, asked: ImportRequest, shape: Shape
) -> Response[Any]:
    """Imports a file that was sent before. Raises UploadNotFound."""
    if wants_later(request):
        return accepted(await parts.queue.add(request.user, upload_id, asked))
    async with parts.uploads.open(request.user, upload_id) as (upload, found):
        imported = await parts.runs.run(request.user, upload, asked)
    if not isinstance(imported.answer, AnyPlan):
        return shape(imported)
    kept = KeptFile(found.id, found.expires_at)
    return Response(structs.replace(imported.answer, upload=kept), status_code=200)


def wants_later(request: CallerRequest) -> bool:
    """Whether the caller prefers not to wait (RFC 7240)."""
    preferences = ",".join(request.headers.getall("prefer", [])).split(",")
    return any(each.partition(";")[0].strip().lower() == "respond-async" for each in preferences)


def accepted(status: ImportStatus) -> Response[ImportStatus]:
    """202 with the address where the import can be followed."""
    headers = {"Location": f"{API_PATH}/imports/{status.id}", "Preference-Applied": "respond-async"}
    return Response(status, status_code=202, headers=headers)
