"""What a name in a query stands for: a column, a path into a json column, or the record's own id, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from backend.errors import InvalidQuery, UnknownColumn
from backend.query.nodes import Json, Value
from backend.query.patterns import behind_all, literal_pattern
from backend.query.sqltext import literal, text_array
from backend.query.text import nearest, shown, steps
from backend.query.values import Bound, boolean, is_number, number, shaped, whole
from backend.schemas.columns import RECORD_ID, Column, ColumnType

SORTED = 500
"""By so many characters text is sorted: what an index entry, of at most 2,704 bytes, holds of any text."""

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


def sorted_expression(column: Column, data: str = "r.data") -> str:
    """What the column is sorted by, and compared by with what is short: of text the beginning.

    An index on exactly this expression serves that, and takes every text.
    """
    if column.type in {"integer", "number", "boolean", "json"}:
        return value_expression(column, data)
    return f'(left({data}->>{literal(column.key)}, {SORTED}) COLLATE "C")'


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
    """`value` is what is compared, `text` the value as text; `json` the jsonb value where it may be any.

    `sorted`: what is sorted by, and compared by where that comes to the same.
    """

    name: str
    kind: Kind
    value: str
    text: str
    sorted: str
    json: str = ""
    format: str | None = None

    def sort_terms(self) -> tuple[str, ...]:
        """What to order by: one expression; for JSON numbers by size, then everything else by its text."""
        return (self._number(), self._by_type("NULL", self.value)) if self.kind == "json" else (self.sorted,)

    @property
    def is_text(self) -> bool:
        """Whether values are texts and nothing else."""
        return self.kind in {"text", "date", "datetime", "time"}

    def compare(self, symbol: str, value: Value, bindings: Bindings) -> str:
        """The condition `value symbol given`; null where there is no value."""
        if isinstance(value, Json):
            return f"{self._document()} {_only_equal(symbol)} {bindings.bind(value.text, 'jsonb')}"
        if value is None:
            raise InvalidQuery(f"{shown(self.name)} cannot be compared with null; use is_null or is_not_null.")
        if self.kind != "json":
            condition = self._short_first(symbol, bindings.bind(self._read(value), self._type()), len(value))
            return self._at_a_glance(condition, {"=": value}, bindings) if symbol == "=" else condition
        size = number(value)
        numbers = "NULL" if size is None else f"{self._number()} {symbol} {bindings.bind(size, 'numeric')}"
        return self._by_type(numbers, f"{self.value} {symbol} {bindings.bind(value, 'text')}")

    def between(self, low: Value, high: Value, bindings: Bindings) -> str:
        """The condition that the value is neither less than the one nor greater than the other."""
        condition = f"({self.compare('>=', low, bindings)} AND {self.compare('<=', high, bindings)})"
        return self._at_a_glance(condition, {">=": low, "<=": high}, bindings)

    def among(self, values: Sequence[Value], bindings: Bindings) -> str:
        """The condition that the value is one of those given, null being one of them if it is given."""
        plain = [value for value in values if isinstance(value, str)]
        either = [self.compare("=", value, bindings) for value in values if isinstance(value, Json)]
        if None in values:
            either.append(self.is_null())
        if self.kind == "json":
            sizes = [size for size in map(number, plain) if size is not None]
            numbers = f"{self._number()} = ANY({bindings.bind(sizes, 'numeric[]')})"
            either.append(self._by_type(numbers, f"{self.value} = ANY({bindings.bind(plain, 'text[]')})"))
        elif plain or not either:
            read = [self._read(value) for value in plain]
            longest = max(map(len, plain), default=0)
            either.append(self._short_first("=", f"ANY({bindings.bind(read, self._type() + '[]')})", longest))
        return either[0] if len(either) == 1 else f"({' OR '.join(either)})"

    def is_null(self) -> str:
        """The condition that there is no value, nor one to sort by: in a CASE what PostgreSQL guesses to be rare."""
        if self.kind in {"id", "json"}:
            return f"{self.text} IS NULL"
        rest = "" if self.is_text else f" AND CASE WHEN {self.text} IS NULL THEN TRUE ELSE FALSE END"
        return f"({self.sorted} IS NULL{rest})"

    def is_not_null(self) -> str:
        """The condition that there is a value; an index can be asked for texts, which all have one to sort by."""
        return f"{self.sorted if self.is_text else self.text} IS NOT NULL"

    def like(self, pattern: str, bindings: Bindings, *, fold: bool) -> str:
        """The condition that the value's text matches a LIKE pattern; `fold`: in any case."""
        bound = bindings.bind(pattern, "text")
        if fold:
            return f"{self.folded(bindings.fold)} LIKE lower({bound} COLLATE {bindings.fold})"
        return f"{self.letters(bindings.fold)} LIKE {bound}"

    def starts(self, prefix: str, bindings: Bindings) -> str:
        """The condition that the value's text begins with this: of texts, a range of them."""
        behind = behind_all(prefix)
        if not self.is_text or behind is None or len(prefix) >= SORTED:
            return self.like(f"{literal_pattern(prefix)}%", bindings, fold=False)
        low, high = bindings.bind(prefix, "text"), bindings.bind(behind, "text")
        return f"({self.sorted} >= {low} AND {self.sorted} < {high})"

    def folded(self, fold: str) -> str:
        """The value's text, in which any case is the same."""
        return f"lower({self.text} COLLATE {fold})"

    def letters(self, fold: str) -> str:
        """The value's text as patterns look at it, letter by letter."""
        return f"({self.text} COLLATE {fold})"

    def matches(self, pattern: str, bindings: Bindings) -> str:
        """The condition that the value's text matches a regular expression, whose validity only PostgreSQL can say."""
        return f"{self.letters(bindings.fold)} ~ {bindings.bind(pattern, 'text')}"

    def _short_first(self, symbol: str, value: str, length: int) -> str:
        """Compares by what is sorted by, too: with less text than that has, both say the same.

        An index on either serves `=`: a key has one on its whole value.
        """
        whole = f"{self.value} {symbol} {value}"
        if self.sorted == self.value or length >= SORTED:
            return whole
        short = f"{self.sorted} {symbol} {value}"
        return f"({whole} AND {short})" if symbol == "=" else short

    def _at_a_glance(self, condition: str, bounds: Mapping[str, Value], bindings: Bindings) -> str:
        """The same condition, of numbers quicker to scan for: JSON is compared as it is stored before it is taken out.

        As what is not null, of which PostgreSQL guesses that nearly every record passes it.
        """
        if self.kind not in {"integer", "number"}:
            return condition
        compared = (
            f"{self.json} {symbol} {bindings.bind(str(number(str(value))), 'jsonb')}"
            for symbol, value in bounds.items()
        )
        return f"(CASE WHEN {' AND '.join(compared)} THEN TRUE END IS NOT NULL AND {condition})"

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


