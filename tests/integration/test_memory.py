"""The service's memory does not grow with the size of what goes through it."""

import sys
from collections.abc import Iterator
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
MOST = 150 * MEBIBYTE
TOLERANCE = 40 * MEBIBYTE
FORMATS = ("csv", "tsv", "xlsx")


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


def taken(client: Client, dataset: str, form: str, **params: str) -> int:
    """Download without keeping anything; how many bytes came."""
    with client.http.stream("GET", f"/datasets/{dataset}/export", params={"format": form, **params}) as answer:
        assert answer.status_code == 200
        return sum(map(len, answer.iter_raw()))


def test_memory_stays_flat(measured: Server, tmp_path: Path) -> None:
    client = Client.register(measured.base)
    workers = measured.workers
    warm = client.made(client.upload(orders(tmp_path / "warm.csv", 1000).read_bytes(), "warm.csv"))
    for form in FORMATS:
        assert taken(client, warm, form)
    idle = resident(workers)
    growth: dict[tuple[str, int], int] = {}
    for rows in SIZES:
        with orders(tmp_path / "orders.csv", rows).open("rb") as file, peak(workers, idle) as import_:
            dataset = client.made(client.send(file))
        growth["import", rows] = import_.growth
        for form in FORMATS:
            with peak(workers, idle) as export:
                assert taken(client, dataset, form) > rows
            growth[form, rows] = export.growth
        with peak(workers, idle) as export:
            assert taken(client, dataset, "csv", sort="-amount", null="NA") > rows
        growth["csv, sorted", rows] = export.growth
    client.close()
    shown = {f"{work}, {rows:,} rows": f"{size / MEBIBYTE:.0f} MiB" for (work, rows), size in growth.items()}
    few, many = SIZES
    assert max(growth.values()) <= MOST, shown
    assert all(growth[work, many] <= size + TOLERANCE for (work, rows), size in growth.items() if rows == few), shown
