"""Many records written by their keys."""

from __future__ import annotations

from litestar import Controller, Response, put
from litestar.di import NamedDependency
from litestar.params import FromQuery

from backend.controllers import bodies
from backend.controllers.answers import REFUSED_WRITE, preference
from backend.controllers.bodies import NDJSON
from backend.controllers.documented import JSON, PREFER, RECORD_LINES, RECORDS, documented
from backend.controllers.parameters import CallerRequest, IfMatch, Ref, Workspace, wants_minimal
from backend.controllers.record_streams import MEDIA_TYPES
from backend.query.spec import parse_names
from backend.query.text import clean
from backend.schemas.access import Action
from backend.schemas.records import Changed
from backend.security.auth import may
from backend.services.upserts import UpsertService, Wanted


class UpsertController(Controller):
    path = "/datasets/{ref:str}"
    tags = ("records",)
    opt = may(Action.WRITE_RECORDS)

    @put(
        "/records",
        responses=REFUSED_WRITE,
        operation_class=documented(parameters=[PREFER], body={JSON: RECORDS, NDJSON: RECORD_LINES}),
    )
    async def upsert(
        self,
        request: CallerRequest,
        ref: Ref,
        upserts: NamedDependency[UpsertService],
        workspace: Workspace = None,
        key: FromQuery[str | None] = None,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[Changed]:
        """Change the records that have the same keys, and create those that there are not, as one version.

        `key`: the columns by which records are found (`sku` or `a,b`), the dataset's key column without it. A record
        that is found takes the given members and keeps its others (JSON merge patch). At most 10,000 records.
        """
        body = await request.body()
        items = bodies.lines(body) if request.content_type[0] in MEDIA_TYPES else bodies.records(body)[0]
        keys = None if key is None else parse_names(clean(key))
        minimal = wants_minimal(request)
        wanted = Wanted(keys, answer=not minimal, dry_run=dry_run, if_match=if_match)
        done, etag = await upserts.upsert(request.user, ref, workspace, items, wanted)
        return Response(done, headers={"ETag": etag, **preference(minimal=minimal)})
