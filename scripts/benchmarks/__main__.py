"""`./scripts/bench [part …]`: measures, and prints a table in Markdown."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.benchmarks import load
from scripts.benchmarks.bench import Bench, Sizes, saying
from scripts.benchmarks.curves import curves
from scripts.benchmarks.exports import csv_export, first_byte, json_export, parquet_export, wide_export, xlsx_export
from scripts.benchmarks.imports import csv_import, xlsx_import
from scripts.benchmarks.indexes import indexes
from scripts.benchmarks.measure import Figure, table
from scripts.benchmarks.memory import memory_growth
from scripts.benchmarks.pages import cached_page, first_page, keyset_page
from scripts.benchmarks.pollution_run import polluted_imports
from scripts.benchmarks.records import records
from scripts.benchmarks.reimport import reimport
from scripts.benchmarks.servers import postgres, service
from scripts.benchmarks.throughput import throughput

PARTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "import": csv_import,
    "import-xlsx": xlsx_import,
    "imports": polluted_imports,
    "reimport": reimport,
    "records": records,
    "page": first_page,
    "page-cached": cached_page,
    "throughput": throughput,
    "keyset": keyset_page,
    "indexes": indexes,
    "export": csv_export,
    "export-wide": wide_export,
    "export-xlsx": xlsx_export,
    "export-json": json_export,
    "export-parquet": parquet_export,
    "first-byte": first_byte,
    "memory": memory_growth,
    "curves": curves,
}
QUICK = Sizes(rows=100_000, xlsx=20_000, wide=3_000, memory=(100_000, 500_000), seconds=2, curve=(10_000, 100_000))


def main() -> None:
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sizes = _sizes(given)
    with tempfile.TemporaryDirectory(prefix="sheaf-bench-") as name:
        folder = Path(name)
        with postgres(folder / "database") as database, service(folder / "service", database) as server:
            bench = Bench(sizes, folder, database, server)
            figures = []
            for part in given.parts or PARTS:
                with saying(part):
                    found = PARTS[part](bench)
                figures += found
                print(*(f"    {each.result}  {each.absolute}" for each in found), sep="\n", file=sys.stderr)
            print(_conditions(bench), table(figures), sep="\n\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure speed and memory, each beside a baseline.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"what to measure (all): {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a look and for CI")
    parser.add_argument("--rows", type=int, help="rows of the orders file (1,000,000)")
    parser.add_argument("--xlsx-rows", type=int, dest="xlsx", help="rows of the workbook (100,000)")
    parser.add_argument("--wide-rows", type=int, dest="wide", help="rows of the file with 300 columns (20,000)")
    parser.add_argument("--memory-rows", type=int, nargs=2, dest="memory", help="for memory (1 and 5 million)")
    parser.add_argument("--curve-rows", type=int, nargs="+", dest="curve", help="for curves (10,000 to 5 million)")
    parser.add_argument("--rounds", type=int, help="rounds that count (5)")
    parser.add_argument("--seconds", type=int, help="how long one round of requests lasts (8)")
    return parser


def _sizes(given: argparse.Namespace) -> Sizes:
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        sys.exit(f"bench: there is no part {unknown[0]!r}; there are {', '.join(PARTS)}.")
    usual = QUICK if given.quick else Sizes()
    told = {name: getattr(given, name) or getattr(usual, name) for name in Sizes.__struct_fields__}
    return Sizes(**told | {"memory": tuple(told["memory"]), "curve": tuple(told["curve"])})


def _conditions(bench: Bench) -> str:
    """Where and how this was measured."""
    server = bench.connection.info.parameter_status("server_version")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}; {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB;"
        f" Python {platform.python_version()}, PostgreSQL {server}; {bench.sizes.rounds} rounds after one that does"
        f" not count; {load.CONNECTIONS} connections of {load.generator()}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
