"""Another file into a dataset."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Controller, Response, post
from litestar.di import NamedDependency

from backend.controllers import uploads
from backend.controllers.answers import success
from backend.controllers.bodies import limited
from backend.controllers.documented import FILE, FORM_INTO, JSON, UPLOAD_INTO, documented, schema_of
from backend.controllers.importing import PREFER, import_kept, import_sent, wants_later
from backend.controllers.parameters import READS_PARAMETERS, CallerRequest, Ref
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.addresses import API_PATH
from backend.schemas.datasets import ImportAnswer
from backend.schemas.import_status import ImportStatus, UploadedFile
from backend.schemas.plans import Plan
from backend.security.auth import may
from backend.services.importers import Importers
from backend.services.jobs import Imported


class ReimportController(Controller):
    path = "/datasets/{ref:str}/imports"
    tags = ("imports",)
    opt = may(Action.WRITE_RECORDS)

    @post(
        "/",
        request_max_body_size=None,
        opt=READS_PARAMETERS,
        operation_class=documented(
            parameters=[*UPLOAD_INTO, PREFER],
            body={"multipart/form-data": FORM_INTO, "text/csv": FILE, JSON: schema_of(UploadedFile)},
        ),
        responses=failures(403, 404, 409, 412, 413, 415, 422)
        | {
            200: success(ImportAnswer | Plan, "Nothing was to be done, or a dry run"),
            202: success(ImportStatus, "`Prefer: respond-async`"),
        },
    )
    async def create(
        self, request: CallerRequest, ref: Ref, importers: NamedDependency[Importers]
    ) -> Response[ImportAnswer]:
        """Bring another file into a dataset, as one new version.

        The file is sent as `multipart/form-data` or as the raw body; JSON names one that is kept.
        """
        workspace = request.query_params.get("workspace")
        waits = wants_later(request) or "dry_run" in request.query_params
        await importers.service.reimports.check(request.user, ref, workspace, waits=waits)
        kind = uploads.kind_of_body(request)
        if kind == "json":
            body = await limited(request.stream(), importers.folder.json_limit, request.content_length)
            upload_id, asked = await uploads.of_kept_into(request, body, ref)
            return await import_kept(request, importers, upload_id, asked, _made)
        receive = uploads.receive_form if kind == "form" else uploads.receive_raw
        return await import_sent(request, importers, partial(receive, request, importers.service, into=ref), _made)


def _made(imported: Imported) -> Response[Any]:
    """201 with the new version's address, 200 where none was made."""
    if imported.head is None:
        return Response(imported.answer, status_code=200)
    dataset = imported.head.dataset
    location = f"{API_PATH}/datasets/{dataset.id}/versions/{dataset.version}"
    return Response(imported.answer, status_code=201, headers={"ETag": imported.head.etag, "Location": location})