_ROW_ID = Field(RECORD_ID, "id", "r.id", "r.id::text", "r.id")


Names: TypeAlias = Mapping[str, Column]
"""A version's columns by name."""


@lru_cache(maxsize=64)
def by_name(columns: tuple[Column, ...]) -> Names:
    return {column.name: column for column in columns}


@lru_cache(maxsize=8192)
def _field(column: Column, data: str = "r.data") -> Field:
    key = literal(column.key)
    value, by = value_expression(column, data), sorted_expression(column, data)
    return Field(column.name, column.type, value, f"({data}->>{key})", by, f"({data}->{key})", column.format)


def column_named(name: str, names: Names) -> Column:
    """Raises UnknownColumn."""
    column = names.get(name)
    if column is None:
        raise UnknownColumn(f"There is no column {shown(name)}; {nearest(name, names)}.")
    return column


def resolve(name: str, names: Names, data: str = "r.data") -> Field:
    """The column of this name, else the path into a json column that it spells, else UnknownColumn.

    `data`: what the record's values are called in SQL.
    """
    if name == RECORD_ID:
        return _ROW_ID
    if (column := _known(name, names)) is not None:
        return _field(column, data)
    return _path(name, names, data) or _field(column_named(name, names))


def _known(name: str, names: Names) -> Column | None:
    """The column of this name, which may be quoted."""
    first, *more = steps(name) if name[:1] == '"' else [name]
    return names.get(name) or (None if more else names.get(first))


def _path(name: str, names: Names, data: str) -> Field | None:
    """Of several json columns whose name the path begins with, the longest."""
    position = len(name)
    while (position := name.rfind(".", 0, position)) > 0:
        if (column := _known(name[:position], names)) is not None and column.type == "json":
            path = text_array([column.key, *steps(name[position + 1 :])])
            text, value = f"({data}#>>{path})", f'(({data}#>>{path}) COLLATE "C")'
            return Field(name, "json", value, text, value, f"({data}#>{path})")
    return None
