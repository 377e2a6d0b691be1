"""The service's memory does not grow with the size of what goes through it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.client import Client
from support.memory import MEBIBYTE, peak, resident
from support.server import Server

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
    pytest.mark.alone,  # it was seen to fail beside others' work
]

SIZES = (100_000, 500_000)
MOST = 120 * MEBIBYTE
TOLERANCE = 35 * MEBIBYTE
"""What the larger file has more is more than that, so whoever held it in memory would be seen."""
Work = Callable[[Client, str, Path], object]
"""Of a user, on a dataset, with a file for an archive."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of its own, so that nothing else goes through it."""
    with Server(tmp_path_factory.mktemp("measured"), ephemeral=True) as running:
        yield running


def orders(path: Path, rows: int) -> Path:
    """A file of ten columns of all kinds."""
    with path.open("w") as file:
        file.write("id,customer,status,amount,quantity,paid,day,at,email,note\n")
        file.writelines(
            f"{n},customer {n % 5000},{('new', 'paid', 'sent')[n % 3]},{n % 9973}.{n % 100:02},{n % 17},"
            f"{('true', 'false')[n % 2]},2025-{n % 12 + 1:02}-{n % 28 + 1:02},2025-01-01T{n % 24:02}:{n % 60:02}:00Z,"
            f'user{n}@example.org,"note {n}, with a comma"\n'
            for n in range(1, rows + 1)
        )
    return path


def exporting(**params: str) -> Work:
    """Download without keeping anything."""

    def export(client: Client, dataset: str, _: Path) -> None:
        with client.http.stream("GET", f"/datasets/{dataset}/export", params=params) as answer:
            assert answer.status_code == 200
            assert sum(map(len, answer.iter_raw())) > 1000

    return export


def archive(client: Client, _: str, path: Path) -> None:
    workspace = client.http.get("/users/me").json()["workspaces"][0]["id"]
    with path.open("wb") as file, client.http.stream("GET", f"/workspaces/{workspace}/export") as answer:
        assert answer.status_code == 200
        file.writelines(answer.iter_raw())


def bring_in(client: Client, _: str, path: Path) -> None:
    with path.open("rb") as file:
        answer = client.http.post("/workspaces/import", content=file, headers={"Content-Type": "application/zip"})
    assert answer.status_code == 201, answer.text


WORK: dict[str, Work] = {
    "csv": exporting(format="csv"),
    "xlsx": exporting(format="xlsx"),
    "csv, sorted": exporting(format="csv", sort="-amount", null="NA"),
    "a workspace out": archive,
    "a workspace in": bring_in,
}


def test_memory_stays_flat(measured: Server, tmp_path: Path) -> None:
    """What is done with few records is done with many next: what all before that has left counts for both."""
    workers, idle = measured.workers, 0
    growth: dict[tuple[str, int], int] = {}
    with ExitStack() as stack:
        made: dict[int, tuple[Client, str, Path]] = {}
        for rows in (1_000, *SIZES):
            client = stack.enter_context(Client.register(measured.base))
            with orders(tmp_path / "orders.csv", rows).open("rb") as file, peak(workers, idle) as import_:
                made[rows] = client, client.made(client.send(file)), tmp_path / f"{rows}.zip"
            growth["import", rows] = import_.growth
            if not idle:
                for work in WORK.values():
                    work(*made[rows])
                idle = resident(workers)
        for name, work in WORK.items():
            for rows in SIZES:
                with peak(workers, idle) as done:
                    work(*made[rows])
                growth[name, rows] = done.growth
    few, many = SIZES
    shown = {
        f"{work}, {rows:,} rows": f"{size / MEBIBYTE:.0f} MiB" for (work, rows), size in growth.items() if rows >= few
    }
    assert max(growth[work, many] for work in ("import", *WORK)) <= MOST, shown
    assert all(growth[work, many] <= growth[work, few] + TOLERANCE for work in ("import", *WORK)), shown
