"""Each test that docs/security.md names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/security.md").read_text())))


def test_there_are_some() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_a_named_test_is_there(file: str) -> None:
    found = {
        node.name
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for each, name in NAMED if each == file} <= found
