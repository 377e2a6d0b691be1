"""What a name in a query stands for: a column, a path into a json column, or the record's own id, as SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from backend.errors import InvalidQuery, UnknownColumn
from backend.query.nodes import Json, Value
from backend.query.sqltext import literal, text_array
from backend.query.text import nearest, shown
from backend.query.values import Bound, boolean, is_number, number, shaped, whole
from backend.schemas.columns import RECORD_ID, Column, ColumnType

_STEP = re.compile(r'(?:^|(?<=\.))("(?:[^"]|"")*"(?=\.|\Z)|[^.]*)')

Kind: TypeAlias = ColumnType | Literal["id"]


class Bindings(Struct, frozen=True):
    """The values bound so far; `fold` is the quoted collation whose lower() knows É and é."""

    params: dict[str, Any]
    fold: str

    def bind(self, value: object, kind: str) -> str:
        """A placeholder for the value, cast to a PostgreSQL type."""
        name = f"q{len(self.params)}"
        self.params[name] = value
        return f"%({name})s::{kind}"


def value_expression(column: Column, data: str = "r.data") -> str:
    """The column's value as it is compared and sorted; null where the stored value is of another type.

    An index on exactly this expression serves filters and sorts on the column.
    """
    key = literal(column.key)
    if column.type in {"integer", "number"}:
        return f"CASE WHEN jsonb_typeof({data}->{key}) = 'number' THEN ({data}->{key})::numeric END"
    if column.type == "boolean":
        return f"CASE WHEN jsonb_typeof({data}->{key}) = 'boolean' THEN ({data}->{key})::boolean END"
    return f'(({data}->>{key}) COLLATE "C")'


def bound_value(column: Column, text: str) -> Bound | None:
    """What `value_expression` has where the value is written like this; None where no value is."""
    return text if column.type == "json" else _field(column).parsed(text)


def bound_type(column: Column) -> str:
    """The PostgreSQL type of `value_expression`."""
    return _NAMED_TYPES.get(column.type, "text")


_NAMED_TYPES = {"id": "bigint", "integer": "numeric", "number": "numeric", "boolean": "boolean"}
_EXAMPLES = {
    "id": "a record id, a whole number",
    "integer": "a number",
    "number": "a number",
    "boolean": "true or false",
    "date": "an ISO 8601 date such as 2025-01-31",
    "datetime": "an ISO 8601 date or datetime such as 2025-01-31T10:20:30Z",
    "time": "a time such as 10:20:30",
}


class Field(Struct, frozen=True):
    """`value` is what is compared and sorted, `text` the value as text; `json` the jsonb value where it may be any."""

    name: str
    kind: Kind
    value: str
    text: str
    json: str = ""
    format: str | None = None

    def sort_terms(self) -> tuple[str, ...]:
        """What to order by: one expression; for JSON numbers by size, then everything else by its text."""
        return (self._number(), self._by_type("NULL", self.value)) if self.kind == "json" else (self.value,)

    def compare(self, symbol: str, value: Value, bindings: Bindings) -> str:
        """The condition `value symbol given`; null where there is no value."""
        if isinstance(value, Json):
            return f"{self._document()} {_only_equal(symbol)} {bindings.bind(value.text, 'jsonb')}"
        if value is None:
            raise InvalidQuery(f"{shown(self.name)} cannot be compared with null; use is_null or is_not_null.")
        if self.kind != "json":
            return f"{self.value} {symbol} {bindings.bind(self._read(value), self._type())}"
        size = number(value)
        numbers = "NULL" if size is None else f"{self._number()} {symbol} {bindings.bind(size, 'numeric')}"
        return self._by_type(numbers, f"{self.value} {symbol} {bindings.bind(value, 'text')}")

    def among(self, values: Sequence[Value], bindings: Bindings) -> str:
        """The condition that the value is one of those given, null being one of them if it is given."""
        plain = [value for value in values if isinstance(value, str)]
        either = [self.compare("=", value, bindings) for value in values if isinstance(value, Json)]
        if None in values:
            either.append(f"{self.text} IS NULL")
        if self.kind == "json":
            sizes = [size for size in map(number, plain) if size is not None]
            numbers = f"{self._number()} = ANY({bindings.bind(sizes, 'numeric[]')})"
            either.append(self._by_type(numbers, f"{self.value} = ANY({bindings.bind(plain, 'text[]')})"))
        elif plain or not either:
            read = [self._read(value) for value in plain]
            either.append(f"{self.value} = ANY({bindings.bind(read, self._type() + '[]')})")
        return either[0] if len(either) == 1 else f"({' OR '.join(either)})"

    def like(self, pattern: str, bindings: Bindings, *, fold: bool) -> str:
        """The condition that the value's text matches a LIKE pattern; `fold`: in any case."""
        bound = bindings.bind(pattern, "text")
        if fold:
            return f"lower({self.text} COLLATE {bindings.fold}) LIKE (SELECT lower({bound} COLLATE {bindings.fold}))"
        return f'{self.text} COLLATE "C" LIKE {bound}'

    def matches(self, pattern: str, bindings: Bindings) -> str:
        """The condition that the value's text matches a regular expression, whose validity only PostgreSQL can say."""
        return f"{self.text} COLLATE {bindings.fold} ~ {bindings.bind(pattern, 'text')}"

    def _type(self) -> str:
        return _NAMED_TYPES.get(self.kind, "text")

    def _number(self) -> str:
        return f"CASE WHEN jsonb_typeof({self.json}) = 'number' THEN ({self.json})::numeric END"

    def _by_type(self, numbers: str, others: str) -> str:
        return f"CASE WHEN jsonb_typeof({self.json}) = 'number' THEN {numbers} ELSE {others} END"

    def _document(self) -> str:
        if self.kind != "json":
            raise InvalidQuery(f"{shown(self.name)} holds {self.kind} values, not objects or lists.")
        return self.json

    def _read(self, text: str) -> Bound:
        value = self.parsed(text)
        if value is None:
            if self.kind in {"integer", "number"} and is_number(text):
                raise InvalidQuery(f"{shown(text)} is too long, or its exponent too large, to be compared with.")
            raise InvalidQuery(
                f"{shown(text)} is not {_EXAMPLES[self.kind]}, which {shown(self.name)} is compared with."
            )
        return value

    def parsed(self, text: str) -> Bound | None:
        """What the text is compared as; None where it is nothing of the kind."""
        match self.kind:
            case "integer" | "number":
                return number(text)
            case "id":
                return whole(text)
            case "boolean":
                return boolean(text)
            case "date" | "datetime" | "time":
                return shaped(self.kind, self.format, text)
            case _:
                return text


