"""What `sheaf doctor` tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

State = Literal["ok", "warning", "error"]
_ORDER: tuple[State, ...] = ("ok", "warning", "error")


class Finding(Struct, frozen=True):
    """`check`: what was looked at; `found`: a sentence; `advice`: what to do about it, none where all is well."""

    check: str
    status: State
    found: str
    advice: str | None = None


class Checkup(Struct, frozen=True):
    """`status` is the worst of the findings."""

    status: State
    findings: Sequence[Finding]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> Checkup:
        return cls(max((each.status for each in findings), key=_ORDER.index, default="ok"), findings)


def fine(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Finding:
    return Finding(check, "warning", found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    return Finding(check, "error", found, advice)
