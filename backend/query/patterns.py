"""Patterns for LIKE, whose escape character is the backslash, and ranges of text."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[\\%_]")
_WILD = re.compile(r"\\?\*|\\[%_\\]|\\")
_MEANS = {"*": "%", r"\*": "*", "\\": r"\\"}
_LAST = 0x10FFFF
_SURROGATES, _BEHIND_SURROGATES = 0xD800, 0xE000


def literal_pattern(text: str) -> str:
    """A pattern that only this text matches."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def wild_pattern(text: str) -> str:
    """The caller's pattern: `*` means `%`; a backslash before `*`, `%`, `_` or a backslash makes that one literal."""
    return _WILD.sub(lambda match: _MEANS.get(match[0], match[0]), text)


def behind_all(prefix: str) -> str | None:
    """The first text behind all that begin with this one, by code point; None where there is none."""
    kept = prefix.rstrip(chr(_LAST))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_BEHIND_SURROGATES if following == _SURROGATES else following)
