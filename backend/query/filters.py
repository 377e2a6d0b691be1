"""Filters as a caller writes them: `column=operator:value`, and the JSON form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backend.errors import InvalidQuery
from backend.query.limits import MAX_DEPTH, check_count, check_values, json_value
from backend.query.nodes import And, Condition, Node, Not, Or, Value
from backend.query.operators import OPERATORS, Operator
from backend.query.text import clean, items, nearest, shown

_NOT = "not."
_YES = {"": True, "true": True, "false": False}
_BRACKETS = re.compile(r"filter\[(.*)\]", re.DOTALL)


def parameter_condition(parameter: str, text: str) -> Node:
    """The condition in a query-string parameter: a column's name or `filter[name]`, and `operator:value` or a value."""
    brackets = _BRACKETS.fullmatch(parameter)
    column = brackets[1] if brackets else parameter
    negated = text.startswith(_NOT)
    word, colon, rest = text[len(_NOT) * negated :].partition(":")
    operator = OPERATORS.get(word)
    if operator is None or not (colon or operator.takes == "none"):
        negated, word, operator, rest = False, "eq", OPERATORS["eq"], text
    values, positive = _from_text(word, operator, rest)
    condition = Condition(column, word, values, bare=brackets is None)
    return condition if negated != positive else Not(condition)


def _from_text(word: str, operator: Operator, text: str) -> tuple[tuple[Value, ...], bool]:
    """The operator's values, and whether it is meant as it stands (`is_null:false` is not)."""
    match operator.takes:
        case "none":
            if text.lower() not in _YES:
                raise InvalidQuery(f"{word} takes no value, true or false; it was given {shown(text)}.")
            return (), _YES[text.lower()]
        case "one":
            return (text,), True
        case _:
            return check_values(word, tuple(items(text))), True


def body_filter(body: object) -> Node | None:
    """The filter in its JSON form: `{column: value | {operator: value}, "or": […], "and": […], "not": {…}}`.

    None: every record. Raises InvalidQuery.
    """
    if body is None or body in ({}, []):
        return None
    node = _node(body, 1)
    check_count(node)
    return node


def _node(body: object, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise InvalidQuery(f"A filter may be nested {MAX_DEPTH} deep.")
    if isinstance(body, list):
        return _all([_node(item, depth) for item in body])
    if not isinstance(body, dict):
        raise InvalidQuery(f"A filter is an object or a list of objects, not {_said(body)}.")
    if {"column", "op"} <= body.keys() <= {"column", "op", "value"}:
        return _explicit(body)
    return _all([_member(clean(name), value, depth) for name, value in body.items()])


def _all(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))


def _explicit(body: Mapping[str, Any]) -> Node:
    column, word = body["column"], body["op"]
    if not isinstance(column, str) or not isinstance(word, str):
        raise InvalidQuery('In {"column", "op", "value"} the column and the operator are texts.')
    return _condition(clean(column), word, body.get("value"))


def _member(name: str, value: Any, depth: int) -> Node:
    match name:
        case "or" | "and":
            if not isinstance(value, list) or not value:
                raise InvalidQuery(f"{name!r} takes a list of filters; {_as_column(name)}")
            nodes = tuple(_node(item, depth + 1) for item in value)
            return Or(nodes) if name == "or" else And(nodes)
        case "not":
            if not isinstance(value, dict | list):
                raise InvalidQuery(f"'not' takes a filter; {_as_column(name)}")
            return Not(_node(value, depth + 1))
        case _:
            return _column(name, value)


def _as_column(name: str) -> str:
    return f'a column of that name is written {{"column": "{name}", "op": "eq", "value": …}}.'


def _column(name: str, value: Any) -> Node:
    match value:
        case dict():
            if not value:
                raise InvalidQuery(f"{shown(name)} has no operator; write for example {{'eq': 1}}.")
            return _all([_condition(name, word, operand) for word, operand in value.items()])
        case list():
            return _condition(name, "in", value)
        case _:
            return _condition(name, "eq", value)


def _condition(column: str, word: str, operand: Any) -> Node:
    negated = word.startswith(_NOT)
    plain = word[len(_NOT) * negated :]
    operator = OPERATORS.get(plain)
    if operator is None:
        raise InvalidQuery(f"There is no operator {shown(word)}; {nearest(plain, OPERATORS)}.")
    if operand is None and plain in {"eq", "ne"}:
        plain, operator, negated = "is_null", OPERATORS["is_null"], negated != (plain == "ne")
    values, positive = _from_json(plain, operator, operand)
    condition = Condition(column, plain, values)
    return condition if negated != positive else Not(condition)


def _from_json(word: str, operator: Operator, operand: Any) -> tuple[tuple[Value, ...], bool]:
    match operator.takes:
        case "none":
            if operand is not None and not isinstance(operand, bool):
                raise InvalidQuery(f"{word} takes true or false, not {_said(operand)}.")
            return (), operand is not False
        case "one":
            return (_value(operand),), True
        case _:
            if not isinstance(operand, list):
                raise InvalidQuery(f"{word} takes a list, not {_said(operand)}.")
            return check_values(word, tuple(_value(item) for item in operand)), True


def _value(value: Any) -> Value:
    match value:
        case None:
            return None
        case str():
            return clean(value)
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return str(value)
        case _:
            return json_value(value)


def _said(value: object) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return shown(str(value))
