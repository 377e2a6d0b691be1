"""The shell commands in a Markdown page, run as a reader would run them, and what the page says they print."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

ANYTHING = "…"
"""In a promised text: any characters; in promised JSON: any value, and as a name: further members."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PROMISES = ("json", "csv", "text")


class Block(Struct, frozen=True):
    """Commands of a page, and what they print, where the block behind them says so."""

    commands: str
    promise: str | None
    is_json: bool

    def check(self, printed: str) -> None:
        """Raises AssertionError where the commands printed something else than the page says."""
        if self.promise is None:
            return
        said = f"{self.commands}\nprinted\n{printed}"
        if self.is_json:
            assert fits(exact(self.promise), exact(printed)), said
        else:
            pattern = re.escape(self.promise.strip()).replace(re.escape(ANYTHING), ".*?")
            assert re.fullmatch(pattern, printed.replace("\r\n", "\n").strip(), re.DOTALL), said


def blocks(page: Path) -> list[Block]:
    """The `sh` blocks in order. A `json`, `csv` or `text` block directly behind one is its promise."""
    found = [(match[1], match[2]) for match in _FENCED.finditer(page.read_text())]
    return list(_blocks([*found, ("", "")]))


def _blocks(found: list[tuple[str, str]]) -> Iterator[Block]:
    for (language, text), (following, promise) in pairwise(found):
        if language == "sh":
            yield Block(text, promise if following in _PROMISES else None, following == "json")


def run(page: list[Block], folder: Path, variables: Mapping[str, str]) -> list[str]:
    """What each block prints, all in one shell that ends at the first failure. Raises AssertionError then."""
    script = "\n".join(f"{block.commands}\nprintf '\\0'" for block in page)
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=dict(variables),
        capture_output=True,
        check=False,
        timeout=120,
    )
    printed = ended.stdout.decode().split("\0")[:-1]
    assert ended.returncode == 0, f"{page[len(printed)].commands}\nfailed: {ended.stderr.decode()}"
    return printed


def exact(text: str) -> Any:
    """JSON with its numbers as they are written: `0.10` is not `0.1`."""
    return json.loads(text, parse_float=lambda number: ("number", number))


def fits(promise: Any, found: Any) -> bool:
    """Whether an answer is what the page promises."""
    if promise == ANYTHING:
        return True
    if isinstance(promise, dict) and isinstance(found, dict):
        named = {name: value for name, value in promise.items() if name != ANYTHING}
        complete = ANYTHING in promise or named.keys() == found.keys()
        return complete and all(name in found and fits(value, found[name]) for name, value in named.items())
    if isinstance(promise, list) and isinstance(found, list):
        if promise[-1:] == [ANYTHING]:
            promise, found = promise[:-1], found[: len(promise) - 1]
        return len(promise) == len(found) and all(map(fits, promise, found))
    return bool(promise == found)
