"""What the parts share: sizes, servers, and files and datasets that are made when first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from time import perf_counter

import psycopg
from msgspec import Struct

from scripts.benchmarks import data
from scripts.benchmarks.client import Client
from scripts.benchmarks.measure import Sample
from scripts.benchmarks.processes import cpu_of, own_cpu
from scripts.benchmarks.servers import Postgres, Server


class Sizes(Struct, frozen=True):
    """Rows of the files, rounds that count, and seconds for which one round of requests lasts."""

    rows: int = 1_000_000
    xlsx: int = 100_000
    wide: int = 20_000
    memory: tuple[int, int] = (1_000_000, 5_000_000)
    curve: tuple[int, ...] = (10_000, 100_000, 1_000_000, 5_000_000)
    rounds: int = 5
    seconds: int = 8


class Dataset(Struct, frozen=True):
    """A dataset in the service, and the quoted name of its record table."""

    id: str
    table: str


class Bench:
    """One run."""

    def __init__(self, sizes: Sizes, folder: Path, postgres: Postgres, service: Server) -> None:
        self.sizes = sizes
        self.folder = folder
        self.postgres = postgres
        self.service = service
        self.connection: psycopg.Connection = postgres.connect()

    @cached_property
    def orders(self) -> Dataset:
        return self.upload(self.orders_csv(self.sizes.rows))

    @cached_property
    def short_orders(self) -> Dataset:
        """As many as the workbooks have."""
        return self.upload(self.orders_csv(self.sizes.xlsx))

    @cached_property
    def wide(self) -> Dataset:
        return self.upload(data.write_csv(self.folder / "wide.csv", data.wide, self.sizes.wide))

    def orders_csv(self, rows: int) -> Path:
        return data.write_csv(self.folder / f"orders-{rows}.csv", data.orders, rows)

    def orders_lines(self, rows: int) -> Path:
        return data.write_copy_lines(self.folder / f"orders-{rows}.lines", rows)

    def orders_xlsx(self, rows: int) -> Path:
        return data.write_xlsx(self.folder / f"orders-{rows}.xlsx", rows)

    def upload(self, path: Path, through: Client | None = None) -> Dataset:
        """Through the service that all parts share, or another one."""
        return self.dataset((through or self.service.client).upload(path)["dataset"]["id"])

    def dataset(self, dataset: str) -> Dataset:
        """The dataset with this id."""
        row = self.connection.execute(
            "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE c.relname = %s",
            (f"records_{dataset.replace('-', '')}",),
        ).fetchone()
        assert row is not None
        return Dataset(dataset, row[0])

    def forget(self, dataset: Dataset) -> None:
        """Take away a dataset's rows at once, which deleting it would only do after some days."""
        schema = dataset.table.partition(".")[0]
        lies = f"SELECT store FROM {schema}.datasets WHERE id = %(id)s"
        lay = f"SELECT store FROM {schema}.retired_stores WHERE dataset_id = %(id)s"
        for (store,) in self.connection.execute(f"{lies} UNION {lay}", {"id": dataset.id}).fetchall():
            self._drop(f"{schema}.records_{store.hex}")

    def _drop(self, table: str) -> None:
        """Tries again where the service builds an index or statistics there: PostgreSQL ends one of the two."""
        with suppress(psycopg.errors.DeadlockDetected, psycopg.errors.InternalError_):
            self.connection.execute(f"DROP TABLE IF EXISTS {table}")
            return
        self._drop(table)

    def settle(self) -> None:
        """Let the database write out what is left to write, so that nobody pays for what somebody else did."""
        self.connection.execute("CHECKPOINT")

    def serving(self, work: Callable[[], object]) -> Sample:
        """Seconds that `work` takes, and the processor time of service and database."""
        return self._timed(work, lambda: cpu_of(self.service.pid, self.postgres.pid))

    def alone(self, work: Callable[[], object]) -> Sample:
        """Seconds that `work` takes in this process, and the processor time of this process and the database."""
        return self._timed(work, lambda: own_cpu() + cpu_of(self.postgres.pid))

    def _timed(self, work: Callable[[], object], cpu: Callable[[], float]) -> Sample:
        before, started = cpu(), perf_counter()
        work()
        seconds = perf_counter() - started
        return Sample(seconds, cpu() - before)


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Tell on standard error what is going on."""
    started = perf_counter()
    print(f"{what} … ", end="", flush=True, file=sys.stderr)
    yield
    print(f"{perf_counter() - started:.0f} s", file=sys.stderr)
