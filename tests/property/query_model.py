"""What filters and sorts mean, in plain Python: the model that the compiled SQL is compared with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cmp_to_key
from typing import Any

from backend.schemas.columns import Column

Row = dict[str, Any]
"""Column key → value as it was generated: Decimal, bool, date, datetime, time, text, or for json any of JSON."""


def written(column: Column, value: Any) -> Any:
    """A value as it is stored: numbers and booleans as they are, times as text in the column's shape."""
    if isinstance(value, datetime):
        clock = f"{value:%H:%M:%S}" + (f".{value.microsecond // 1000:03}" if ".000" in column.format else "")
        return f"{value:%Y-%m-%d}{column.format[10]}{clock}" + re.sub(r"^.{19}(\.0+)?", "", column.format)
    return value.isoformat() if isinstance(value, date | time) else value


def text_of(column: Column, value: Any) -> str | None:
    """The text form, on which patterns work."""
    stored = written(column, value)
    match stored:
        case None | str():
            return stored
        case bool():
            return "true" if stored else "false"
        case Decimal():
            return format(stored, "f")
        case _:
            return json.dumps(stored, ensure_ascii=False)


def comparable(column: Column, value: Any) -> Any:
    """What two values of one column are compared by; datetimes as seconds of UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC)
    if column.type == "json" and value is not None and not isinstance(value, Decimal):
        return text_of(column, value)
    return value


def given(column: Column, text: str) -> Any:
    """A filter value, read as the column's type says."""
    match column.type:
        case "integer" | "number":
            return Decimal(text)
        case "boolean":
            return text.lower() in {"true", "1"}
        case "date":
            return date.fromisoformat(text)
        case "time":
            return time.fromisoformat(text)
        case "datetime":
            zone = re.search(r"[+-]\d\d:\d\d$", column.format)
            offset = datetime.fromisoformat("2000-01-01T00:00" + zone[0]).tzinfo if zone else UTC
            read = datetime.fromisoformat(text)
            return read if read.tzinfo else read.replace(tzinfo=offset)
        case _:
            return text


def order(column: Column, value: Any, operand: str) -> int | None:
    """-1, 0 or 1 as the value is less, equal or greater; None where they cannot be compared."""
    left, right = comparable(column, value), given(column, operand)
    if left is None:
        return None
    if isinstance(left, Decimal) and column.type == "json":
        try:
            right = Decimal(operand) if re.fullmatch(r"[-+0-9.eE]+", operand) else None
        except InvalidOperation:
            right = None
        if right is None:
            return None
    return (left > right) - (left < right)


def like(pattern: str, text: str) -> bool:
    parts = re.findall(r"\\[*%_\\]|.", pattern, re.DOTALL)
    wild = {"%": ".*", "*": ".*", "_": "."}
    expression = "".join(wild.get(part) or re.escape(part[1] if len(part) == 2 else part) for part in parts)
    return re.fullmatch(expression, text, re.DOTALL) is not None


TEXT_TESTS = {
    "like": like,
    "ilike": lambda wanted, text: like(wanted.lower(), text.lower()),
    "contains": lambda wanted, text: wanted in text,
    "icontains": lambda wanted, text: wanted.lower() in text.lower(),
    "starts": lambda wanted, text: text.startswith(wanted),
    "ends": lambda wanted, text: text.endswith(wanted),
}
ORDER_TESTS = {
    "eq": lambda sign: sign == 0,
    "gt": lambda sign: sign > 0,
    "gte": lambda sign: sign >= 0,
    "lt": lambda sign: sign < 0,
    "lte": lambda sign: sign <= 0,
}


def holds(column: Column, value: Any, operator: str, operands: Sequence[str]) -> bool:
    """Whether the condition is met; a condition on null is not, except ne, nin and is_null."""
    if operator in {"ne", "nin"}:
        return not holds(column, value, {"ne": "eq", "nin": "in"}[operator], operands)
    if operator in {"is_null", "is_not_null"}:
        return (value is None) == (operator == "is_null")
    if operator in TEXT_TESTS:
        text = text_of(column, value)
        return text is not None and TEXT_TESTS[operator](operands[0], text)
    if operator == "in":
        return any(order(column, value, operand) == 0 for operand in operands)
    if operator == "between":
        return holds(column, value, "gte", operands[:1]) and holds(column, value, "lte", operands[1:])
    sign = order(column, value, operands[0])
    return sign is not None and ORDER_TESTS[operator](sign)


def ordered(rows: dict[int, Row], sort: Sequence[tuple[Column | None, bool]]) -> list[int]:
    """Ids in the order of (column, descending); None is the id itself. Nulls last both ways, ties by id."""

    def compare(left: int, right: int) -> int:
        for column, descending in sort:
            pair = [_sortable(column, row, rows) for row in (left, right)]
            if None in pair and pair[0] != pair[1]:
                return 1 if pair[0] is None else -1
            if pair[0] is not None and pair[0] != pair[1]:
                return _json_order(column, pair, descending)
        return left - right

    return sorted(rows, key=cmp_to_key(compare))


def _sortable(column: Column | None, record: int, rows: dict[int, Row]) -> Any:
    return record if column is None else comparable(column, rows[record].get(column.key))


def _json_order(column: Column | None, pair: list[Any], descending: bool) -> int:
    numbers = [isinstance(value, Decimal) for value in pair]
    if numbers[0] != numbers[1]:
        return -1 if numbers[0] else 1
    sign = (pair[0] > pair[1]) - (pair[0] < pair[1])
    return -sign if descending else sign
