"""Workers and whole services end while they prepare an export: another one makes the file, and it is whole."""

import os
import signal
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from support.client import Client
from support.server import Server
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

ROWS = 200_000
LARGE = b"n,word\n" + b"".join(b"%d,the word number %d\n" % (n, n * 7919) for n in range(ROWS))


def status(user: Client, export: str) -> dict[str, Any]:
    answer = user.http.get(f"/exports/{export}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rows_of(workbook: bytes) -> bytes:
    """All but the moment that it was made at."""
    with ZipFile(BytesIO(workbook)) as package:
        assert package.testzip() is None
        return package.read("xl/worksheets/sheet1.xml")


def kill_the_workers(server: Server) -> None:
    for pid in server.workers:
        os.kill(pid, signal.SIGKILL)


def kill_all(server: Server) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("end", [kill_the_workers, kill_all])
def test_the_file_is_whole_all_the_same(mortal: Server, end: Callable[[Server], None]) -> None:
    with Client.register(mortal.base) as user:
        dataset, key = user.made(user.upload(LARGE, "large.csv")), user.key
        asked = {"format": "xlsx", "prepare": "true"}
        export = user.http.get(f"/datasets/{dataset}/export", params=asked).json()["id"]
        until(lambda: status(user, export)["bytes"] > 0, "the file is being made")
        assert status(user, export)["state"] == "running"
        end(mortal)
    until(lambda: mortal.is_ready, "the service answers again")
    with Client(mortal.base, key) as user:
        until(lambda: status(user, export)["state"] != "running", "it ends", seconds=120)
        found = status(user, export)
        assert (found["state"], found["rows"]) == ("done", ROWS)
        taken = user.http.get(f"/exports/{export}/file")
        assert (taken.status_code, len(taken.content)) == (200, found["bytes"])
        assert rows_of(taken.content) == rows_of(user.export(dataset, "xlsx"))
