"""HTTP only: decode, call one service, shape the answer."""

from backend.controllers.datasets import DatasetController
from backend.controllers.exports import ExportController
from backend.controllers.health import HealthController
from backend.controllers.records import RecordController
from backend.controllers.users import UserController
from backend.controllers.versions import VersionController

API = (UserController, DatasetController, RecordController, ExportController, VersionController)
ROOT = (HealthController,)
