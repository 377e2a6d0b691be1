"""The child process when it does not end well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

import pytest
import structlog
from msgspec import structs
from structlog.testing import capture_logs
from support.processes import alive, children
from support.waiting import until
from support.workbooks import opened, records, sheet, strings, xlsx

from backend.errors import TooLarge, UnreadableFile
from backend.readers import workbook_child
from backend.readers.base import ReadLimits
from backend.readers.workbook_child import Child
from backend.sheets.protocol import Job

JOB = Job(format="xlsx", sheet=None, fill_merged=False, memory=2**30, seconds=60)


@cache
def long() -> bytes:
    """A workbook that takes more than a second to read."""
    row = '<row r="{0}"><c s="0" r="A{0}"><v>{0}</v></c></row>'
    return xlsx(sheet("".join(map(row.format, range(1, 400_000)))))


def readers() -> set[int]:
    """Ids of the processes that read workbooks for this one."""
    return children(os.getpid(), b"backend.sheets.child")


def test_beyond_its_time() -> None:
    limits = ReadLimits(workbook_seconds=1)
    with (
        pytest.raises(TooLarge, match=r"SHEAF_WORKBOOK_SECONDS \(1 s\)"),
        opened(long(), limits=limits) as source,
    ):
        records(source)
    assert not readers()


def test_beyond_its_memory() -> None:
    made = xlsx(sheet("<row><c t='s'><v>0</v></c></row>"), shared=strings("<t>" + os.urandom(9_000_000).hex() + "</t>"))
    limits = ReadLimits(workbook_memory=2**24)
    with pytest.raises(TooLarge, match=r"SHEAF_WORKBOOK_MEMORY \(16,777,216 bytes\)"), opened(made, limits=limits):
        pass
    assert not readers()


def test_killed_from_outside() -> None:
    with TemporaryFile() as file:
        file.write(long())
        file.flush()
        child = Child(JOB, file, ReadLimits())
        assert readers() == {child.pid}
        os.kill(child.pid, signal.SIGSEGV)
        with pytest.raises(UnreadableFile, match="could not be read"):
            list(child.messages())
        child.spool.close()


def test_stopped_is_beyond_its_time() -> None:
    with TemporaryFile() as file:
        file.write(long())
        file.flush()
        child = Child(JOB, file, ReadLimits(workbook_seconds=1))
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(TooLarge, match="SHEAF_WORKBOOK_SECONDS"):
            list(child.messages())
        child.spool.close()
    assert not readers()


def test_left_before_its_end() -> None:
    with opened(long()) as source:
        next(source.batches())
    assert not readers()


def test_refused_before_anything_was_read() -> None:
    with pytest.raises(UnreadableFile, match="no workbook"), opened(b"nothing of the kind"):
        pass
    assert not readers()


@pytest.fixture
def unconfigured_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A logger that takes every level, whatever other tests have configured."""
    before = structlog.get_config()
    structlog.reset_defaults()
    monkeypatch.setattr(workbook_child, "log", structlog.get_logger())
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("unconfigured_log")
def test_the_log_says_where_but_not_what(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with path.open("rb") as file, capture_logs() as logs:
        child = Child(structs.replace(JOB, seconds=-1), file, ReadLimits())
        with pytest.raises(UnreadableFile, match="could not be read"):
            list(child.messages())
        child.spool.close()
    (entry,) = logs
    assert entry["code"] == 1
    assert entry["at"][-1] == "ValueError"


PARENT = """
import sys, time
from backend.readers.base import ReadLimits
from backend.readers.workbook_child import Child
from backend.sheets.protocol import Job
job = Job(format="xlsx", sheet=None, fill_merged=False, memory=2**30, seconds=60)
child = Child(job, open(sys.argv[1], "rb"), ReadLimits())
print(child.pid, flush=True)
time.sleep(60)
"""


def test_dies_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "big.xlsx"
    path.write_bytes(long())
    with subprocess.Popen([sys.executable, "-c", PARENT, path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        parent.kill()
        parent.wait()
        os.kill(pid, signal.SIGCONT)
        until(lambda: not alive({pid}), "the child's end")
