"""Whether the service lives, and whether it can do its work."""

from litestar import Controller, get
from litestar.di import NamedDependency
from msgspec import Struct

from backend.controllers.problems import failures
from backend.security.auth import PUBLIC
from backend.services.health import HealthService


class Health(Struct, frozen=True):
    status: str


class HealthController(Controller):
    path = "/health"
    tags = ("health",)
    opt = PUBLIC

    @get("/live")
    async def live(self) -> Health:
        """The process answers."""
        return Health("ok")

    @get("/ready", responses=failures())
    async def ready(self, health: NamedDependency[HealthService]) -> Health:
        """The database and the cache answer; 503 says which one does not."""
        await health.check()
        return Health("ok")
