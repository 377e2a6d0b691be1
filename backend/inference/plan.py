"""What is settled about each column, and when a load made under an earlier plan must be done again."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from backend.schemas.columns import ColumnType

JsonClass = Literal["none", "raw", "boolean", "string"]


class ColumnPlan(Struct, frozen=True):
    """How one column is read and stored.

    `json`: how its values are written: `none` (no value met yet), `raw` (number or JSON as it is), `boolean`, `string`.
    `reading`: what turns its source text into the stored value: `comma` (decimal comma), a strptime pattern
    (dates), or None: the text itself.
    `forced`: the type was told by the caller.
    """

    type: ColumnType
    format: str | None
    json: JsonClass
    reading: str | None = None
    forced: bool = False


JSON_CLASS: dict[ColumnType, JsonClass] = {"integer": "raw", "number": "raw", "json": "raw", "boolean": "boolean"}
"""Types whose values are not JSON strings."""


def conflicts(before: Sequence[ColumnPlan], after: Sequence[ColumnPlan]) -> bool:
    """Whether rows encoded under `before` would differ if they were encoded under `after`."""
    return any(_conflict(old, new) for old, new in zip(before, after, strict=False))


def _conflict(old: ColumnPlan, new: ColumnPlan) -> bool:
    if old.json == "none":
        return False
    return old.json != new.json or (old.json == "string" and old.reading != new.reading)
