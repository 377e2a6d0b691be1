"""Back to an older version."""

from __future__ import annotations

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from backend.controllers.bodies import decoded
from backend.controllers.documented import JSON, documented, schema_of
from backend.controllers.parameters import CallerRequest, IfMatch, Ref, Workspace
from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.schemas.records import Changed
from backend.schemas.versions import Restore
from backend.security.auth import may
from backend.services.restores import RestoreService


class RestoreController(Controller):
    path = "/datasets/{ref:str}/restore"
    tags = ("versions",)
    opt = may(Action.CHANGE_DATASETS)

    @post(
        "/",
        status_code=200,
        responses=failures(403, 404, 409, 410, 412, 413, 422),
        operation_class=documented(body={JSON: schema_of(Restore)}),
    )
    async def restore(
        self,
        request: CallerRequest,
        ref: Ref,
        restores: NamedDependency[RestoreService],
        workspace: Workspace = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[Changed]:
        """Bring a dataset, or some of its records, back to what an older version holds, as one new version.

        Without `ids` the columns come back too. With `dry_run` the answer says what would happen.
        """
        wanted = decoded(await request.body(), Restore)
        changed, etag = await restores.restore(request.user, ref, workspace, wanted, if_match=if_match, dry_run=dry_run)
        return Response(changed, headers={"ETag": etag})
