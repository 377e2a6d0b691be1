"""A schemaless dataset's schema, grown by what is written: new columns are added, types widen and never narrow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import structs

from backend.repositories import datasets, records
from backend.repositories.database import Tx
from backend.schemas.batches import Item
from backend.schemas.columns import Column, ColumnType
from backend.schemas.problems import ErrorItem, pointer
from backend.services.column_keys import keys_for
from backend.services.columns import UNNAMEABLE, check_columns, is_column_name
from backend.services.record_keys import follow
from backend.services.record_values import NULL
from backend.services.writing import Writing


async def grow(tx: Tx, writing: Writing, items: Sequence[Item], *, max_columns: int) -> None:
    """Lets the schema of a schemaless dataset take the items, as part of this write's version.

    Raises LimitExceeded.
    """
    if not writing.head.open_schema or tuple(grown(writing.columns, items, ())) == writing.columns:
        return
    dataset_id = writing.head.dataset.id
    used = await datasets.list_keys(tx, writing.scope, dataset_id)
    columns = tuple(grown(writing.columns, items, used))
    texts = [old.key for old, new in zip(writing.columns, columns, strict=False) if old.type == "text" != new.type]
    if texts:
        never_filled = set(texts) - await records.filled(tx, writing.scope, writing.store, texts)
        columns = tuple(grown(writing.columns, items, used, never_filled))
    check_columns(len(columns), max_columns)
    changed = [(at, each, None) for at, each in enumerate(columns, 1) if each not in writing.columns]
    keys = [column.key for _, column, _ in changed]
    await datasets.end_columns(tx, writing.scope, dataset_id, writing.version, keys)
    await datasets.add_columns(tx, writing.scope, dataset_id, writing.version, changed)
    writing.columns = columns
    await follow(tx, writing)


def unnameable(item: Item, at: str) -> list[ErrorItem]:
    """The names that no column can have; `at` points to the item."""
    return [
        ErrorItem(UNNAMEABLE, pointer(name, at), column=name, code="INVALID_NAME")
        for name in item
        if not is_column_name(name)
    ]


def grown(
    columns: Sequence[Column],
    items: Iterable[Item],
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
            kind = kind_of(bytes(raw))
            types[name] = widened(types.get(name), kind)
    known = [structs.replace(column, type=types[column.name] or column.type) for column in columns]
    new = list(types)[len(known) :]
    keys = keys_for(new, (), used_keys)
    return [*known, *(Column(key, name, types[name] or "text") for key, name in zip(keys, new, strict=True))]


def kind_of(raw: bytes) -> ColumnType | None:
    """The narrowest type that takes a JSON value; None for null."""
    if raw == NULL:
        return None
    if raw[:1] == b'"':
        return "text"
    if raw in {b"true", b"false"}:
        return "boolean"
    if raw[:1] in {b"{", b"["}:
        return "json"
    return "number" if set(raw) & set(b".eE") else "integer"


def widened(known: ColumnType | None, seen: ColumnType | None) -> ColumnType | None:
    """The narrowest type that takes values of both."""
    if known is None or seen is None or known == seen:
        return known or seen
    if {known, seen} == {"integer", "number"}:
        return "number"
    return "json"
