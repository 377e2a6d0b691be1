"""What was sent, and what was answered: the one side of the comparison."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

Outcome = Literal["sent", "done", "refused", "doubt", "promised"]
"""`done`: 2xx. `refused`: 4xx or 5xx. `doubt`: no answer, or one that says that it is not known. `promised`: 202."""

NO_VERSION = 0
"""Where a write was found that was answered with 2xx and had nothing to change."""


class Op(Struct):
    """One write: what there is to be of it when it happened, and what was answered.

    `values`: the numbers `n` of all records that it adds or changes; they are unique over a whole run. `changed`: ids
    of those that it changes, where they are known; `removed`: ids. `restored`: the version that it restores. `version`:
    the one that was answered; `found`: the one in which it was seen. `made`: the id of the dataset that it made, where
    that was answered.
    """

    tag: str
    kind: str
    dataset: str
    values: frozenset[int] = frozenset()
    changed: frozenset[int] | None = None
    removed: frozenset[int] = frozenset()
    restored: int | None = None
    outcome: Outcome = "sent"
    status: int = 0
    code: str = ""
    version: int | None = None
    import_id: str = ""
    made: str = ""
    found: int | None = None

    def settle(self, outcome: Outcome, status: int = 0, code: str = "") -> None:
        self.outcome, self.status, self.code = outcome, status, code


class Journal:
    """All writes of a run, kept in a file as well when they are settled."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self.ops: list[Op] = []
        self.requests = 0
        self.answers: Counter[str] = Counter()
        self._numbers = count(1)

    def next(self) -> int:
        """A number that no record has had."""
        return next(self._numbers)

    def open(self, kind: str, dataset: str) -> Op:
        """A write that is about to be sent."""
        op = Op(f"{kind}-{self.next()}", kind, dataset)
        self.ops.append(op)
        return op

    def settled(self, op: Op) -> None:
        self._file.write(msgspec.json.encode(op) + b"\n")

    def answered(self, status: int, code: str = "") -> None:
        """Counts an answer; 0 for none."""
        self.requests += 1
        self.answers[f"{status} {code}".strip() if status else code or "no answer"] += 1

    def of(self, dataset: str) -> list[Op]:
        return [op for op in self.ops if op.dataset == dataset]

    def close(self) -> None:
        self._file.close()


class Findings(Struct):
    """What was found wrong, in words; and how many writes were in doubt, and were there after all."""

    lost: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.phantom, *self.broken, *self.left_over]
