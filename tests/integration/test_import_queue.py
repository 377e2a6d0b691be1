"""Imports that were promised, by a real service with two workers: killed, restarted, followed, cancelled."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from support.client import Client, problem
from support.leases import end_all_leases
from support.server import Server, copied
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

ROWS = 200_000
LARGE = b"id,when,city,amount\n" + b"".join(
    b"%d,2025-01-%02d,city %d,%d.50\n" % (n, n % 28 + 1, n % 97, n % 1000) for n in range(ROWS)
)
TIMES = 3
LONGER = LARGE + (TIMES - 1) * LARGE.partition(b"\n")[2]
"""Takes longer than the half second between two events, and than a few calls."""
LATER = {"Content-Type": "text/csv", "Prefer": "respond-async"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of two workers, each of which runs one import at a time."""
    with Server(tmp_path_factory.mktemp("pair"), workers="2", concurrent_imports="1") as running:
        yield running


@pytest.fixture
def user(pair: Server) -> Iterator[Client]:
    with Client.register(pair.base) as found:
        found.made(found.upload(b"id\n1\n", "there.csv"))
        yield found


def promised(user: Client, body: bytes, name: str) -> str:
    """Send a file to be imported later; the import's id."""
    answer = user.http.post("/datasets", params={"name": name}, content=body, headers=LATER)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def status(user: Client, import_id: str) -> dict[str, Any]:
    answer = user.http.get(f"/imports/{import_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ended(user: Client, import_id: str) -> dict[str, Any]:
    """Its status when it is over."""
    until(lambda: status(user, import_id)["state"] not in {"queued", "running"}, "the import ends", seconds=120)
    return status(user, import_id)


def rows_arrive(pair: Server) -> None:
    until(lambda: copied(pair) > 10_000, "rows arrive in the database")


def asked(pair: Server, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(pair.database_url) as connection:
        ran = connection.execute(query.encode(), values or None)
        return ran.fetchall() if ran.description else []


def reading(pair: Server) -> int:
    """The worker that holds a large file open: the one that runs the import."""
    found = [pid for pid in pair.workers for handle in Path(f"/proc/{pid}/fd").iterdir() if _size(handle) >= len(LARGE)]
    (pid,) = set(found)
    return pid


def _size(handle: Path) -> int:
    try:
        return handle.stat().st_size if str(handle.readlink()).endswith(" (deleted)") else 0
    except OSError:
        return 0


def record_tables(pair: Server) -> int:
    query = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'records\\_%'"
    return int(asked(pair, query)[0][0])


def chunks(pair: Server) -> int:
    return int(asked(pair, "SELECT count(*) FROM sheaf.upload_chunks")[0][0])


def test_when_its_worker_is_killed_another_ends_it(pair: Server, user: Client) -> None:
    tables = record_tables(pair)
    import_id = promised(user, LARGE, "large")
    rows_arrive(pair)
    killed = reading(pair)
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in pair.workers, "it is gone")
    user = Client(pair.base, user.key)
    done = ended(user, import_id)
    assert (done["state"], done["rows"], done["dataset"]["rows"]) == ("done", ROWS, ROWS)
    assert user.names() == ["large", "there"]
    assert record_tables(pair) == tables + 1
    assert asked(pair, "SELECT attempts FROM sheaf.imports WHERE id = %s", import_id) == [(2,)]
    assert chunks(pair) == 0
    user.close()
    until(lambda: len(pair.workers) == 2 and pair.is_ready, "another worker serves")


def test_when_its_worker_is_killed_a_dataset_gets_each_row_once(pair: Server, user: Client) -> None:
    dataset = user.made(user.upload(LARGE, "large.csv"))
    answer = user.http.post(f"/datasets/{dataset}/imports", params={"mode": "append"}, content=LARGE, headers=LATER)
    assert answer.status_code == 202, answer.text
    rows_arrive(pair)
    killed = reading(pair)
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in pair.workers, "it is gone")
    end_all_leases(pair.database_url)
    user = Client(pair.base, user.key)
    assert ended(user, answer.json()["id"])["state"] == "done"
    assert (user.version(dataset), user.http.get(f"/datasets/{dataset}").json()["rows"]) == (2, 2 * ROWS)
    user.close()


def test_a_restart_of_everything_loses_nothing(pair: Server, user: Client) -> None:
    waiting = [promised(user, LARGE, "large"), *(promised(user, b"id\n1\n", f"small {n}") for n in range(3))]
    rows_arrive(pair)
    pair.kill()
    pair.start()
    end_all_leases(pair.database_url)
    again = Client(pair.base, user.key)
    assert {ended(again, each)["state"] for each in waiting} == {"done"}
    assert again.names() == ["large", "small 0", "small 1", "small 2", "there"]
    assert chunks(pair) == 0
    again.close()


def test_a_service_that_is_told_to_stop_gives_its_imports_back(pair: Server, user: Client) -> None:
    import_id = promised(user, LARGE, "large")
    rows_arrive(pair)
    pair.stop()
    pair.start()
    again = Client(pair.base, user.key)
    assert ended(again, import_id)["state"] == "done"
    assert again.names() == ["large", "there"]
    again.close()


