"""Many operations on records, carried out as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta, Raw, Struct

Item: TypeAlias = Mapping[str, Raw]
"""A record as it came: column name → JSON text."""
RecordId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
VersionNumber = Annotated[int, Meta(ge=1, le=2**31 - 2)]


class RecordChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A merge patch (RFC 7396) for one record. `if_version`: refused when the record has changed since then."""

    id: RecordId
    set: dict[str, Raw]
    if_version: VersionNumber | None = None


class RecordRemoval(Struct, frozen=True, forbid_unknown_fields=True):
    id: RecordId
    if_version: VersionNumber | None = None


_PARTS = ("changes", "deletes", "creates")


class Places(Struct, frozen=True):
    """JSON Pointers to an operation by its index, for errors; `values` is where a change's new values are.

    `order`: of an operation, by its part and index, what errors are sorted by.
    """

    creates: Callable[[int], str] = "/creates/{}".format
    changes: Callable[[int], str] = "/changes/{}".format
    values: Callable[[int], str] = "/changes/{}/set".format
    deletes: Callable[[int], str] = "/deletes/{}".format
    order: Callable[[str, int], tuple[int, int]] = lambda part, at: (_PARTS.index(part), at)


class Batch(Struct, frozen=True):
    """What one write does to many records: no record twice, and no more operations than a request may have."""

    creates: Sequence[Item] = ()
    changes: Sequence[RecordChange] = ()
    deletes: Sequence[RecordRemoval] = ()
    places: Places = Places()
