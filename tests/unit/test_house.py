"""The house rules that no linter knows: how long a file and a function may be."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "backend").rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_are_short() -> None:
    lines = {path: path.read_text().count("\n") for path in FILES}
    assert {path: many for path, many in lines.items() if many > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    long = [
        f"{path}: {each.name}"
        for path in FILES
        for each in _functions(path)
        if (each.end_lineno or 0) - each.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_the_page_about_layers_has_those_of_the_contract() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [layer.split(" | ") for layer in contract["layers"] if layer != "__main__"]
    page = (ROOT / "docs/decisions/0003-layers.md").read_text().split("```text\n")[1].split("\n```")[0]
    assert [line.split("  ")[0].split(" · ") for line in page.splitlines()] == layers


def test_alembic_folder_is_no_package() -> None:
    """With an `__init__.py` it would hide the library of the same name."""
    assert not (ROOT / "alembic/__init__.py").exists()
