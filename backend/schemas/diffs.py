"""What is different between two versions of a dataset."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from backend.schemas.columns import ColumnType


class CellDifference(Struct, frozen=True):
    """One cell in both versions, as JSON; null where it had no value."""

    before: Raw
    after: Raw


class RecordDifference(Struct, frozen=True):
    """One record; `cells` by column name, those alone that differ."""

    id: int
    change: Literal["added", "changed", "removed"]
    cells: dict[str, CellDifference]


class ColumnState(Struct, frozen=True):
    """What a column is in one version; `position` counts from 1."""

    name: str
    type: ColumnType
    format: str | None
    nullable: bool
    description: str | None
    position: int


class ColumnDifference(Struct, frozen=True):
    """One column in both versions, null where it was not there. A column is the same one whatever it is called."""

    change: Literal["added", "changed", "removed"]
    before: ColumnState | None
    after: ColumnState | None


class DiffSummary(Struct, frozen=True):
    """How many records were added, changed and removed on the way from one version to the other, and the columns."""

    added: int
    changed: int
    removed: int
    columns: tuple[ColumnDifference, ...]


class Diff(Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A page of the differences in the order of the records; `next` is the `cursor` of the page behind it,
    which is between the same two versions whatever is written meanwhile.
    """

    before: int
    after: int
    added: int
    changed: int
    removed: int
    columns: tuple[ColumnDifference, ...]
    data: tuple[RecordDifference, ...]
    count: int
    has_more: bool
    next: str | None
