"""No two things wait for the same advisory lock."""

from __future__ import annotations

import re
from pathlib import Path

from backend.repositories import advisory_locks

NUMBERS = {name: value for name, value in vars(advisory_locks).items() if name.isupper()}


def test_each_has_a_number_of_its_own() -> None:
    assert len(NUMBERS) == len(set(NUMBERS.values())) > 1


def test_each_is_taken_by_its_name() -> None:
    """But that of a key, whose number comes from it."""
    modules = Path(str(advisory_locks.__file__)).parent.glob("*.py")
    text = "".join(module.read_text() for module in modules)
    taken = re.findall(r'advisory(?:_xact)?_lock\(%s\)", \((.*?),\)', text)
    assert {*taken} == {f"advisory_locks.{name}" for name in NUMBERS} | {"int.from_bytes(key_hash[:8], signed=True)"}
    assert len(taken) == len(re.findall(r"advisory(?:_xact)?_lock\(%s\)", text))
