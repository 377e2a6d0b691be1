"""Whether the service lives, and whether it can do its work."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.plugins.prometheus import PrometheusController
from msgspec import Struct

from backend.controllers.problems import failures
from backend.security.auth import PUBLIC
from backend.services.health import HealthService


class Health(Struct, frozen=True):
    status: str


class Readiness(Struct, frozen=True):
    """`cache` is `ok`, `none` where none is configured, or `unreachable`: then the service works on without it."""

    status: str
    database: str
    cache: str


class MetricsController(PrometheusController):
    """`GET /metrics`, in the format of Prometheus."""

    include_in_schema = False
    opt = PUBLIC


class HealthController(Controller):
    path = "/health"
    tags = ("health",)
    opt = PUBLIC

    @get("/live")
    async def live(self) -> Health:
        """The process answers."""
        return Health("ok")

    @get("/ready", responses=failures())
    async def ready(self, health: NamedDependency[HealthService]) -> Readiness:
        """The database answers; without it 503."""
        return Readiness("ok", "ok", await health.check())
