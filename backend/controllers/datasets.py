"""Datasets: make, list, read, rename, describe, delete, undelete."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from backend.controllers import uploads
from backend.controllers.answers import created, success, tagged, tagged_by_content
from backend.controllers.bodies import decoded, limited
from backend.controllers.documented import FILE, FORM, IF_NONE_MATCH, JSON, UPLOAD, documented, schema_of
from backend.controllers.importing import PREFER, import_kept, import_sent
from backend.controllers.parameters import (
    READS_PARAMETERS,
    CallerRequest,
    IfMatch,
    Limit,
    Offset,
    Ref,
    Workspace,
    parameters_of,
)
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.datasets import Dataset, DatasetCreate, DatasetList, DatasetPatch, ImportAnswer, SheetsAnswer
from backend.schemas.import_status import ImportStatus, UploadedDataset
from backend.schemas.plans import AnyPlan
from backend.security.auth import may
from backend.services.datasets import DatasetService
from backend.services.importers import Importers
from backend.services.jobs import Imported


class DatasetController(Controller):
    path = "/datasets"
    tags = ("datasets",)
    opt = may(Action.READ_DATASETS)

    @post(
        "/",
        request_max_body_size=None,
        opt=may(Action.CHANGE_DATASETS) | READS_PARAMETERS,
        operation_class=documented(
            parameters=[*UPLOAD, PREFER],
            body={
                "multipart/form-data": FORM,
                "text/csv": FILE,
                JSON: {"oneOf": [schema_of(DatasetCreate), schema_of(UploadedDataset)]},
            },
        ),
        responses=failures(403, 404, 409, 413, 415, 422)
        | {200: success(AnyPlan, "A dry run"), 202: success(ImportStatus, "`Prefer: respond-async`")},
        description="Upload a file as `multipart/form-data` (`file`, `name`, `workspace`, `options`) or as the raw"
        " body; `application/json` makes an empty dataset.",
    )
    async def create(
        self,
        request: CallerRequest,
        datasets: NamedDependency[DatasetService],
        importers: NamedDependency[Importers],
    ) -> Response[ImportAnswer | SheetsAnswer | Dataset]:
        """A new dataset at version 1."""
        kind = uploads.kind_of_body(request)
        if kind == "json":
            body = await limited(request.stream(), importers.folder.json_limit, request.content_length)
            if uploads.names_upload(body):
                upload_id, asked = await uploads.of_kept(request, importers.service, body)
                return await import_kept(request, importers, upload_id, asked, _made)
            parameters_of(request, ("workspace",))
            wanted = decoded(body, DatasetCreate)
            head = await datasets.create(request.user, wanted, workspace=request.query_params.get("workspace"))
            return created(head.dataset, head)
        receive = uploads.receive_form if kind == "form" else uploads.receive_raw
        return await import_sent(request, importers, partial(receive, request, importers.service), _made)

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
        return tagged_by_content(request, page)

    @get("/{ref:str}", responses=failures(304, 404), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self, request: CallerRequest, ref: Ref, datasets: NamedDependency[DatasetService], workspace: Workspace = None
    ) -> Response[Dataset | None]:
        """One dataset."""
        head = await datasets.get(request.user, ref, workspace)
        return tagged(request, head.dataset, head.etag)

    @patch(
        "/{ref:str}",
        opt=may(Action.CHANGE_DATASETS),
        responses=failures(403, 404, 409, 412, 413, 422),
        operation_class=documented(body={JSON: schema_of(DatasetPatch)}),
    )
    async def change(
        self,
        request: CallerRequest,
        ref: Ref,
        datasets: NamedDependency[DatasetService],
        workspace: Workspace = None,
        if_match: IfMatch = None,
    ) -> Response[Dataset]:
        """Rename or describe a dataset, declare its key column, say how long its versions are kept."""
        changes = decoded(await request.body(), DatasetPatch)
        head = await datasets.patch(request.user, ref, workspace, changes, if_match=if_match)
        return Response(head.dataset, headers={"ETag": head.etag})

    @delete("/{ref:str}", opt=may(Action.CHANGE_DATASETS), responses=failures(403, 404, 412))
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

    @post("/{ref:str}/undelete", opt=may(Action.CHANGE_DATASETS), status_code=200, responses=failures(403, 404, 409))
    async def undelete(
        self, request: CallerRequest, ref: Ref, datasets: NamedDependency[DatasetService], workspace: Workspace = None
    ) -> Response[Dataset]:
        """Bring a deleted dataset back, by its id."""
        head = await datasets.undelete(request.user, ref, workspace)
        return Response(head.dataset, headers={"ETag": head.etag})


def _made(imported: Imported) -> Response[Any]:
    """201 with the new dataset, or with those of all sheets."""
    if imported.head is None:
        return Response(imported.answer, status_code=201)
    return created(imported.answer, imported.head)
