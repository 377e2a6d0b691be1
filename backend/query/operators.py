"""Every filter operator: one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from backend.errors import InvalidQuery
from backend.query.fields import Field, Scope
from backend.query.nodes import Value
from backend.query.patterns import literal_pattern, wild_pattern

MAX_REGEX = 1_000
"""Longest regular expression, in characters."""

Build = Callable[[Field, tuple[Value, ...], Scope], str]


class Operator(Struct, frozen=True):
    """`takes`: how many values; `build`: the SQL condition, true for the records that match, else false or null."""

    takes: Literal["none", "one", "pair", "list"]
    build: Build
    says: str


def _compare(symbol: str) -> Build:
    return lambda field, values, scope: field.compare(symbol, values[0], scope)


def _between(field: Field, values: tuple[Value, ...], scope: Scope) -> str:
    low, high = values
    return f"({field.compare('>=', low, scope)} AND {field.compare('<=', high, scope)})"


def _like(pattern: Callable[[str], str], *, fold: bool = False) -> Build:
    return lambda field, values, scope: field.like(pattern(_text(values[0])), scope, fold=fold)


def _regex(field: Field, values: tuple[Value, ...], scope: Scope) -> str:
    pattern = _text(values[0])
    if len(pattern) > MAX_REGEX:
        raise InvalidQuery(f"A regular expression may have {MAX_REGEX:,} characters; this one has {len(pattern):,}.")
    return field.matches(pattern, scope)


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise InvalidQuery("A pattern must be text.")
    return value


def _not(build: Build) -> Build:
    return lambda field, values, scope: f"({build(field, values, scope)}) IS NOT TRUE"


def _in(field: Field, values: tuple[Value, ...], scope: Scope) -> str:
    return field.among(values, scope)


def _is_null(field: Field, _values: tuple[Value, ...], _scope: Scope) -> str:
    return f"{field.text} IS NULL"


OPERATORS: dict[str, Operator] = {
    "eq": Operator("one", _compare("="), "equals"),
    "ne": Operator("one", _not(_compare("=")), "does not equal, or is null"),
    "gt": Operator("one", _compare(">"), "greater, later, behind"),
    "gte": Operator("one", _compare(">="), "greater or equal"),
    "lt": Operator("one", _compare("<"), "less, earlier, before"),
    "lte": Operator("one", _compare("<="), "less or equal"),
    "in": Operator("list", _in, "equals one of the list"),
    "nin": Operator("list", _not(_in), "equals none of the list, or is null"),
    "between": Operator("pair", _between, "from the first to the second, both included"),
    "like": Operator("one", _like(wild_pattern), "matches a pattern as a whole: %, * any text, _ any character"),
    "ilike": Operator("one", _like(wild_pattern, fold=True), "like, any case"),
    "contains": Operator("one", _like(lambda text: f"%{literal_pattern(text)}%"), "holds the text"),
    "icontains": Operator("one", _like(lambda text: f"%{literal_pattern(text)}%", fold=True), "holds it, any case"),
    "starts": Operator("one", _like(lambda text: f"{literal_pattern(text)}%"), "begins with the text"),
    "ends": Operator("one", _like(lambda text: f"%{literal_pattern(text)}"), "ends with the text"),
    "regex": Operator("one", _regex, "holds a match of a PostgreSQL regular expression"),
    "is_null": Operator("none", _is_null, "has no value"),
    "is_not_null": Operator("none", lambda field, _values, _scope: f"{field.text} IS NOT NULL", "has a value"),
}
