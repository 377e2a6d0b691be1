"""Every filter operator: one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from backend.errors import InvalidQuery
from backend.query.fields import Bindings, Field
from backend.query.nodes import Value
from backend.query.patterns import literal_pattern, wild_pattern

MAX_REGEX = 1_000
"""Longest regular expression, in characters."""

Build = Callable[[Field, tuple[Value, ...], Bindings], str]


class Operator(Struct, frozen=True):
    """`takes`: how many values; `build`: the SQL condition, true for the records that match, else false or null."""

    takes: Literal["none", "one", "pair", "list"]
    build: Build


def _compare(symbol: str) -> Build:
    return lambda field, values, bindings: field.compare(symbol, values[0], bindings)


def _like(pattern: Callable[[str], str], *, fold: bool = False) -> Build:
    return lambda field, values, bindings: field.like(pattern(_text(values[0])), bindings, fold=fold)


def _regex(field: Field, values: tuple[Value, ...], bindings: Bindings) -> str:
    pattern = _text(values[0])
    if len(pattern) > MAX_REGEX:
        raise InvalidQuery(f"A regular expression may have {MAX_REGEX:,} characters; this one has {len(pattern):,}.")
    return field.matches(pattern, bindings)


def _starts(field: Field, values: tuple[Value, ...], bindings: Bindings) -> str:
    return field.starts(_text(values[0]), bindings)


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise InvalidQuery("A pattern must be text.")
    return value


def _not(build: Build) -> Build:
    return lambda field, values, bindings: f"({build(field, values, bindings)}) IS NOT TRUE"


def _in(field: Field, values: tuple[Value, ...], bindings: Bindings) -> str:
    return field.among(values, bindings)


OPERATORS: dict[str, Operator] = {
    "eq": Operator("one", _compare("=")),
    "ne": Operator("one", _not(_compare("="))),
    "gt": Operator("one", _compare(">")),
    "gte": Operator("one", _compare(">=")),
    "lt": Operator("one", _compare("<")),
    "lte": Operator("one", _compare("<=")),
    "in": Operator("list", _in),
    "nin": Operator("list", _not(_in)),
    "between": Operator("pair", lambda field, values, bindings: field.between(values[0], values[1], bindings)),
    "like": Operator("one", _like(wild_pattern)),
    "ilike": Operator("one", _like(wild_pattern, fold=True)),
    "contains": Operator("one", _like(lambda text: f"%{literal_pattern(text)}%")),
    "icontains": Operator("one", _like(lambda text: f"%{literal_pattern(text)}%", fold=True)),
    "starts": Operator("one", _starts),
    "ends": Operator("one", _like(lambda text: f"%{literal_pattern(text)}")),
    "regex": Operator("one", _regex),
    "is_null": Operator("none", lambda field, _values, _bindings: field.is_null()),
    "is_not_null": Operator("none", lambda field, _values, _bindings: field.is_not_null()),
}
