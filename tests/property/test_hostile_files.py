"""Sound files that were damaged in every way we could think of: each becomes a dataset, or a refusal that says why.

A run is many numbers, each of which makes one file: 100 that are the same every time, then 20 others by a seed that is
printed. `FUZZ_MINUTES` makes it as long as that, of others alone; `FUZZ_SEED` repeats one, `FUZZ_NUMBER` makes one file
alone; `./scripts/fuzz files` sets them. A failure names its number. The file is kept in the folder `FUZZ_KEEP`, if any.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from support.client import Client, problem
from support.memory import peak, resident
from support.mutants import Mutant, mutant
from support.processes import descendants
from support.samples import samples
from support.server import Server
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

FIXED, MORE = range(100), 20
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or time.time_ns() % 10**12
GROWTH = 1536 * 2**20
"""Bytes that the process that serves may grow by."""
REFUSED = (400, 413, 415, 422)
OPTIONS: dict[bool, tuple[dict[str, object], ...]] = {
    True: ({}, {}, {}, {}, {"sheet": 1}, {"sheet": 2}, {"fill_merged": True}, {"header": False}, {"header": 3}),
    False: (
        *(
            {},
            {},
            {},
            {},
            {"on_error": "null"},
            {"on_error": "reject"},
            {"header": False},
            {"types": {"id": "integer"}},
        ),
        *({"skip_rows": 2, "skip_footer": 1}, {"encoding": "utf-8"}, {"delimiter": ","}, {"decimal_comma": True}),
    ),
}
"""What is told beside a workbook, and beside another file."""
LEFT = """
    SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname LIKE 'ws\\_%' AND relkind = 'r' AND relname LIKE 'records\\_%'
    AND substring(relname FROM 9)::uuid NOT IN (SELECT dataset_id FROM sheaf.directory)
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that gives a workbook little memory and time."""
    told = {"workbook_memory": "300MiB", "workbook_seconds": "20", "max_inflated": "200MiB", "max_upload": "64MiB"}
    with Server(tmp_path_factory.mktemp("strict"), cache_memory="0", **told) as running:
        yield running


@pytest.fixture
def user(strict: Server) -> Iterator[Client]:
    with Client.register(strict.base) as found:
        yield found


def tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class Run:
    """Files sent and what came of them, by form and status."""

    def __init__(self, user: Client) -> None:
        self._user = user
        self.samples = samples(user)
        self.outcomes = Counter[tuple[str, int]]()
        self.slowest = (0.0, "")
        self.failures: list[str] = []

    def send(self, number: int) -> None:
        """Make the file of this number, and check what comes of it."""
        made = mutant(number, self.samples)
        began = time.monotonic()
        try:
            answer = self._sent(number, made)
            self._check(answer)
        except (AssertionError, ValueError, httpx.HTTPError) as error:
            again = f"./scripts/fuzz files --number {number}"
            self.failures.append(f"file {number} ({again}), {made.name}, {made.how}: {error!r}"[:3000])
            tell(self.failures[-1])
            if keep := os.environ.get("FUZZ_KEEP"):
                Path(keep, f"{number}-{made.name}").write_bytes(made.content)
            return
        self.outcomes[made.form, answer.status_code] += 1
        self.slowest = max(self.slowest, (time.monotonic() - began, f"file {number}, {made.how}"))

    def report(self, seconds: float) -> None:
        """Print how many files there were, of which form, and what came of them."""
        total = self.outcomes.total()
        tell(f"{total:,} files from {len(self.samples)} samples in {seconds / 60:.1f} minutes")
        for form in sorted({form for form, _ in self.outcomes}):
            told = {status: count for (each, status), count in sorted(self.outcomes.items()) if each == form}
            tell(f"{form:8} {sum(told.values()):7,}  {told}")
        tell(f"{len(self.failures)} failed; slowest: {self.slowest[0]:.1f} s, {self.slowest[1]}")

    def _sent(self, number: int, made: Mutant) -> httpx.Response:
        if made.form == "archive":
            typed = {"Content-Type": "application/zip"}
            return self._user.http.post("/workspaces/import", content=made.content, headers=typed)
        files = {"file": (made.name, made.content)}
        options = OPTIONS[made.form.startswith(("xls", "ods"))]
        fields = {"options": json.dumps(options[number // 2 % len(options)])}
        params = {"dry_run": "true"} if number % 2 else {}
        return self._user.http.post("/datasets", files=files, data=fields, params=params)

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code in REFUSED:
            problem(answer, *REFUSED)
            return
        assert answer.status_code in {200, 201}, f"{answer.status_code}: {answer.text[:2000]}"
        told = answer.json(parse_int=float)  # Python takes no whole number of 100,000 digits
        if answer.status_code == 201 and "dataset" in told:
            ref = told["dataset"]["id"]
            page = self._user.http.get(f"/datasets/{ref}/records", params={"limit": 5})
            assert page.status_code == 200, page.text
            assert page.json(parse_int=float)["total"] == told["dataset"]["rows"]
            self._user.export(ref, "ndjson")
            assert self._user.http.delete(f"/datasets/{ref}").status_code == 204
        elif answer.status_code == 201:
            assert self._user.http.delete(f"/workspaces/{told['workspace']['id']}").status_code == 204


def numbers() -> Iterator[int]:
    """Which files are made: the fixed ones and some others, or others until the time is up."""
    if told := os.environ.get("FUZZ_NUMBER"):
        yield int(told)
        return
    if not MINUTES:
        yield from FIXED
    chance, ends = random.Random(SEED), time.monotonic() + 60 * MINUTES
    left = 0 if MINUTES else MORE
    while left or time.monotonic() < ends:
        yield chance.randrange(10**6, 10**12)
        left -= 1 if left else 0


def nothing_is_left(server: Server) -> None:
    """No reader runs, no file is spooled, no table belongs to no dataset, no import is under way."""
    workers = server.workers
    until(lambda: not any(descendants(pid) for pid in workers), "the readers end")
    until(lambda: not server.spooled, "the spool is empty")
    with psycopg.connect(server.database_url) as connection:
        assert connection.execute(LEFT).fetchall() == []
        states = connection.execute("SELECT DISTINCT state FROM sheaf.imports").fetchall()
    assert {state for (state,) in states} <= {"done", "failed"}


def test_each_becomes_a_dataset_or_is_refused(strict: Server, user: Client) -> None:
    tell(f"\nFUZZ_SEED={SEED}")
    run, workers, began = Run(user), strict.workers, time.monotonic()
    with peak(workers, resident(workers)) as memory:
        try:
            for number in numbers():
                run.send(number)
        finally:
            run.report(time.monotonic() - began)
    assert run.failures == []
    assert memory.growth < GROWTH
    assert strict.workers == workers, "a worker has died"
    nothing_is_left(strict)
