"""HTTP only: decode, call one service, shape the answer."""

from litestar import Router

from backend.controllers.datasets import DatasetController
from backend.controllers.diffs import DiffController
from backend.controllers.exports import ExportController
from backend.controllers.filtered_writes import FilteredWriteController
from backend.controllers.health import HealthController, MetricsController
from backend.controllers.import_status import ImportStatusController
from backend.controllers.imports import ReimportController
from backend.controllers.kept_uploads import KeptUploadController
from backend.controllers.limits import LimitsController
from backend.controllers.members import MemberController
from backend.controllers.prepared_exports import PreparedExportController
from backend.controllers.record_keys import RecordKeyController
from backend.controllers.record_writes import RecordWriteController
from backend.controllers.records import RecordController
from backend.controllers.restores import RestoreController
from backend.controllers.schemas import SchemaController
from backend.controllers.upserts import UpsertController
from backend.controllers.users import UserController
from backend.controllers.versions import VersionController
from backend.controllers.wellformed import only_well_formed
from backend.controllers.workspace_archives import WorkspaceArchiveController
from backend.controllers.workspaces import WorkspaceController

_CONTROLLERS = (
    UserController,
    LimitsController,
    WorkspaceController,
    MemberController,
    DatasetController,
    ImportStatusController,
    ReimportController,
    KeptUploadController,
    SchemaController,
    RecordController,
    FilteredWriteController,
    RecordWriteController,
    UpsertController,
    RecordKeyController,
    ExportController,
    PreparedExportController,
    DiffController,
    VersionController,
    RestoreController,
    WorkspaceArchiveController,
)

API = (Router("/", route_handlers=_CONTROLLERS, before_request=only_well_formed),)
ROOT = (HealthController, MetricsController)
