"""The order that a query asks for, as SQL over a record table `r`, and what comes behind a record in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from backend.query.fields import Field, Names, resolve
from backend.query.nodes import Sort

SOUGHT = 4
"""An index is by so many terms at most; what is equal in all of them is sorted. Each makes six ranges more."""
_WITHOUT = {"id", "json"}
"""Kinds that no index from use is in the order of."""


class Term(Struct, frozen=True):
    """One expression of the order. Nulls come last both ways.

    `indexed`: the field over bare `data`, as an index has it; None where none is in this order.
    """

    expression: str
    descending: bool
    indexed: Field | None = None


def order_terms(sort: Sequence[Sort], names: Names) -> tuple[Term, ...]:
    """The terms of a total order, which ends in the record id. Raises UnknownColumn."""
    terms: dict[str, Term] = {}
    for item in sort:
        field = resolve(item.column, names)
        indexed = None if field.kind in _WITHOUT else resolve(item.column, names, "data")
        for expression in field.sort_terms():
            terms.setdefault(expression, Term(expression, item.descending, indexed))
        if field.kind == "id":
            return tuple(terms.values())
    return (*terms.values(), Term("r.id", descending=False))


def order_by(terms: Sequence[Term]) -> str:
    """What ORDER BY takes."""
    return ", ".join(map(_ordered, terms))


def _ordered(term: Term) -> str:
    if term.expression == "r.id":
        return "r.id DESC" if term.descending else "r.id"
    return f"{term.expression} DESC NULLS LAST" if term.descending else term.expression


def keyset(terms: Sequence[Term], table: str) -> str:
    """The condition that a record comes behind the one whose id is `%(after)s`, both as of `%(version)s`."""
    return _behind([(term, f"(SELECT {term.expression} {_of_after(table)})") for term in terms])


def place(terms: Sequence[Term], table: str) -> str:
    """A select of what the record `%(after)s` is sorted by: what `list_ranges` calls `here`."""
    *others, _ = terms
    values = ", ".join(f"{term.expression} AS by_{number}" for number, term in enumerate(others))
    return f"SELECT {values} {_of_after(table)}"


def list_ranges(terms: Sequence[Term]) -> tuple[str, ...]:
    """`keyset` in parts: no record meets two of them, and those of one come ahead of those of the next.

    Each is a range of an index in this order: equal in the first terms, and behind or null in the next one. Behind
    a null only one more term is sought, for the parts would double with each.
    """
    return tuple(_ranges(_placed(terms), SOUGHT))


def behind_here(terms: Sequence[Term]) -> str:
    """`keyset`, where what the record is sorted by is called `here`."""
    return _behind(_placed(terms))


def _placed(terms: Sequence[Term]) -> list[tuple[Term, str]]:
    return [(term, f"(SELECT by_{number} FROM here)") for number, term in enumerate(terms)]  # noqa: S608 quoted or bound


def _ranges(placed: Sequence[tuple[Term, str]], depth: int) -> Iterator[str]:
    (term, there), *others = placed
    if not depth or term.indexed is None:
        yield _behind(placed)
        return
    value = term.expression
    for part in _ranges(others, depth - 1):
        yield f"{value} = {there} AND {part}"
    yield f"{value} {'<' if term.descending else '>'} {there}"
    yield f"{there} IS NOT NULL AND {value} IS NULL"
    for part in _ranges(others, min(depth - 1, 1)):
        yield f"{there} IS NULL AND {value} IS NULL AND {part}"


def _of_after(table: str) -> str:
    condition = "r.id = %(after)s AND r.added_in <= %(version)s AND r.removed_in > %(version)s"
    return f"FROM {table} AS r WHERE {condition}"


def _behind(placed: Sequence[tuple[Term, str]]) -> str:
    """That a record comes behind what is there, term by term."""
    *others, (last, _) = placed
    behind = f"r.id {'<' if last.descending else '>'} %(after)s"
    for term, there in reversed(others):
        value = term.expression
        sign, opposite = ("<", ">") if term.descending else (">", "<")
        behind = (
            f"CASE WHEN {value} {sign} {there} THEN TRUE WHEN {value} {opposite} {there} THEN FALSE"
            f" WHEN {there} IS NULL AND {value} IS NOT NULL THEN FALSE"
            f" WHEN {value} IS NULL AND {there} IS NOT NULL THEN TRUE ELSE {behind} END"
        )
    return behind
