"""No two things wait for the same advisory lock."""

from __future__ import annotations

import re
from pathlib import Path

from backend.repositories import advisory_locks


def test_each_has_a_number_of_its_own() -> None:
    numbers = [value for name, value in vars(advisory_locks).items() if name.isupper()]
    assert len(numbers) == len(set(numbers)) > 1


def test_each_is_taken_by_its_name() -> None:
    """But those of one dataset or one key, whose number comes from it."""
    made_up = {"users.py", "pruning.py"}
    for module in Path(str(advisory_locks.__file__)).parent.glob("*.py"):
        taken = re.findall(r'advisory(?:_xact)?_lock\(%s\)", \((.*?),\)', module.read_text())
        assert module.name in made_up or all(name.startswith("advisory_locks.") for name in taken), module.name
