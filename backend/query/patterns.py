"""Patterns for LIKE, whose escape character is the backslash."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[\\%_]")
_WILD = re.compile(r"\\?\*|\\[%_\\]|\\")
_MEANS = {"*": "%", r"\*": "*", "\\": r"\\"}


def literal_pattern(text: str) -> str:
    """A pattern that only this text matches."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def wild_pattern(text: str) -> str:
    """The caller's pattern: `*` means `%`; a backslash before `*`, `%`, `_` or a backslash makes that one literal."""
    return _WILD.sub(lambda match: _MEANS.get(match[0], match[0]), text)
