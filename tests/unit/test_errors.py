"""Every failure is a class of one module, and its text is a sentence."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from backend import errors
from backend.errors import AppError

BACKEND = Path(errors.__file__).parent
FAILURES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, AppError)]
NAMES = {each.__name__ for each in FAILURES}
DECLARED = re.compile(rf"^ *class .*\b({'|'.join(NAMES)})\b", re.MULTILINE)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_default_text_is_a_sentence_or_says_what_was_not_found(failure: type[AppError]) -> None:
    text = str(failure())
    assert text[0].isupper()
    assert text.endswith((".", "ot found"))
    assert not text.endswith("ot found.")


def test_failures_are_declared_nowhere_else() -> None:
    elsewhere = [
        f"{path.name}: {node.name}"
        for path in sorted(BACKEND.rglob("*.py"))
        if path != Path(errors.__file__)
        if DECLARED.search(path.read_text())
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ClassDef) and NAMES & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert not elsewhere
