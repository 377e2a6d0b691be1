"""Requests from some connections at once: by wrk where it is installed, else by a small generator of our own."""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from itertools import cycle, islice
from tempfile import NamedTemporaryFile
from time import perf_counter

import uvloop
from msgspec import Struct

from scripts.benchmarks.client import answer_size

CONNECTIONS = 16
"""Where nothing else is said."""
_IN_TURN = """
local paths, at = {%s}, 0
request = function()
  at = at %% #paths + 1
  return wrk.format(nil, paths[at])
end
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Load(Struct, frozen=True):
    """Requests answered, requests a second, and the latencies' median and 99th percentile in seconds."""

    requests: int
    rate: float
    median: float
    slow: float


def generator() -> str:
    """The name of what makes the load."""
    if shutil.which("wrk") is None:
        return "the asyncio generator of scripts/benchmarks/load.py"
    return " ".join(_run(["wrk", "-v"]).split()[:2])


def run(port: int, requests: Sequence[bytes], seconds: int, connections: int = CONNECTIONS) -> Load:
    """These GETs in turn, again and again, on each connection; all with the same headers.

    Raises RuntimeError, or a group of them, for an answer that is not 200.
    """
    if shutil.which("wrk"):
        return _wrk(port, requests, seconds, connections)
    return uvloop.run(_own(port, requests, seconds, connections))


def _wrk(port: int, requests: Sequence[bytes], seconds: int, connections: int) -> Load:
    heads = [request.decode().rstrip().split("\r\n") for request in requests]
    told = [part for header in heads[0][1:] for part in ("-H", header)]
    with NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_IN_TURN % ", ".join(f'"{line.split()[1]}"' for line, *_ in heads))
        script.flush()
        how = [f"-c{connections}", "-t1", f"-d{seconds}s", "--latency", "-s", script.name, *told]
        out = _run(["wrk", *how, f"http://127.0.0.1:{port}/"])
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(out)
    latency = {mark: float(number) * _UNITS[unit] for mark, number, unit in re.findall(r"(\d+)% +([\d.]+)(\w+)", out)}
    counted = re.search(r"(\d+) requests in.*Requests/sec: +([\d.]+)", out, re.DOTALL)
    if counted is None:
        raise RuntimeError(out)
    return Load(int(counted[1]), float(counted[2]), latency["50"], latency["99"])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


async def _own(port: int, requests: Sequence[bytes], seconds: int, connections: int) -> Load:
    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(port, requests, started + seconds, at)) for at in range(connections)]
    took = [each for task in tasks for each in task.result()]
    rate = len(took) / (perf_counter() - started)
    return Load(len(took), rate, statistics.median(took), statistics.quantiles(took, n=100)[98])


async def _ask(port: int, requests: Sequence[bytes], until: float, first: int) -> list[float]:
    """The latencies on one connection that sends the next request as soon as an answer is whole."""
    took: list[float] = []
    following = islice(cycle(requests), first % len(requests), None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        while (sent := perf_counter()) < until:
            writer.write(next(following))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(answer_size(head) - len(head))
            took.append(perf_counter() - sent)
    finally:
        writer.close()
    return took
