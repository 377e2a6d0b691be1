"""Files that are sent now and imported later."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.controllers import uploads
from backend.controllers.documented import FILE, UPLOAD, documented
from backend.controllers.parameters import READS_PARAMETERS, CallerRequest, parameters_of
from backend.controllers.problems import failures
from backend.errors import BadRequest
from backend.schemas.access import Action
from backend.schemas.addresses import API_PATH
from backend.schemas.import_status import KeptUpload
from backend.schemas.imports import ImportOptions, ImportRequest
from backend.schemas.plans import AnyPlan, Plan
from backend.security.auth import may
from backend.services.importers import Importers

_OPTIONS = tuple(each for each in UPLOAD if each.name not in {"name", "dry_run"})
_OF_A_PLAN = tuple(each for each in _OPTIONS if each.name not in {"workspace", "format"})
_FORM = {
    "type": "object",
    "properties": {"file": FILE, "workspace": {"type": "string"}, "options": {"type": "string"}},
    "required": ["file"],
}


class KeptUploadController(Controller):
    path = "/uploads"
    tags = ("imports",)
    opt = may(Action.READ_DATASETS)

    @post(
        "/",
        request_max_body_size=None,
        opt=may(Action.WRITE_RECORDS) | READS_PARAMETERS,
        operation_class=documented(parameters=_OPTIONS, body={"multipart/form-data": _FORM, "text/csv": FILE}),
        responses=failures(403, 404, 413, 415, 422),
    )
    async def create(self, request: CallerRequest, importers: NamedDependency[Importers]) -> Response[KeptUpload]:
        """Keep a file for a day, and see what a new dataset would be made of."""
        if {"name", "dry_run"} & set(request.query_params):
            parameters_of(request, ("workspace", *ImportOptions.__struct_fields__))
        is_form = uploads.kind_of_body(request) == "form"
        receive = uploads.receive_form if is_form else uploads.receive_raw
        with importers.folder.open() as upload:
            asked = await receive(request, importers.service, upload)
            if asked.name is not None or asked.dry_run:
                raise BadRequest("A file that is kept takes `workspace` and `options` only; its import takes the rest.")
            plan = await importers.runs.plan(request.user, upload, asked)
            upload_id, expires_at = await importers.uploads.keep(request.user, asked.workspace, upload)
        kept = KeptUpload(upload_id, upload.filename, upload.size, upload.sha256, expires_at, *_plans(plan))
        return Response(kept, status_code=201, headers={"Location": f"{API_PATH}/uploads/{upload_id}"})

    @get(
        "/{upload_id:uuid}",
        opt=READS_PARAMETERS,
        operation_class=documented(parameters=_OF_A_PLAN),
        responses=failures(404, 415, 422),
    )
    async def read(
        self, request: CallerRequest, upload_id: FromPath[UUID], importers: NamedDependency[Importers]
    ) -> KeptUpload:
        """What a new dataset would be made of, with these options."""
        options = uploads.options_from_strings(parameters_of(request, ImportOptions.__struct_fields__))
        async with importers.uploads.open(request.user, upload_id) as (upload, found):
            asked = ImportRequest(workspace=str(found.workspace_id), options=options)
            plan = await importers.runs.plan(request.user, upload, asked)
        return KeptUpload(found.id, found.filename, found.size, found.sha256, found.expires_at, *_plans(plan))

    @delete("/{upload_id:uuid}", opt=may(Action.WRITE_RECORDS), responses=failures(403, 404))
    async def forget(
        self, request: CallerRequest, upload_id: FromPath[UUID], importers: NamedDependency[Importers]
    ) -> None:
        """Forget a file before its time."""
        await importers.uploads.forget(request.user, upload_id)


def _plans(plan: AnyPlan) -> tuple[Plan | None, tuple[Plan, ...] | None]:
    return (plan, None) if isinstance(plan, Plan) else (None, plan.plans)
