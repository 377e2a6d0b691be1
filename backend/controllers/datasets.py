"""Datasets: make, list, read, rename, describe, delete, undelete."""

from __future__ import annotations

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from backend.controllers import uploads
from backend.controllers.answers import created, tagged, told
from backend.controllers.bodies import decoded, limited
from backend.controllers.documented import FILE, FORM, IF_NONE_MATCH, JSON, UPLOAD, documented, schema_of
from backend.controllers.parameters import (
    READS_PARAMETERS,
    CallerRequest,
    IfMatch,
    Limit,
    Offset,
    Ref,
    Workspace,
    refuse_unknown,
)
from backend.controllers.problems import failures
from backend.schemas.datasets import Dataset, DatasetCreate, DatasetList, DatasetPatch, ImportAnswer
from backend.schemas.plans import Plan
from backend.security.auth import may_write
from backend.services.datasets import DatasetService
from backend.services.identifiers import uuid7
from backend.services.imports import ImportService
from backend.services.jobs import Job
from backend.services.progress import Progress
from backend.services.uploads import UploadFolder


class DatasetController(Controller):
    path = "/datasets"
    tags = ("datasets",)

    @post(
        "/",
        guards=[may_write],
        request_max_body_size=None,
        opt=READS_PARAMETERS,
        operation_class=documented(
            parameters=UPLOAD, body={"multipart/form-data": FORM, "text/csv": FILE, JSON: schema_of(DatasetCreate)}
        ),
        responses=failures(403, 404, 409, 413, 415, 422),
        description="Upload a file as `multipart/form-data` (`file`, `name`, `workspace`, `options`) or as the raw"
        " body; `application/json` makes an empty dataset.",
    )
    async def create(
        self,
        request: CallerRequest,
        datasets: NamedDependency[DatasetService],
        imports: NamedDependency[ImportService],
        upload_folder: NamedDependency[UploadFolder],
    ) -> Response[ImportAnswer | Plan | Dataset]:
        """A new dataset at version 1."""
        kind = uploads.kind_of_body(request)
        if kind == "json":
            refuse_unknown(request.query_params, ("workspace",))
            wanted = decoded(await limited(request.stream(), upload_folder.json_limit), DatasetCreate)
            head = await datasets.create(request.user, wanted, workspace=request.query_params.get("workspace"))
            return created(head.dataset, head)
        receive = uploads.receive_form if kind == "form" else uploads.receive_raw
        with upload_folder.open() as upload:
            asked = await receive(request, imports, upload)
            imported = await imports.run(Job(uuid7(), request.user, upload, asked, Progress(), _no_note))
        if imported.head is None:
            return Response(imported.answer, status_code=200)
        return created(imported.answer, imported.head)

    @get("/", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def list_page(
        self,
        request: CallerRequest,
        datasets: NamedDependency[DatasetService],
        workspace: Workspace = None,
        q: FromQuery[str | None] = None,
        sort: FromQuery[str] = "-updated_at",
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response[DatasetList | None]:
        """The caller's datasets in one workspace."""
        page = await datasets.list_page(request.user, workspace=workspace, q=q, sort=sort, limit=limit, offset=offset)
        return told(request, page)

    @get("/{ref:str}", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self, request: CallerRequest, ref: Ref, datasets: NamedDependency[DatasetService], workspace: Workspace = None
    ) -> Response[Dataset | None]:
        """One dataset."""
        head = await datasets.get(request.user, ref, workspace)
        return tagged(request, head.dataset, head.etag)

    @patch("/{ref:str}", guards=[may_write], responses=failures(403, 404, 409, 412, 413, 422))
    async def change(
        self,
        request: CallerRequest,
        ref: Ref,
        data: JSONBody[DatasetPatch],
        datasets: NamedDependency[DatasetService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> Response[Dataset]:
        """Rename or describe a dataset."""
        head = await datasets.patch(request.user, ref, workspace, data, if_match=if_match)
        return Response(head.dataset, headers={"ETag": head.etag})

    @delete("/{ref:str}", guards=[may_write], responses=failures(403, 404, 412))
    async def remove(
        self,
        request: CallerRequest,
        ref: Ref,
        datasets: NamedDependency[DatasetService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> None:
        """Delete a dataset; it can be restored for a grace time."""
        await datasets.delete(request.user, ref, workspace, if_match=if_match)

    @post("/{ref:str}/undelete", guards=[may_write], status_code=200, responses=failures(403, 404, 409))
    async def undelete(
        self, request: CallerRequest, ref: Ref, datasets: NamedDependency[DatasetService], workspace: Workspace = None
    ) -> Response[Dataset]:
        """Bring a deleted dataset back, by its id."""
        head = await datasets.undelete(request.user, ref, workspace)
        return Response(head.dataset, headers={"ETag": head.etag})


async def _no_note(_: object, __: object) -> None:
    """Nobody else is told that an import is done."""
