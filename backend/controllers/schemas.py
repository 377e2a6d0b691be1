"""The columns of a dataset: read, change."""

from __future__ import annotations

from litestar import Controller, Response, get, patch
from litestar.di import NamedDependency
from litestar.params import FromQuery

from backend.controllers.answers import tagged
from backend.controllers.bodies import decoded
from backend.controllers.documented import IF_NONE_MATCH, JSON, documented, schema_of
from backend.controllers.parameters import CallerRequest, IfMatch, Ref, Workspace
from backend.controllers.problems import failures
from backend.controllers.queries import version_asked
from backend.schemas.access import Action
from backend.schemas.datasets import Schema
from backend.schemas.schema_changes import SchemaChanged, SchemaPatch
from backend.security.auth import may
from backend.services.schemas import SchemaService


class SchemaController(Controller):
    path = "/datasets/{ref:str}/schema"
    tags = ("datasets",)
    opt = may(Action.READ_DATASETS)

    @get("/", responses=failures(304, 404, 410), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(
        self,
        request: CallerRequest,
        ref: Ref,
        schemas: NamedDependency[SchemaService],
        workspace: Workspace = None,
        version: FromQuery[str | None] = None,
        as_of: FromQuery[str | None] = None,
    ) -> Response[Schema | None]:
        """The columns as of a version, each with what the file said about it."""
        number, moment = version_asked(version, as_of)
        etag, schema = await schemas.get(request.user, ref, workspace, version=number, as_of=moment)
        return tagged(request, schema, etag)

    @patch(
        "/",
        opt=may(Action.CHANGE_DATASETS),
        responses=failures(403, 404, 409, 412, 413, 422),
        operation_class=documented(body={JSON: schema_of(SchemaPatch)}),
    )
    async def change(
        self,
        request: CallerRequest,
        ref: Ref,
        schemas: NamedDependency[SchemaService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[SchemaChanged]:
        """Rename, retype, drop, add, order and describe columns, as one new version.

        Every value must convert, otherwise the first that do not are named and nothing changes. With `dry_run` the
        answer says what would happen.
        """
        wanted = decoded(await request.body(), SchemaPatch)
        changed, etag = await schemas.patch(request.user, ref, workspace, wanted, if_match=if_match, dry_run=dry_run)
        return Response(changed, headers={"ETag": etag})
