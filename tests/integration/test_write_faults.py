"""The service or its database dies at each of several points of a write: all of it is there, or nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql
from support.client import Client, problem
from support.leases import end_leases
from support.server import Server
from support.waiting import until
from support.wire import connected, head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

GATE = 4711
"""The advisory lock at which writes stop."""
STOP = f"""
    CREATE OR REPLACE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END $$
"""
ROWS = b"sku,amount\n" + b"".join(b"s%d,%d\n" % (n, n) for n in range(1, 31))
MANY_ROWS = b"sku,amount\n" + b"".join(b"s%d,%d\n" % (n, n) for n in range(1, 10_101))
LINES = "".join(f'{{"sku": "n{n}", "amount": {n}}}\n' for n in range(50))
NDJSON = {"Content-Type": "application/x-ndjson"}
BATCH = {
    "changes": [{"id": n, "set": {"amount": -n}} for n in range(1, 11)],
    "deletes": [11, 12],
    "creates": [{"sku": "new", "amount": 0}],
}

Write = Callable[[httpx.Client, str], httpx.Response]
WRITES: dict[str, Write] = {
    "single": lambda http, path: http.patch(f"{path}/records/1", json={"amount": -1}),
    "batch": lambda http, path: http.patch(f"{path}/records", json=BATCH),
    "lines": lambda http, path: http.post(f"{path}/records", content=LINES, headers=NDJSON),
    "filtered": lambda http, path: http.patch(f"{path}/records", json={"where": {}, "set": {"amount": -1}}),
    "removed": lambda http, path: http.delete(f"{path}/records", params={"amount": "gt:20"}),
    "restore": lambda http, path: http.post(f"{path}/restore", json={"version": 1}),
}
"""What is sent; each of them changes something. The first is one statement that commits by itself."""

POINTS = {
    "images added": ("AFTER INSERT ON {records}", "CREATE TRIGGER"),
    "images ended": ("AFTER UPDATE ON {records}", "CREATE TRIGGER"),
    "version added": ("AFTER INSERT ON {versions}", "CREATE TRIGGER"),
    "before the commit": ("AFTER UPDATE ON {datasets}", "CREATE TRIGGER"),
    "in the commit": ("AFTER INSERT ON {versions} DEFERRABLE INITIALLY DEFERRED", "CREATE CONSTRAINT TRIGGER"),
}
"""Where the database stops a write, by a trigger of ours."""
NEVER = {("lines", "images ended"), ("removed", "images added")}


class Target:
    """A dataset that a write is stopped at, and how it was before."""

    def __init__(self, user: Client, write: str, point: str) -> None:
        self.write, self.point = write, point
        self.id = user.made(user.send(ROWS, name=f"{write}, {point}"))
        self.path = f"/datasets/{self.id}"
        assert user.http.patch(f"{self.path}/records/20", json={"amount": 2000}).status_code == 200
        assert user.http.delete(f"{self.path}/records/30").status_code == 204
        dataset = user.http.get(self.path).json()
        self.schema = f"ws_{UUID(dataset['workspace']).hex}"
        self.before = self.content(user)

    def content(self, user: Client) -> Any:
        """All versions, the records of the newest, what it takes to make the next one."""
        versions = user.http.get(f"{self.path}/versions").json()
        dataset = user.http.get(self.path).json()
        told = {name: dataset[name] for name in ("version", "rows", "columns")}
        return versions, told, user.http.get(f"{self.path}/records", params={"limit": 1000}).json()["data"]

    def stop(self, connection: psycopg.Connection[Any]) -> None:
        """The next write to this dataset waits at the point for the gate."""
        place, create = POINTS[self.point]
        tables = {
            "records": sql.Identifier(self.schema, f"records_{UUID(self.id).hex}"),
            "versions": sql.Identifier(self.schema, "versions"),
            "datasets": sql.Identifier(self.schema, "datasets"),
        }
        column = {"records": None, "versions": "dataset_id", "datasets": "id"}[place.split("{")[1].split("}")[0]]
        only = sql.SQL("WHEN (NEW.{} = {})").format(sql.Identifier(column), self.id) if column else sql.SQL("")
        query = sql.SQL("{} {} {} FOR EACH ROW {} EXECUTE FUNCTION public.stop()").format(
            sql.SQL(create), sql.Identifier(f"stop_{self.id}"), sql.SQL(place).format(**tables), only
        )
        connection.execute(query)

    def check(self, user: Client) -> None:
        """Nothing came of the write, or all of it where the database may go on alone; the next one works."""
        now = self.content(user)
        whole = now != self.before and (self.point == "in the commit" or self.write == "single")
        assert whole or now == self.before, self.name
        version = self.before[1]["version"] + whole
        if whole:
            assert now[1]["version"] == version, self.name
        else:
            assert WRITES[self.write](user.http, self.path).is_success, self.name
            version += 1
        after = self.content(user)
        assert after[1]["version"] == version == after[0]["data"][0]["version"], self.name
        counts = {name: after[0]["data"][0][name] for name in ("added", "changed", "removed")}
        asked = {"from": version - 1, "to": version, "summary": True}
        diff = user.http.get(f"{self.path}/diff", params=asked).json()
        assert {name: diff[name] for name in counts} == counts, self.name
        assert len(after[2]) == self.before[1]["rows"] + counts["added"] - counts["removed"] == after[1]["rows"]
        assert sum(record["version"] == version for record in after[2]) == counts["added"] + counts["changed"]

    @property
    def name(self) -> str:
        return f"{self.write}, {self.point}"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Server]:
    """A service to be killed, its database not; whoever kills it starts it again."""
    folder = tmp_path_factory.mktemp("mortal")
    with Server(folder, database_pool="40", database_url=postgres_url) as running:
        yield running


@pytest.fixture
def user(mortal: Server) -> Iterator[Client]:
    if not mortal.is_running:
        mortal.start()
    with Client.register(mortal.base) as found:
        yield found


@contextmanager
def stopped(database: str, targets: list[Target], user: Client) -> Iterator[list[Future[httpx.Response]]]:
    """Every write has come to its point and stands there."""
    with ThreadPoolExecutor(len(targets)) as pool, closing(psycopg.connect(database, autocommit=True)) as gate:
        gate.execute(STOP)
        for target in targets:
            target.stop(gate)
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        answers = [pool.submit(send, user, target) for target in targets]
        until(lambda: at_the_gate(database) == len(targets) or failed(answers), "all writes stand at their points")
        yield answers


def send(user: Client, target: Target) -> httpx.Response:
    with Client(user.base, user.key) as own:
        return WRITES[target.write](own.http, target.path)


def failed(answers: list[Future[httpx.Response]]) -> bool:
    for each in answers:
        assert not each.done(), each.result().text
    return False


def at_the_gate(database: str) -> int:
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
    with psycopg.connect(database) as connection:
        row = connection.execute(query, (GATE,)).fetchone()
    return int(row[0]) if row else 0


def without_stops(database: str) -> None:
    """Writes run through again, and those that were left behind have ended."""
    with psycopg.connect(database) as connection:
        connection.execute("DROP FUNCTION public.stop() CASCADE")


def test_a_killed_service_leaves_whole_writes_or_nothing(mortal: Server, user: Client, postgres_url: str) -> None:
    targets = [Target(user, write, point) for write in WRITES for point in POINTS if (write, point) not in NEVER]
    killed(mortal, user, postgres_url, targets)


def killed(mortal: Server, user: Client, database: str, targets: list[Target]) -> None:
    """The service dies while every write stands at its point; each target is as it should be afterwards."""
    with stopped(database, targets, user) as answers:
        mortal.kill()
        for answer in answers:
            with pytest.raises(httpx.TransportError):
                answer.result()
    without_stops(database)
    end_leases(database)
    mortal.start()
    with Client(mortal.base, user.key) as again:
        for target in targets:
            target.check(again)


class Rewritten(Target):
    """A dataset of which so many records come back that they are written into another table."""

    def __init__(self, user: Client, point: str) -> None:
        self.write, self.point = "restore", point
        self.id = user.made(user.send(MANY_ROWS, name=f"anew, {point}"))
        self.path = f"/datasets/{self.id}"
        self.schema = f"ws_{UUID(user.http.get(self.path).json()['workspace']).hex}"
        answer = user.http.patch(f"{self.path}/records", json={"where": {}, "set": {"sku": "x"}})
        assert answer.is_success, answer.text

    def check(self, user: Client) -> None:
        """The restore is there or is not, and then can be made."""
        made = user.http.get(self.path).json()["version"] - 2
        assert made == 0 or (made == 1 and self.point == "in the commit"), self.name
        if not made:
            assert WRITES["restore"](user.http, self.path).is_success, self.name
        counts = {"added": 0, "changed": len(MANY_ROWS.splitlines()) - 1, "removed": 0}
        for before, after in ((1, 2), (2, 3)):
            told = user.http.get(f"{self.path}/diff", params={"from": before, "to": after, "summary": True}).json()
            assert {name: told[name] for name in counts} == counts, self.name
        assert user.export(self.id) == user.export(self.id, version=1) == MANY_ROWS.replace(b"\n", b"\r\n")


def tables(database: str, schema: str) -> tuple[set[str], set[str]]:
    """The record tables that are there, and those that are known."""
    there = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, 'records_')"
    known = sql.SQL("SELECT store FROM {} UNION SELECT store FROM {}").format(
        sql.Identifier(schema, "datasets"), sql.Identifier(schema, "retired_stores")
    )
    with psycopg.connect(database) as connection:
        found = {name for (name,) in connection.execute(there, (schema,))}
        return found, {f"records_{store.hex}" for (store,) in connection.execute(known)}


def test_a_killed_service_leaves_nothing_of_records_written_anew(
    mortal: Server, user: Client, postgres_url: str
) -> None:
    targets: list[Target] = [Rewritten(user, point) for point in ("version added", "in the commit")]
    killed(mortal, user, postgres_url, targets)
    there, known = tables(postgres_url, targets[0].schema)
    assert there == known
    assert len(there) == 2 * len(targets)


def test_a_killed_service_leaves_nothing_of_a_write_that_has_not_begun(
    mortal: Server, user: Client, postgres_url: str
) -> None:
    """One whose body is arriving, and one that waits for its turn at the head row."""
    arriving, waiting = Target(user, "batch", "arriving"), Target(user, "batch", "waiting")
    body = b'{"changes": [{"id": 1, "set": {"amount": 7}}, '
    with ThreadPoolExecutor(1) as pool, closing(psycopg.connect(postgres_url)) as lock, connected(user) as plain:
        begun = head(user, f"{arriving.path}/records", "Content-Type: application/json", "Content-Length: 9999")
        plain.sendall(begun.replace(b"POST", b"PATCH", 1) + body)
        table = sql.Identifier(waiting.schema, "datasets")
        lock.execute(sql.SQL("SELECT FROM {} WHERE id = %s FOR UPDATE").format(table), (waiting.id,))
        answer = pool.submit(send, user, waiting)
        until(lambda: waits_for_a_row(postgres_url), "the write waits for the head row")
        mortal.kill()
        with pytest.raises(httpx.TransportError):
            answer.result()
    mortal.start()
    with Client(mortal.base, user.key) as again:
        for target in (arriving, waiting):
            target.check(again)


def waits_for_a_row(database: str) -> bool:
    with psycopg.connect(database) as connection:
        query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%NO KEY UPDATE%'"
        return connection.execute(query).fetchone() is not None


def test_a_killed_database_leaves_whole_writes_or_nothing(tmp_path: Path) -> None:
    with Server(tmp_path, database_pool="20") as server, Client.register(server.base) as user:
        targets = [Target(user, "batch", point) for point in POINTS]
        targets += [Target(user, write, "before the commit") for write in WRITES if write != "batch"]
        with stopped(server.database_url, targets, user) as answers:
            os.kill(server.postmaster, signal.SIGKILL)
            for target, answer in zip(targets, answers, strict=True):
                unknown = target.point == "in the commit" or target.write == "single"
                code = problem(answer.result(), 503)["error_code"]
                assert code == ("COMMIT_UNKNOWN" if unknown else "UNAVAILABLE"), target.name
        until(lambda: server.is_ready, "the service has its database again")
        without_stops(server.database_url)
        for target in targets:
            target.check(user)