def _only_equal(symbol: str) -> str:
    if symbol != "=":
        raise InvalidQuery("Objects and lists can only be equal to one another, not greater or less.")
    return symbol


_ROW_ID = Field(RECORD_ID, "id", "r.id", "r.id::text")


Names: TypeAlias = Mapping[str, Column]
"""A version's columns by name."""


@lru_cache(maxsize=64)
def by_name(columns: tuple[Column, ...]) -> Names:
    return {column.name: column for column in columns}


@lru_cache(maxsize=8192)
def _field(column: Column) -> Field:
    key = literal(column.key)
    json = f"(r.data->{key})"
    return Field(column.name, column.type, value_expression(column), f"(r.data->>{key})", json, column.format)


def column_named(name: str, names: Names) -> Column:
    """Raises UnknownColumn."""
    column = names.get(name)
    if column is None:
        raise UnknownColumn(f"There is no column {shown(name)}; {nearest(name, names)}.")
    return column


def resolve(name: str, names: Names) -> Field:
    """The column of this name, else the path into a json column that it spells, else UnknownColumn."""
    if name == RECORD_ID:
        return _ROW_ID
    column = names.get(name)
    if column is not None:
        return _field(column)
    return _path(name, names) or _field(column_named(name, names))


def _path(name: str, names: Names) -> Field | None:
    """Of several json columns whose name the path begins with, the longest."""
    position = len(name)
    while (position := name.rfind(".", 0, position)) > 0:
        column = names.get(name[:position])
        if column is not None and column.type == "json":
            path = text_array([column.key, *_steps(name[position + 1 :])])
            text = f"(r.data#>>{path})"
            return Field(name, "json", f'({text} COLLATE "C")', text, f"(r.data#>{path})")
    return None


def _steps(path: str) -> list[str]:
    """Member names and list positions between dots; one that holds a dot is quoted."""
    return [
        step[1:-1].replace('""', '"') if step.startswith('"') and step.endswith('"') else step
        for step in _STEP.findall(path)
    ]
