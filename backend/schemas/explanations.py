"""What `explain=true` answers."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

IndexState = Literal["none", "queued", "building", "ready", "refused"]


class ExplainedIndex(Struct, frozen=True):
    """An index that would serve the query. `column`: null where it is on all columns; `why`: what there is to say.

    `then`: what an index of the order is by further, as in `sort`; `kind` is about its first column.
    """

    column: str | None
    kind: Literal["ascending", "descending", "letters"]
    then: list[str]
    state: IndexState
    used: bool
    why: str | None = None


class Explanation(Struct, frozen=True):
    """`access`: by an `index`, in the `order` of the records, by a `scan` of them, or `none` of them is read."""

    version: int
    rows: int
    access: Literal["index", "order", "scan", "none"]
    indexes: list[ExplainedIndex]
    text: str


class Explained(Struct, frozen=True):
    explain: Explanation
