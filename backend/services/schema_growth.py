"""A schemaless dataset's schema, grown by what is written: new columns are added, types widen and never narrow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Raw, structs

from backend.schemas.columns import Column, ColumnType
from backend.services.keys import keys_for
from backend.services.record_values import NULL


def grown(
    columns: Sequence[Column],
    items: Iterable[Mapping[str, Raw]],
    used_keys: Collection[str],
    never_filled: Collection[str] = (),
) -> list[Column]:
    """The columns that take all the items: those there are, widened where needed, then the new ones.

    A column without any value is text; where it never had one (its key is in `never_filled`) the first value decides.
    """
    types: dict[str, ColumnType | None] = {
        column.name: None if column.key in never_filled else column.type for column in columns
    }
    for item in items:
        for name, raw in item.items():
            kind = _kind(bytes(raw))
            types[name] = _widened(types.get(name), kind)
    known = [structs.replace(column, type=types[column.name] or column.type) for column in columns]
    new = list(types)[len(known) :]
    keys = keys_for(new, (), used_keys)
    return [*known, *(Column(key, name, types[name] or "text") for key, name in zip(keys, new, strict=True))]


def _kind(raw: bytes) -> ColumnType | None:
    if raw == NULL:
        return None
    if raw[:1] == b'"':
        return "text"
    if raw in {b"true", b"false"}:
        return "boolean"
    if raw[:1] in {b"{", b"["}:
        return "json"
    return "number" if set(raw) & set(b".eE") else "integer"


def _widened(known: ColumnType | None, seen: ColumnType | None) -> ColumnType | None:
    if known is None or seen is None or known == seen:
        return known or seen
    if {known, seen} == {"integer", "number"}:
        return "number"
    return "json"
