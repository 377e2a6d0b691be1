"""Records as PostgreSQL writes them, each row's jsonb unpacked once, at any number of columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from psycopg import sql

from backend.query.sqltext import literal
from backend.schemas.columns import Column

WIDE = 1_600
"""Most columns that a SELECT can return with some room to spare."""
_UNPACKED = "(SELECT r.data || '{}'::jsonb AS d OFFSET 0) AS x"


def record_json(columns: Sequence[Column]) -> sql.SQL:
    """A text expression over `r.data`: `{"name":value,…}` in the order of the columns, null where there is no value."""
    return _record_json(tuple(columns))


@lru_cache(maxsize=256)
def _record_json(columns: tuple[Column, ...]) -> sql.SQL:
    members = [
        f"{literal(('{' if position == 0 else ',') + msgspec.json.encode(column.name).decode() + ':')}"
        f"||COALESCE((d->{literal(column.key)})::text,'null')"
        for position, column in enumerate(columns)
    ]
    if not members:
        return sql.SQL("'{}'")
    return sql.SQL(f"(SELECT {_concatenated([*members, _CLOSE])} FROM {_UNPACKED})")  # noqa: S608 quoted by literal()


_CLOSE = "'}'"


def _concatenated(parts: list[str]) -> str:
    """A balanced tree of `||`: each byte is copied log n times, not n times."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        odd = parts[-1:] if len(parts) % 2 else []
        parts = [f"({left}||{right})" for left, right in pairs] + odd
    return parts[0]


def is_wide(columns: Sequence[Column]) -> bool:
    """Whether `csv_select` returns one JSON array a row instead of one text for each column."""
    return len(columns) > WIDE


def csv_select(columns: Sequence[Column]) -> tuple[sql.SQL, sql.SQL]:
    """A select list and the LATERAL item that it needs in FROM, for COPY … TO STDOUT (FORMAT csv).

    Each column's text, null where it has none; booleans in their casing, json columns as JSON text. More columns
    than COPY can return: one text, a JSON array of those texts and nulls.
    """
    return _csv_select(tuple(columns))


@lru_cache(maxsize=256)
def _csv_select(columns: tuple[Column, ...]) -> tuple[sql.SQL, sql.SQL]:
    texts = ", ".join(_text(column) for column in columns)
    if is_wide(columns):
        texts = f"array_to_json(ARRAY[{texts}])::text"
    return sql.SQL(texts), sql.SQL(f"LATERAL {_UNPACKED}")


def _text(column: Column) -> str:
    key = literal(column.key)
    if column.type == "json":
        return f"(x.d->{key})::text"
    if column.type == "boolean" and column.format in {"TRUE", "True"}:
        yes, no = ("TRUE", "FALSE") if column.format == "TRUE" else ("True", "False")
        return f"CASE x.d->>{key} WHEN 'true' THEN '{yes}' WHEN 'false' THEN '{no}' END"
    return f"x.d->>{key}"
