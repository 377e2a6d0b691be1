"""Metrics of all workers together, through the death of one; health while PostgreSQL stands still and at the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from alembic.script import ScriptDirectory
from prometheus_client.parser import text_string_to_metric_families
from support.processes import alive, below
from support.program import Program
from support.ready import copy_ready
from support.waiting import until

from backend.repositories.migrate import alembic_config
from backend.repositories.probes import newest_migration

Figures = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics") / "data"
    copy_ready(folder)
    return folder


@pytest.fixture(scope="module")
def program(data: Path) -> Iterator[Program]:
    with Program("--data", data, "--workers", "2", environment={"SHEAF_DRAIN_SECONDS": "4"}) as program:
        yield program


def figures(program: Program) -> Figures:
    """By name and the values of the labels, in the order of the labels' names."""
    answer = httpx.get(f"{program.address}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def asked(program: Program) -> float:
    """How often users asked who they are."""
    return figures(program).get(("sheaf_request_duration_seconds_count", ("GET", "/api/v1/users/me", "200")), 0)


def ask(program: Program, times: int) -> None:
    """Over new connections, so that both workers get some."""
    for _ in range(times):
        assert program.get("/users/me").status_code == 200


def starts(program: Program) -> list[float]:
    return sorted(value for (name, _), value in figures(program).items() if name == "sheaf_worker_starts_total")


def everyone_has_written(program: Program) -> bool:
    return max(value for (name, _), value in figures(program).items() if name == "sheaf_worker_silent_seconds") < 3


def test_all_workers_are_counted_whichever_answers(program: Program) -> None:
    ask(program, 40)
    until(lambda: asked(program) == 40, "both have written their numbers")
    assert {asked(program) for _ in range(10)} == {40}


def test_no_count_goes_back_when_a_worker_is_killed(program: Program) -> None:
    before = until(lambda: (number := asked(program)) >= 40 and number, "all is counted")
    workers = program.workers
    os.kill(min(workers), signal.SIGKILL)
    assert asked(program) >= before
    until(lambda: len(program.workers - workers) == 1 and program.health, "another worker serves")
    ask(program, 10)
    until(lambda: asked(program) == before + 10, "its numbers go on")
    until(lambda: starts(program) == [1, 2], "its start is counted")


def test_what_an_operator_alerts_on_is_told(program: Program) -> None:
    assert program.upload("counted", "a,b\n1,2\n3,4\n").status_code == 201
    assert program.get("/datasets/counted/export?format=csv").text == "a,b\r\n1,2\r\n3,4\r\n"
    assert program.get("/datasets/missing").status_code == 404
    headers = {"X-API-Key": program.key, "Idempotency-Key": "once"}
    for _ in range(2):
        url = f"{program.address}/api/v1/datasets/counted/records"
        assert httpx.post(url, json={"a": 5, "b": 6}, headers=headers, timeout=60).status_code == 201
    url = f"{program.address}/api/v1/datasets/counted/records?dry_run=true"
    assert httpx.post(url, json=[{"a": 5, "b": 6}], headers={"X-API-Key": program.key}, timeout=60).is_success
    wanted = {
        ("sheaf_versions_published_total", ("import",)): 1.0,
        ("sheaf_versions_published_total", ("create",)): 1.0,
        ("sheaf_rows_written_total", ("import",)): 2.0,
        ("sheaf_imports_total", ("done",)): 1.0,
        ("sheaf_received_bytes_total", ()): 12.0,
        ("sheaf_exports_total", ("csv",)): 1.0,
        ("sheaf_rows_exported_total", ("csv",)): 2.0,
        ("sheaf_exported_bytes_total", ("csv",)): 15.0,
        ("sheaf_problems_total", ("DATASET_NOT_FOUND",)): 1.0,
        ("sheaf_idempotent_replays_total", ()): 1.0,
        ("sheaf_imports_jobs", ("queued",)): 0.0,
        ("sheaf_imports_oldest_waiting_seconds", ()): 0.0,
        ("sheaf_exports_jobs", ("done",)): 0.0,
        ("sheaf_database_up", ()): 1.0,
        ("sheaf_database_pool_waiting", ("requests",)): 0.0,
    }
    until(lambda: wanted.items() <= figures(program).items(), "all is counted")
    found = figures(program)
    for worker in "12":
        assert found["process_resident_memory_bytes", (worker,)] > 2**20
        assert found["process_open_fds", (worker,)] > 3
    assert 0 < found["sheaf_database_pool_connections", ("requests",)] <= 20


def test_labels_are_of_few_values(program: Program) -> None:
    before = len(figures(program))
    for number in range(20):
        httpx.request("PROPFIND", f"{program.address}/api/v1/datasets/{number}", timeout=60)
        httpx.get(f"{program.address}/nothing/{number}", timeout=60)
    until(lambda: everyone_has_written(program), "all is counted")
    assert len(figures(program)) - before < 80


@contextmanager
def standing_still(pids: set[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in alive(pids):
            os.kill(pid, signal.SIGCONT)


def test_health_while_the_database_stands_still(program: Program, data: Path) -> None:
    with standing_still(below(data / "postgres")):
        ready = httpx.get(f"{program.address}/health/ready", timeout=60)
        assert (ready.status_code, ready.json()["detail"]) == (503, "The database does not answer in time.")
        assert httpx.get(f"{program.address}/health/live", timeout=60).json() == {"status": "ok"}
        assert figures(program)["sheaf_database_up", ()] == 0
    told = until(lambda: program.health, "it is ready again")
    assert told == {"status": "ok", "database": "ok", "cache": "ok", "migrations": "ok"}


def test_the_newest_migration_is_known_by_its_file() -> None:
    assert newest_migration() == ScriptDirectory.from_config(alembic_config("postgresql://")).get_current_head()


def test_before_the_end_it_is_not_ready_but_serves_on(program: Program) -> None:
    """The last test: the service ends."""
    program.process.send_signal(signal.SIGTERM)
    until(lambda: not program.health, "it is not ready")
    ready = httpx.get(f"{program.address}/health/ready", timeout=60)
    assert (ready.status_code, ready.json()["detail"]) == (503, "The server is stopping.")
    assert program.get("/users/me").status_code == 200
    assert program.process.wait(60) == 0
