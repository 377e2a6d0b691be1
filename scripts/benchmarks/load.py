"""Requests from 16 connections: by wrk where it is installed, else by a small generator of our own."""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import subprocess
from functools import partial
from time import perf_counter
from typing import cast

import uvloop
from msgspec import Struct

from scripts.benchmarks.client import answer_size

CONNECTIONS = 16
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


def run(port: int, request: bytes, seconds: int) -> Load:
    """The same GET again and again on each of the connections. Raises RuntimeError for an answer that is not 200."""
    if shutil.which("wrk"):
        return _wrk(port, request, seconds)
    return uvloop.run(_own(port, request, seconds))


def _wrk(port: int, request: bytes, seconds: int) -> Load:
    line, *headers = request.decode().rstrip().split("\r\n")
    told = [part for header in headers for part in ("-H", header)]
    url = f"http://127.0.0.1:{port}{line.split()[1]}"
    command = ["wrk", f"-c{CONNECTIONS}", "-t1", f"-d{seconds}s", "--latency", *told, url]
    out = _run(command)
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


async def _own(port: int, request: bytes, seconds: int) -> Load:
    loop = asyncio.get_running_loop()
    started = perf_counter()
    lines = [_Connection(request, started + seconds) for _ in range(CONNECTIONS)]
    for line in lines:
        await loop.create_connection(partial(_same, line), "127.0.0.1", port)
    await asyncio.gather(*(line.ended for line in lines))
    took = [each for line in lines for each in line.took]
    return Load(
        len(took),
        len(took) / (perf_counter() - started),
        statistics.median(took),
        statistics.quantiles(took, n=100)[98],
    )


def _same(line: _Connection) -> _Connection:
    return line


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as an answer is whole, until the time is over."""

    def __init__(self, request: bytes, until: float) -> None:
        self.took: list[float] = []
        self.ended = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = until
        self._received = b""
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._wanted and b"\r\n\r\n" in self._received:
            try:
                self._wanted = answer_size(self._received)
            except RuntimeError as error:
                self.ended.set_exception(error)
                self._transport.close()
                return
        if self._wanted and len(self._received) >= self._wanted:
            self.took.append(perf_counter() - self._sent)
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or RuntimeError("The server closed the connection."))

    def _send(self) -> None:
        self._received, self._wanted, self._sent = b"", 0, perf_counter()
        if self._sent < self._until:
            self._transport.write(self._request)
        else:
            self.ended.set_result(None)
            self._transport.close()
