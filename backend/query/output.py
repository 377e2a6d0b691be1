"""Records as PostgreSQL writes them, each row's jsonb unpacked once, at any number of columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from psycopg import sql

from backend.query.sqltext import literal, text_array
from backend.schemas.columns import RECORD_ID, Column

WIDE = 1_600
"""Most columns that a SELECT can return with some room to spare."""
_NARROW = 30
UNPACKED = sql.SQL("r.data || '{}'::jsonb AS d")
"""A row's jsonb, taken out of line and out of compression once; `OFFSET` keeps a sub-select of it from being merged."""


def record_json(columns: Sequence[Column], *, ids: bool = False) -> sql.SQL:
    """A text expression over `r.data`: `{"name":value,…}` in the order of the columns, null where there is no value.

    `ids`: the record's id, `r.id`, comes before them as `__id`.
    """
    return _record_json(tuple(columns), ids)


@lru_cache(maxsize=32)
def _record_json(columns: tuple[Column, ...], ids: bool) -> sql.SQL:
    labels = [msgspec.json.encode(column.name).decode() + ":" for column in columns]
    members = _spelled_out(columns, labels) if len(columns) <= _NARROW else _listed(columns, labels)
    if ids:
        rest = f"||','||substr({members}, 2)" if columns else ""
        members = f"'{{\"{RECORD_ID}\":'||r.id{rest}"
    return sql.SQL(f"(SELECT {members}||'}}' FROM (SELECT {UNPACKED.as_string()} OFFSET 0) AS x)")  # noqa: S608 quoted


def _spelled_out(columns: tuple[Column, ...], labels: list[str]) -> str:
    """Fastest to run, but each column costs planning time."""
    values = (f"COALESCE({_json_text(column)},'null')" for column in columns)
    before = (literal("{,"[min(place, 1)] + label) for place, label in enumerate(labels))
    return "||".join(f"{label}||{value}" for label, value in zip(before, values, strict=True)) or "'{'"


def _json_text(column: Column) -> str:
    """The JSON of a value; taking the bare text is faster by half, where nothing in it could need an escape."""
    key = literal(column.key)
    if column.type in {"integer", "number", "boolean"}:
        return f"x.d->>{key}"
    if column.type in {"date", "datetime", "time"}:
        return f"'\"'||(x.d->>{key})||'\"'"
    return f"(x.d->{key})::text"


def _listed(columns: tuple[Column, ...], labels: list[str]) -> str:
    """One small plan for any number of columns."""
    keys = [column.key for column in columns]
    names = f"unnest({text_array(keys)}, {text_array(labels)}) AS name(key, label)"
    members = f"SELECT name.label||COALESCE((x.d->name.key)::text,'null') FROM {names}"  # noqa: S608 quoted
    return f"'{{'||array_to_string(ARRAY({members}),',')"


def is_wide(columns: Sequence[Column]) -> bool:
    """Whether `csv_select` returns one JSON array a row instead of one text for each column."""
    return len(columns) > WIDE


def csv_select(columns: Sequence[Column], *, ids: bool = False) -> sql.SQL:
    """A select list over `(SELECT {UNPACKED} … OFFSET n) AS x`, for COPY … TO STDOUT (FORMAT csv).

    Each column's text, null where it has none; booleans in their casing, json columns as JSON text. More columns
    than COPY can return: one text, a JSON array of those texts and nulls. `ids`: the record's id, `x.id`, is first.
    """
    return _csv_select(tuple(columns), ids)


@lru_cache(maxsize=32)
def _csv_select(columns: tuple[Column, ...], ids: bool) -> sql.SQL:
    texts = ", ".join(["x.id::text"] * ids + [_text(column) for column in columns])
    if is_wide(columns):
        texts = f"array_to_json(ARRAY[{texts}])::text"
    return sql.SQL(texts)


def _text(column: Column) -> str:
    key = literal(column.key)
    if column.type == "json":
        return f"(x.d->{key})::text"
    if column.type == "boolean" and column.format in {"TRUE", "True"}:
        yes, no = ("TRUE", "FALSE") if column.format == "TRUE" else ("True", "False")
        return f"CASE x.d->>{key} WHEN 'true' THEN '{yes}' WHEN 'false' THEN '{no}' END"
    return f"x.d->>{key}"
