"""Column keys: what values are stored under, for good, whatever the column is called later."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_LONGEST = 63
"""PostgreSQL's longest identifier, in bytes: keys serve as column aliases in queries."""


def keys_for(names: Sequence[str], known: Sequence[str], used: Collection[str] = ()) -> list[str]:
    """A key for each name: the first ones are `known`, each further one is its name, cut and made unique."""
    keys = list(known)
    seen = {*used, *known}
    for name in names[len(known) :]:
        key, number = _cut(name, _LONGEST), 1
        while key in seen:
            number += 1
            suffix = f"_{number}"
            key = _cut(name, _LONGEST - len(suffix)) + suffix
        seen.add(key)
        keys.append(key)
    return keys


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore") or "_"
