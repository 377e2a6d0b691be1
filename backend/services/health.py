"""Whether the servers that we need answer."""

from backend.repositories.database import Database


class HealthService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> None:
        """Raises Unavailable."""
        await self._database.ping()
