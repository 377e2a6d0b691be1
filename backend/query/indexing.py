"""Which indexes would serve a query: what it filters and sorts by, as the very expressions that it compiles to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from backend.query.compile import is_plain, whole_record
from backend.query.fields import SORTED, Field, Names, by_name, resolve
from backend.query.nodes import And, Condition, Node, Or, Query
from backend.query.ordering import SOUGHT, Term, order_terms
from backend.query.sqltext import collation
from backend.schemas.columns import RECORD_ID, Column

Form = Literal["asc", "desc", "trigram"]
"""Ordered one way or the other, nulls last, then by id; or all groups of three letters."""

_DOWN = " DESC NULLS LAST"
_SHORTEST = re.compile(r"\w{3}")
_WILD = re.compile(r"\\?[*%_]|\\")
_LETTERS = {"like", "contains", "ends"}
_FOLDED = {"ilike", "icontains"}
_RANGES = {"eq", "gt", "gte", "lt", "lte", "in", "between"}


class Access(Struct, frozen=True):
    """An index that would serve, and the column or path that it is about, as the query calls it (None: all columns).

    `expression` is SQL over `data`, its percent signs doubled; `whole`: another that is always equal to it where an
    index on it is used, so that PostgreSQL must not take the two for independent of one another. `following`: the
    index's further keys, directions included; `then`: what they are in `sort`.
    """

    column: str | None
    form: Form
    expression: str
    whole: str | None = None
    following: tuple[str, ...] = ()
    then: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for equal indexes of any dataset."""
        return blake2b("\0".join((self.form, self.expression, *self.following)).encode(), digest_size=6).hexdigest()

    @property
    def length(self) -> int:
        """Characters of its keys."""
        return sum(map(len, (self.expression, *self.following)))


def accesses(query: Query, columns: Sequence[Column], fold: str) -> tuple[Access, ...]:
    """The indexes that would serve a query that compiles, the most promising first, none of them twice.

    Filters take an index of either direction, and one that goes on: that of the order, where it begins like theirs.
    """
    names, quoted = by_name(tuple(columns)), collation(fold)
    order = by_order(order_terms(query.sort, names))
    found = {} if order is None else {order.expression: order}
    for access in (*_by_condition(query.where, names, quoted), *_by_words(query.q, quoted)):
        found.setdefault(access.expression, access)
    return tuple(found.values())


def by_order(terms: Sequence[Term]) -> Access | None:
    """The index in this order: by the columns ahead of the first one that none is in the order of, then by id."""
    keys: list[tuple[Field, bool]] = []
    for term in terms[:SOUGHT]:
        if term.indexed is None:
            break
        keys.append((term.indexed, term.descending))
    if not keys:
        return None
    (first, downwards), *others = keys
    following = [
        (f"({field.sorted})" + _DOWN * descending, "-" * descending + field.name) for field, descending in others
    ]
    behind = terms[len(keys)]
    if behind.expression == "r.id" and behind.descending:
        following.append(("id DESC", f"-{RECORD_ID}"))
    access = _ordered(first, "desc" if downwards else "asc")
    return replace(access, following=tuple(sql for sql, _ in following), then=tuple(name for _, name in following))


def _by_condition(node: Node | None, names: Names, fold: str) -> Iterator[Access]:
    match node:
        case And() | Or():
            for item in node.items:
                yield from _by_condition(item, names, fold)
        case Condition():
            field = resolve(node.column, names, "data")
            yield from _by_operator(node, field, fold)


def _by_operator(condition: Condition, field: Field, fold: str) -> Iterator[Access]:
    texts = [value for value in condition.values if isinstance(value, str)]
    operator, longest = condition.operator, max(map(len, texts), default=0)
    short = field.kind not in {"id", "json"} and (not field.is_text or longest < SORTED)
    begins = operator == "starts" and field.is_text and longest > 0
    by_null = operator == "is_null" or (operator == "is_not_null" and field.is_text)
    if short and (by_null or begins or (operator in _RANGES and condition.values)):
        yield _ordered(field, "asc")
    elif operator == "regex" or (operator in _LETTERS | _FOLDED and _has_letters(operator, texts)):
        expression = field.folded(fold) if operator in _FOLDED else field.letters(fold)
        yield Access(field.name, "trigram", expression)


def _ordered(field: Field, form: Form) -> Access:
    return Access(field.name, form, field.sorted, field.value if field.sorted != field.value else None)


def _has_letters(operator: str, texts: list[str]) -> bool:
    """Three in a row, for what has fewer no group can be looked up."""
    wild = operator in {"like", "ilike"}
    return any(_SHORTEST.search(_WILD.sub(" ", text) if wild else text) for text in texts)


def _by_words(q: str | None, fold: str) -> Iterator[Access]:
    if any(is_plain(word) and _SHORTEST.search(word) for word in (q or "").split()):
        yield Access(None, "trigram", whole_record(fold, "data"))
