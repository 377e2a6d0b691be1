"""A merge patch (RFC 7396) as one jsonb expression, so that any number of records take it in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from backend.errors import Invalid

MAX_OBJECTS = 100
"""Most objects inside of one another and beside one another in a patch: each is a part of the statement."""
_MAX_DEPTH = 30


class MergePatch:
    """`expression`: a record's data with the patch in it, over `r.data`; it uses the values in `params`.

    `values`: column key → JSON text; null empties a column. Raises Invalid for one of too many objects.
    """

    def __init__(self, values: Mapping[str, Raw]) -> None:
        self.params: dict[str, Any] = {}
        self._objects = -1
        self.expression = self._merged("r.data", "r.data", values, 0)

    def _merged(self, target: str, base: str, members: Mapping[str, Raw], depth: int) -> str:
        self._objects += 1
        if depth > _MAX_DEPTH or self._objects > MAX_OBJECTS:
            raise Invalid(f"A patch of many records may hold {MAX_OBJECTS} objects, nested {_MAX_DEPTH} deep.")
        gone = [name for name, raw in members.items() if bytes(raw) == b"null"]
        objects = {name: raw for name, raw in members.items() if bytes(raw).startswith(b"{")}
        plain = {name: raw for name, raw in members.items() if name not in objects and name not in gone}
        parts = [f"({base} - {self._bind(gone, 'text[]')})" if gone else f"({base})"]
        if plain:
            parts.append(self._bind(msgspec.json.encode(plain).decode(), "jsonb"))
        for name, raw in objects.items():
            member = self._bind(name, "text")
            inner = f"({target}->{member})"
            known = f"CASE WHEN jsonb_typeof({inner}) = 'object' THEN {inner} ELSE '{{}}'::jsonb END"
            merged = self._merged(inner, known, msgspec.json.decode(raw, type=dict[str, Raw]), depth + 1)
            parts.append(f"jsonb_build_object({member}, {merged})")
        return f"({' || '.join(parts)})"

    def _bind(self, value: object, kind: str) -> str:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"%({name})s::{kind}"
