"""Workers that are killed while they build an index."""

from __future__ import annotations

import os
import signal
from uuid import UUID

import httpx
import psycopg
import pytest
from support.server import Server
from support.waiting import until

TEXT = "sku,amount\n" + "".join(f"s{n:05},{n * 7919 % 10_007}\n" for n in range(3_000))


def test_a_killed_worker_leaves_nothing_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its building waits for a snapshot that we hold; another worker makes the index when that is over."""
    with (
        Server(tmp_path_factory.mktemp("killed"), index_rows="1000") as server,
        httpx.Client(base_url=server.base, timeout=60) as client,
    ):
        key = client.post("/api/v1/users", json={"name": "Ada"}).json()["api_key"]
        client.headers["X-API-Key"] = key
        headers = {"Content-Type": "text/csv"}
        made = client.post("/api/v1/datasets?name=goods", content=TEXT, headers=headers).json()["dataset"]
        path = f"/api/v1/datasets/{made['id']}/records"
        with psycopg.connect(server.database_url) as holding:
            holding.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            holding.execute("SELECT count(*) FROM sheaf.users")
            before = client.get(path, params={"sort": "amount"}).json()["data"]
            client.get(path, params={"sort": "amount"})
            until(lambda: _building(server), "an index is being built")
            for worker in server.workers:
                os.kill(worker, signal.SIGKILL)
            until(lambda: server.is_ready, "workers are there again")
        until(lambda: _states(server, made["id"]) == ["ready"], "the index is ready")
        assert _whole(server, made["id"]) == [True]
        told = client.get(path, params={"sort": "amount", "explain": "true"}).json()["explain"]
        assert told["access"] == "index"
        assert client.get(path, params={"sort": "amount"}).json()["data"] == before


def _building(server: Server) -> bool:
    with psycopg.connect(server.database_url) as tx:
        return tx.execute("SELECT 1 FROM pg_stat_progress_create_index").fetchone() is not None


def _states(server: Server, dataset: str) -> list[str]:
    with psycopg.connect(server.database_url) as tx:
        return [row[0] for row in tx.execute("SELECT state FROM sheaf.indexes WHERE store = %s", (dataset,))]


def _whole(server: Server, dataset: str) -> list[bool]:
    with psycopg.connect(server.database_url) as tx:
        query = "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE starts_with(relname, %s)"
        return [row[0] for row in tx.execute(query, (f"xu_{UUID(dataset).hex}",))]
