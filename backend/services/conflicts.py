"""What stands in records now, against what a stale request would have written into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Raw

from backend.repositories import record_images
from backend.repositories.database import Tx
from backend.schemas.batches import Item
from backend.schemas.columns import Column
from backend.schemas.problems import Current
from backend.services.record_values import NULL, merged, stored_value
from backend.services.writing import Writing


async def conflicts(
    tx: Tx, writing: Writing, wanted: Sequence[tuple[int, Item | None]], *, merge: bool = True
) -> tuple[Current, ...]:
    """Of each record the fields that hold something else than would be written; all of them where it is to go (None).

    `wanted`: record id, and column name → JSON text; `merge`: objects into what is there. Records that are gone are
    left out.
    """
    target = writing.target
    ids = [record_id for record_id, _ in wanted]
    live = await record_images.live(tx, target, ids)
    stored = await record_images.values(tx, target, ids)
    there = [(record_id, item) for record_id, item in wanted if record_id in live]
    items = [_wanted(item or {}, writing.by_name, stored[record_id] if merge else {}) for record_id, item in there]
    plain = await record_images.canonical(tx, items)
    return tuple(
        Current(record_id, live[record_id], _differing(writing.columns, stored[record_id], new, whole=item is None))
        for (record_id, item), new in zip(there, plain, strict=True)
    )


def _wanted(item: Item, by_name: Mapping[str, Column], stored: Mapping[str, Raw]) -> dict[str, Raw]:
    """By column key what would be stored, where it could be."""
    found: dict[str, Raw] = {}
    for name, raw in item.items():
        if column := by_name.get(name):
            value = stored_value(column, bytes(merged(stored.get(column.key), raw)))
            found[column.key] = Raw(b"[]" if isinstance(value, str) else value)
    return found


def _differing(
    columns: Sequence[Column], stored: Mapping[str, Raw], wanted: Mapping[str, Raw], *, whole: bool
) -> dict[str, Raw]:
    nothing = Raw(NULL)
    return {
        column.name: stored.get(column.key, nothing)
        for column in columns
        if whole or (column.key in wanted and bytes(stored.get(column.key, nothing)) != bytes(wanted[column.key]))
    }
