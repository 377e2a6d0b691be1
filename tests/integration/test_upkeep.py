"""What the service does by itself: what was deleted long ago is removed for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from support.service import Upload, User

from backend.repositories.database import Database
from backend.services.datasets import DatasetService

pytestmark = pytest.mark.anyio


def tables_of(url: str, dataset: dict[str, Any]) -> list[str]:
    """What the workspace's schema holds of a dataset: its record table, and where it is named."""
    schema, dataset_id = f"ws_{UUID(dataset['workspace']).hex}", UUID(dataset["id"])
    found = []
    with psycopg.connect(url) as connection:
        records = connection.execute("SELECT to_regclass(%s)", (f"{schema}.records_{dataset_id.hex}",)).fetchone()
        found += ["records"] if records and records[0] else []
        for name, column in (("datasets", "id"), ("columns", "dataset_id"), ("versions", "dataset_id")):
            query = psycopg.sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
                psycopg.sql.Identifier(schema, name), psycopg.sql.Identifier(column)
            )
            found += [name] if connection.execute(query, (dataset_id,)).fetchone() else []
        listed = connection.execute("SELECT 1 FROM sheaf.directory WHERE dataset_id = %s", (dataset_id,)).fetchone()
        found += ["directory"] if listed else []
    return found


async def test_a_sweep_removes_what_was_deleted_before_the_grace_time_and_nothing_else(
    postgres_url: str, user: User, upload: Upload
) -> None:
    gone, kept, live = [await upload("id\n1\n", name=name) for name in ("gone", "kept", "live")]
    assert (await user.client.delete(f"/datasets/{gone['id']}")).status_code == 204
    database = await Database(postgres_url, size=2, bulk_size=1, prepare=True).open()
    try:
        await DatasetService(database, grace=timedelta(0), max_columns=10).sweep()
        assert (await user.client.delete(f"/datasets/{kept['id']}")).status_code == 204
        await DatasetService(database, grace=timedelta(days=1), max_columns=10).sweep()
    finally:
        await database.close()
    everywhere = ["records", "datasets", "columns", "versions", "directory"]
    assert tables_of(postgres_url, gone) == []
    assert tables_of(postgres_url, kept) == everywhere
    assert tables_of(postgres_url, live) == everywhere
    assert (await user.client.post(f"/datasets/{gone['id']}/undelete")).status_code == 404
    assert (await user.client.post(f"/datasets/{kept['id']}/undelete")).status_code == 200
