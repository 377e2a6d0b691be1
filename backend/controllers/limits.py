"""What a caller may ask of the service at most."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from msgspec import Struct

from backend.controllers.answers import tagged_by_content
from backend.controllers.documented import IF_NONE_MATCH, documented
from backend.controllers.parameters import CallerRequest
from backend.controllers.problems import failures
from backend.controllers.queries import MOST_PARAMETERS
from backend.query.limits import MAX_CONDITIONS, MAX_DEPTH, MAX_ITEMS
from backend.query.nodes import DEFAULT_LIMIT, MAX_LIMIT
from backend.query.spec import MAX_SORTS
from backend.schemas.access import Action
from backend.security.auth import may
from backend.services.batches import MOST_OPERATIONS
from backend.services.export_queue import MOST, MOST_OF_USER
from backend.services.idempotency import KEEP
from backend.services.record_values import MOST_ERRORS
from backend.services.workspace_contents import MOST_DATASETS


class Limits(Struct, frozen=True, kw_only=True):
    """Settings go by their names without `SHEAF_`; what has a value here is the same on every server.

    Sizes are in bytes; of a workspace, and of requests in a time, null is any number.
    """

    rate_limit: str | None
    concurrency: int
    concurrent_exports: int
    wait_seconds: int
    statement_seconds: int
    max_upload: int
    max_inflated: int
    max_body: int
    max_line: int
    max_cell: int
    max_columns: int
    max_rows: int
    workspace_datasets: int | None
    workspace_rows: int | None
    workspace_bytes: int | None
    workspace_export_bytes: int | None
    workspace_upload_bytes: int | None
    workbook_memory: int
    workbook_seconds: int
    upload_hours: int
    export_hours: int
    import_days: int
    undelete_days: int
    idempotency_hours: int = int(KEEP.total_seconds()) // 3600
    records_per_request: int = MOST_OPERATIONS
    errors_listed: int = MOST_ERRORS
    exports_per_user: int = MOST_OF_USER
    exports_per_workspace: int = MOST
    page_default: int = DEFAULT_LIMIT
    page_most: int = MAX_LIMIT
    filter_conditions: int = MAX_CONDITIONS
    filter_depth: int = MAX_DEPTH
    filter_list_items: int = MAX_ITEMS
    sort_columns: int = MAX_SORTS
    query_parameters: int = MOST_PARAMETERS
    datasets_per_archive: int = MOST_DATASETS


class LimitsController(Controller):
    path = "/limits"
    tags = ("limits",)
    opt = may(Action.READ_ACCOUNT)

    @get("/", responses=failures(304), operation_class=documented(parameters=[IF_NONE_MATCH]))
    async def read(self, request: CallerRequest, limits: NamedDependency[Limits]) -> Response[Limits | None]:
        """What the service takes at most, and for how long it keeps what it keeps."""
        return tagged_by_content(request, limits)
