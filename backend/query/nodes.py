"""What a query says, parsed but not yet resolved against any columns. Equal queries are equal structs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

PARAMETERS = ("sort", "select", "limit", "offset", "cursor", "count", "version", "as_of", "q")
"""Names in a query string that always mean the parameter; a column of such a name is `filter[name]`."""
DEFAULT_LIMIT = 100
"""Records on a page where the caller does not say."""
MAX_LIMIT = 1_000
"""Most records on a page."""


class Json(Struct, frozen=True, tag="json", array_like=True):
    """A JSON object or array as a filter value, as JSON text."""

    text: str


Value: TypeAlias = str | Json | None


class Condition(Struct, frozen=True, tag="is", array_like=True):
    """One column, one operator and its values as text; None is null.

    `bare`: the name stood where a parameter could have stood, so an unknown one may be a misspelt parameter.
    """

    column: str
    operator: str
    values: tuple[Value, ...]
    bare: bool = False


class And(Struct, frozen=True, tag="and", array_like=True):
    items: tuple[Node, ...]


class Or(Struct, frozen=True, tag="or", array_like=True):
    items: tuple[Node, ...]


class Not(Struct, frozen=True, tag="not", array_like=True):
    item: Node


Node: TypeAlias = Condition | And | Or | Not


class Sort(Struct, frozen=True, array_like=True):
    column: str
    descending: bool = False


class Query(Struct, frozen=True, array_like=True, cache_hash=True):
    """Which records, in which order, with which columns, at which version.

    `given` names the parameters that the caller wrote (`where` for filters): a cursor lets them be left out.
    `limit` is None where the caller did not say: a page then holds DEFAULT_LIMIT, a stream or export everything.
    """

    where: Node | None = None
    sort: tuple[Sort, ...] = ()
    select: tuple[str, ...] | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    offset: Annotated[int, Meta(ge=0, lt=10**18)] = 0
    cursor: str | None = None
    count: Literal["exact", "bounded", "none"] = "exact"
    q: str | None = None
    version: str | None = None
    as_of: datetime | None = None
    given: frozenset[str] = frozenset()

    @property
    def page_size(self) -> int:
        """How many records a page of this query holds at most."""
        return self.limit or DEFAULT_LIMIT

    @property
    def weight(self) -> int:
        """Bytes that it takes in memory, about."""
        texts = (self.q, self.cursor, self.version, *(self.select or ()), *(each.column for each in self.sort))
        return 1_000 + _weight(self.where) + sum(100 + len(text or "") for text in texts)


def _weight(node: Node | None) -> int:
    match node:
        case And() | Or():
            return sum(100 + _weight(item) for item in node.items)
        case Not():
            return 100 + _weight(node.item)
        case Condition():
            texts = (value.text if isinstance(value, Json) else value or "" for value in node.values)
            return 200 + sum(150 + len(text) for text in texts)
        case None:
            return 0
