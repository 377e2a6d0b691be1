"""What a dataset's history looks like in the database, and how it is made to age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from backend.repositories.database import Database
from backend.services.pruning import PruningService


class Stored:
    """A dataset as it is stored, in the workspace's own tables."""

    def __init__(self, url: str, dataset: Mapping[str, Any]) -> None:
        self.url = url
        self.dataset_id = UUID(dataset["id"])
        self._schema = f"ws_{UUID(dataset['workspace']).hex}"

    def _run(self, statement: str, *values: object) -> psycopg.Cursor[tuple[Any, ...]]:
        records = sql.Identifier(self._schema, f"records_{self.dataset_id.hex}")
        tables = {name: sql.Identifier(self._schema, name) for name in ("datasets", "versions")}
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.SQL(statement).format(records=records, **tables), values)

    def images(self) -> list[tuple[int, int, int]]:
        """Id, first version and end of every image, in order."""
        return self._run("SELECT id, added_in, removed_in FROM {records} ORDER BY id, added_in").fetchall()

    def unswept(self) -> int:
        """Pruned versions whose images may still be there."""
        query = "SELECT count(*) FROM {versions} WHERE dataset_id = %s AND pruned_at IS NOT NULL AND NOT swept"
        (count,) = self._run(query, self.dataset_id).fetchall()[0]
        return int(count)

    def age(self, version: int, days: int) -> None:
        """Version and all before it are so much older."""
        query = "UPDATE {versions} SET created_at = created_at - make_interval(days => %s) WHERE dataset_id = %s"
        self._run(f"{query} AND version <= %s", days, self.dataset_id, version)

    def occupy(self, *, seconds: int) -> None:
        """Somebody has the dataset to himself for so long."""
        query = "UPDATE {datasets} SET busy_import = id, busy_until = now() + %s * interval '1 second' WHERE id = %s"
        self._run(query, seconds, self.dataset_id)

    async def sweep_once(self, *, step: int = 1000) -> None:
        """What the service does each minute."""
        database = await Database(self.url, size=2, bulk_size=1, prepare=True).open()
        await PruningService(database, step=step).sweep()
        await database.close()

    async def swept(self, *, step: int = 1000) -> None:
        """Sweep until nothing is left to be removed: the service itself may be at it too."""
        await self.sweep_once(step=step)
        while self.unswept():
            await self.sweep_once(step=step)
