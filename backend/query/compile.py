"""From a query to SQL: a condition, an order and a place in that order, over a record table with the alias `r`.

`value_expression` in `fields` says how a column is read; `output` how records are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from psycopg import sql

from backend.errors import InvalidQuery, UnknownColumn, UnknownParameter
from backend.query.fields import Bindings, Field, Names, by_name, column_named, resolve
from backend.query.nodes import PARAMETERS, And, Condition, Node, Not, Or, Query
from backend.query.operators import OPERATORS
from backend.query.ordering import Term, keyset, order_by, order_terms
from backend.query.output import UNPACKED, csv_select, is_wide, record_json
from backend.query.patterns import literal_pattern
from backend.query.sqltext import collation, literal
from backend.query.text import nearest, shown
from backend.schemas.columns import RECORD_ID, Column

__all__ = ["UNPACKED", "Compiled", "compile_query", "csv_select", "is_wide", "record_json"]

MAX_WORDS = 20
"""Most words of `q`."""


class Compiled(Struct, frozen=True):
    """`where` and `order_by` use `r` and the values in `params`; `columns` are the selected ones.

    The order is total: it ends in the record id.
    """

    where: sql.SQL
    params: dict[str, Any]
    order_by: sql.SQL
    columns: tuple[Column, ...]
    terms: tuple[Term, ...]

    def keyset(self, table: sql.Composable) -> sql.Composable:
        """The condition that a record comes behind the one whose id is `%(after)s`, both as of `%(version)s`.

        `table` is the record table: where that record stands in the order is looked up there, once a statement.
        """
        return sql.SQL(keyset(self.terms, table.as_string(None)))


def compile_query(query: Query, columns: Sequence[Column], *, fold: str) -> Compiled:
    """Resolves the query's names among a version's columns. `fold` names the collation that folds case.

    Raises UnknownColumn, UnknownParameter, and InvalidQuery for a value that does not fit its column.
    """
    known = tuple(columns)
    names = by_name(known)
    bindings = Bindings({}, collation(fold))
    conditions = [] if query.where is None else [_condition(query.where, names, bindings)]
    if query.q is not None:
        conditions.append(_search(query.q, known, bindings))
    terms = order_terms(query.sort, names)
    return Compiled(
        where=sql.SQL(" AND ".join(f"({condition})" for condition in conditions) or "TRUE"),
        params=bindings.params,
        order_by=sql.SQL(order_by(terms)),
        columns=known if query.select is None else _selected(query.select, names),
        terms=terms,
    )


def _condition(node: Node, names: Names, bindings: Bindings) -> str:
    match node:
        case Condition():
            return _single(node, _field(node, names), bindings)
        case Not():
            return f"({_condition(node.item, names, bindings)}) IS NOT TRUE"
        case And():
            return _joined(" AND ", "TRUE", node.items, names, bindings)
        case Or():
            return _joined(" OR ", "FALSE", node.items, names, bindings)


def _single(condition: Condition, field: Field, bindings: Bindings) -> str:
    try:
        return OPERATORS[condition.operator].build(field, condition.values, bindings)
    except InvalidQuery as error:
        word, colon, _ = str(condition.values[0]).partition(":")
        if condition.operator != "eq" or not colon or not word.isidentifier():
            raise
        raise InvalidQuery(f"{error} There is no operator {shown(word)}; {nearest(word, OPERATORS)}.") from None


def _joined(word: str, empty: str, items: Sequence[Node], names: Names, bindings: Bindings) -> str:
    return word.join(f"({_condition(item, names, bindings)})" for item in items) or empty


def _field(condition: Condition, names: Names) -> Field:
    try:
        return resolve(condition.column, names)
    except UnknownColumn:
        if not condition.bare:
            raise
        known = nearest(condition.column, [*names, *PARAMETERS])
        raise UnknownParameter(f"There is no column and no parameter {shown(condition.column)}; {known}.") from None


def _search(words: str, columns: tuple[Column, ...], bindings: Bindings) -> str:
    """Every word must occur in some column, in any case.

    First in the record as a whole, which an index serves; the rest stands in a CASE, for PostgreSQL guesses that hardly
    any record passes it, and would never go through the records in their order.
    """
    wanted = words.split()
    if len(wanted) > MAX_WORDS:
        raise InvalidQuery(f"q may have {MAX_WORDS} words; this one has {len(wanted)}.")
    if not wanted or not columns:
        return "FALSE" if wanted else "TRUE"
    patterns = [bindings.bind(f"%{literal_pattern(word)}%", "text") for word in wanted]
    lowered = [f"lower({pattern} COLLATE {bindings.fold})" for pattern in patterns]
    text = (
        f"(SELECT lower({_everything(columns)} COLLATE {bindings.fold})"  # noqa: S608 quoted or bound
        " FROM (SELECT r.data || '{}'::jsonb AS d OFFSET 0) AS x)"
    )
    plain = (pattern for word, pattern in zip(wanted, lowered, strict=True) if is_plain(word))
    somewhere = [f"{whole_record(bindings.fold)} LIKE {pattern}" for pattern in plain]
    everywhere = f"{text} LIKE ALL (ARRAY[{', '.join(lowered)}]::text[])"
    return " AND ".join([*somewhere, f"CASE WHEN {everywhere} THEN TRUE ELSE FALSE END"])


def whole_record(fold: str, data: str = "r.data") -> str:
    """The record as JSON text, in any case; an index on it serves `q`, whatever columns there are."""
    return f"lower({data}::text COLLATE {fold})"


def is_plain(word: str) -> bool:
    """Whether JSON text holds the word as it is, wherever a value does."""
    return not any(sign in '"\\' or sign < " " for sign in word)


def _everything(columns: tuple[Column, ...]) -> str:
    texts = ", ".join(f"d->>{literal(column.key)}" for column in columns)
    return rf"array_to_string(ARRAY[{texts}], E'\n')"


def _selected(wanted: Sequence[str], names: Names) -> tuple[Column, ...]:
    if RECORD_ID in wanted and RECORD_ID not in names:
        raise UnknownColumn(f"{RECORD_ID} is a part of each record and cannot be selected.")
    return tuple(column_named(name, names) for name in dict.fromkeys(wanted))
