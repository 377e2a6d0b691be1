"""What the log says of failures, ours and those of libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
PROGRAM = """
import logging
import structlog
from backend.logs import configure_logging

configure_logging("debug")
try:
    try:
        int("a cell")
    except ValueError as error:
        raise KeyError("another cell") from error
except KeyError:
    structlog.get_logger().exception("ours")
    logging.getLogger("library").exception("theirs")
"""


def test_an_exception_is_told_by_its_place_and_kind_not_by_what_it_says() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs"]
    for line in lines:
        assert "builtins.KeyError\n\nWhich came of:\n" in line["exception"]
        assert line["exception"].endswith("builtins.ValueError")
        assert "line 9" in line["exception"]
        assert "cell" not in line["exception"]


@pytest.mark.skipif(not FULL.exists(), reason="this system has no file that is always full")
def test_nothing_fails_where_the_log_cannot_be_written() -> None:
    program = PROGRAM + "    print('went on')\n"
    with FULL.open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, check=False)
    assert ended.stdout == b"went on\n"
