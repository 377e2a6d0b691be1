"""HTTP only: decode, call one service, shape the answer."""

from litestar import Router

from backend.controllers.datasets import DatasetController
from backend.controllers.exports import ExportController
from backend.controllers.health import HealthController, MetricsController
from backend.controllers.parameters import only_known_parameters
from backend.controllers.records import RecordController
from backend.controllers.users import UserController
from backend.controllers.versions import VersionController

_CONTROLLERS = (UserController, DatasetController, RecordController, ExportController, VersionController)

API = (Router("/", route_handlers=_CONTROLLERS, before_request=only_known_parameters),)
ROOT = (HealthController, MetricsController)
