"""What is different between two versions of a dataset."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from backend.controllers.answers import streamed, success, tagged_by_content
from backend.controllers.bodies import NDJSON
from backend.controllers.documented import IF_NONE_MATCH, RECORD_LINES, documented
from backend.controllers.parameters import CallerRequest, Limit, Ref, Workspace, header
from backend.controllers.problems import failures
from backend.errors import InvalidParameter
from backend.schemas.access import Action
from backend.schemas.diffs import Diff, DiffSummary
from backend.security.auth import may
from backend.services.diffs import DiffService

From = Annotated[str | None, QueryParameter(name="from")]
"""A version's number or tag; without it the one ahead of `to`."""


class DiffController(Controller):
    path = "/datasets/{ref:str}/diff"
    tags = ("versions",)
    opt = may(Action.READ_DATASETS)

    @get(
        "/",
        responses={200: success(Diff | DiffSummary, "The differences"), **failures(304, 404, 410, 422)},
        operation_class=documented(parameters=[IF_NONE_MATCH], answers={NDJSON: RECORD_LINES}),
    )
    async def read(
        self,
        request: CallerRequest,
        ref: Ref,
        diffs: NamedDependency[DiffService],
        workspace: Workspace = None,
        from_version: From = None,
        to: FromQuery[str | None] = None,
        summary: FromQuery[bool] = False,
        limit: Limit = 100,
        cursor: FromQuery[str | None] = None,
    ) -> Response[Diff | DiffSummary | None] | Response[None] | Stream:
        """Records added, changed cell by cell and removed on the way from one version to another.

        Without `to` that is the newest one, without `from` the one ahead of `to`. With `Accept: application/x-ndjson`
        all of them, a record a line.
        """
        found: Diff | DiffSummary
        lines = NDJSON in header(request, b"accept", "") and not summary
        if (lines or summary) and (paged := {"limit", "cursor"} & request.query_params.keys()):
            raise InvalidParameter(f"A summary and JSON lines have no pages; leave `{min(paged)}` out.")
        if lines:
            return await streamed(request, await diffs.stream(request.user, ref, workspace, from_version, to))
        if summary:
            found = await diffs.summary(request.user, ref, workspace, from_version, to)
        else:
            found = await diffs.page(request.user, ref, workspace, from_version, to, cursor=cursor, limit=limit)
        return tagged_by_content(request, found)
