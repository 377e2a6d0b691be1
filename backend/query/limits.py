"""How large a filter may be, and what PostgreSQL can hold of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from backend.errors import InvalidQuery
from backend.query.nodes import And, Condition, Json, Node, Not, Or, Value
from backend.query.operators import OPERATORS
from backend.query.text import clean

MAX_CONDITIONS = 100
MAX_DEPTH = 10
MAX_ITEMS = 1_000
_MAX_EXPONENT = 10_000
_encoder = msgspec.json.Encoder(decimal_format="number")


def check_count(*nodes: Node) -> None:
    """Raises InvalidQuery if there are more conditions than one query may have."""
    count = sum(map(_conditions, nodes))
    if count > MAX_CONDITIONS:
        raise InvalidQuery(f"A query may have {MAX_CONDITIONS} conditions; this one has {count}.")


def _conditions(node: Node) -> int:
    match node:
        case Condition():
            return 1
        case Not():
            return _conditions(node.item)
        case And() | Or():
            return sum(map(_conditions, node.items))


def check_values(word: str, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values themselves. Raises InvalidQuery if the operator does not take so many."""
    takes = OPERATORS[word].takes
    if takes == "pair" and (len(values) != 2 or None in values):
        raise InvalidQuery(f"{word} takes two values, the first and the last; it was given {len(values)}.")
    if len(values) > MAX_ITEMS:
        raise InvalidQuery(f"{word} takes at most {MAX_ITEMS:,} values; it was given {len(values):,}.")
    return values


def json_value(value: Any) -> Json:
    """A JSON object or list as a filter value. Raises InvalidQuery for what PostgreSQL cannot hold."""
    _check_json(value, 1)
    return Json(_encoder.encode(value).decode())


def _check_json(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidQuery(f"A filter may be nested {MAX_DEPTH} deep.")
    match value:
        case str():
            clean(value)
        case dict():
            _check_json([*value, *value.values()], depth)
        case list():
            for item in value:
                _check_json(item, depth + 1)
        case Decimal() if abs(value.adjusted()) > _MAX_EXPONENT:
            raise InvalidQuery(f"A number in a filter has at most {_MAX_EXPONENT:,} digits.")
        case _:
            pass
