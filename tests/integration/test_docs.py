"""The README and the pages of docs/ keep what they promise: their commands are run against the real service."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.client import Client
from support.documents import blocks, run
from support.server import Server

ROOT = Path(__file__).parents[2]
QUICKSTART = blocks(ROOT / "README.md")
UPLOADED = 3
"""Blocks of the quickstart after which the dataset `orders` is there; every page goes on from them."""
PAGES = (
    "uploading", "imports", "schema", "querying", "editing", "keys", "versions", "exporting", "caching", "archives",
    "workspaces", "access", "errors", "seeds",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="the pages' commands need bash and curl"
)


@pytest.fixture
def home(tmp_path: Path, caller: Client) -> Path:
    """A folder as it is where `./scripts/serve` runs: with the key in it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/api_key").write_text(caller.key + "\n")
    return tmp_path


def _check(server: Server, home: Path, page: Path, *, behind: int = 0) -> None:
    """Run the page, the first blocks of the quickstart before it."""
    before = QUICKSTART[:behind]
    address = ("http://127.0.0.1:8000", server.base)
    written = [*before, *blocks(page)]
    ready = [type(each)(each.commands.replace(*address), each.promise, each.is_json) for each in written]
    printed = run(ready, home, {"PATH": os.environ["PATH"], "HOME": str(home)})
    assert len(printed) > behind
    for block, text in zip(ready, printed, strict=True):
        block.check(text)


def test_the_quickstart_works_as_printed(server: Server, home: Path) -> None:
    _check(server, home, ROOT / "README.md")
    assert (home / "orders.xlsx").read_bytes().startswith(b"PK")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_works_as_printed(server: Server, home: Path, name: str) -> None:
    _check(server, home, ROOT / "docs" / f"{name}.md", behind=UPLOADED)
