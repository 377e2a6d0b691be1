"""Whether the service lives, whether it can do its work, and what it counts."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from backend.controllers.problems import failures
from backend.security.auth import PUBLIC
from backend.services.figures import FigureService
from backend.services.health import HealthService, Readiness


class Health(Struct, frozen=True):
    status: str


class MetricsController(Controller):
    """For Prometheus; no part of the API."""

    path = "/metrics"
    include_in_schema = False
    opt = PUBLIC

    @get()
    async def metrics(self, figures: NamedDependency[FigureService]) -> Response[bytes]:
        """Of all workers, in the text format of Prometheus."""
        return Response(await figures.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


class HealthController(Controller):
    path = "/health"
    tags = ("health",)
    opt = PUBLIC

    @get("/live")
    async def live(self) -> Health:
        """The process answers; nothing else is asked."""
        return Health("ok")

    @get("/ready", responses=failures())
    async def ready(self, health: NamedDependency[HealthService]) -> Readiness:
        """The database answers and is migrated, and the server is not about to stop; else 503."""
        return await health.check()