def events(user: Client, import_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event, to the end of the stream."""
    with user.http.stream("GET", f"/imports/{import_id}/events", headers={"Last-Event-ID": "7"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


def test_events_tell_how_far_it_is_from_whichever_worker(pair: Server, user: Client) -> None:
    import_id = promised(user, LONGER, "large")
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: list(events(user, import_id)), range(4)))
    for each in told:
        assert {name for name, _ in each[:-1]} == {"progress"}
        name, last = each[-1]
        assert (name, last["state"], last["percent"], last["rows"]) == ("done", "done", 100, TIMES * ROWS)
        assert last["started_at"] < last["dataset"]["created_at"] <= last["finished_at"]
        percents = [data["percent"] for _, data in each]
        assert percents == sorted(percents)
        assert any(0 < data["percent"] < 100 and data["rows"] > 0 and data["rows_per_second"] > 0 for _, data in each)
    assert [name for name, _ in events(user, import_id)] == ["done"]


def test_a_cancelled_import_leaves_nothing(pair: Server, user: Client) -> None:
    tables = record_tables(pair)
    import_id = promised(user, LARGE, "large")
    rows_arrive(pair)
    assert user.http.delete(f"/imports/{import_id}").status_code in {202, 204}
    over = ended(user, import_id)
    assert (over["state"], over["dataset"]) == ("cancelled", None)
    assert "report" not in over
    assert user.names() == ["there"]
    assert (record_tables(pair), chunks(pair)) == (tables, 0)
    problem(user.http.delete(f"/imports/{import_id}"), 409)


def test_one_that_waits_is_cancelled_at_once(pair: Server, user: Client) -> None:
    running = [promised(user, LONGER, f"large {n}") for n in range(2)]
    waits = promised(user, b"id\n1\n", "waits")
    assert user.http.delete(f"/imports/{waits}").status_code == 204
    assert status(user, waits)["state"] == "cancelled"
    for each in running:
        user.http.delete(f"/imports/{each}")
        assert ended(user, each)["state"] == "cancelled"
    assert user.names() == ["there"]


def test_an_import_that_somebody_waits_for_can_be_followed_and_cancelled(pair: Server, user: Client) -> None:
    tables = record_tables(pair)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(user.upload, LARGE, "large.csv")
        rows_arrive(pair)
        query = "SELECT id::text FROM sheaf.imports WHERE state = 'running' AND NOT answered"
        (import_id,) = until(lambda: asked(pair, query), "it can be looked up")[0]
        until(lambda: status(user, import_id)["rows"] > 0, "its progress is told")
        assert user.http.delete(f"/imports/{import_id}").status_code in {202, 204}
        assert problem(answer.result(), 409)["error_code"] == "IMPORT_CANCELLED"
    assert status(user, import_id)["state"] == "cancelled"
    assert (user.names(), record_tables(pair)) == (["there"], tables)


def test_whoever_lost_the_lease_publishes_nothing(pair: Server, user: Client) -> None:
    import_id = promised(user, LARGE, "large")
    rows_arrive(pair)
    stolen = "UPDATE sheaf.imports SET worker = gen_random_uuid(), lease_until = now() + interval '1 h' WHERE id = %s"
    asked(pair, stolen, import_id)
    until(lambda: copied(pair) == 0, "its worker stops")
    assert user.names() == ["there"]
    asked(pair, "UPDATE sheaf.imports SET lease_until = now() WHERE id = %s", import_id)
    assert ended(user, import_id)["state"] == "done"
    assert user.names() == ["large", "there"]


def test_many_are_each_run_once(pair: Server, user: Client) -> None:
    names = [f"small {n:02}" for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        waiting = list(pool.map(lambda name: promised(user, b"id\n1\n", name), names))
    assert {ended(user, each)["state"] for each in waiting} == {"done"}
    assert user.names() == [*names, "there"]
    assert asked(pair, "SELECT DISTINCT attempts FROM sheaf.imports WHERE id::text = ANY(%s)", waiting) == [(1,)]
    assert chunks(pair) == 0


def test_one_whose_caller_waited_for_a_killed_process_leaves_nothing(pair: Server, user: Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(user.upload, LARGE, "large.csv")
        rows_arrive(pair)
        pair.kill()
        with pytest.raises(httpx.TransportError):
            answer.result()
    pair.start()
    end_all_leases(pair.database_url)
    query = "SELECT 1 FROM sheaf.imports WHERE state = 'running'"
    until(lambda: not asked(pair, query), "it is forgotten")
    again = Client(pair.base, user.key)
    assert again.names() == ["there"]
    again.close()


def test_a_killed_database_loses_nothing(pair: Server, user: Client) -> None:
    import_id = promised(user, LARGE, "large")
    rows_arrive(pair)
    killed = pair.postmaster
    os.kill(killed, signal.SIGKILL)
    until(lambda: pair.postmaster not in {0, killed} and pair.is_ready, "another one serves")
    assert ended(user, import_id)["state"] == "done"
    assert user.names() == ["large", "there"]
