"""Whether JSON values fit their columns, and what is stored of them.

Values stay raw JSON text (`msgspec.Raw`) from the request to the database, so that no number passes a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from backend.query.values import shaped
from backend.schemas.columns import Column
from backend.schemas.problems import ErrorItem

Values = dict[str, Raw]
"""Column key → JSON text; null is an absent key."""

NULL = b"null"
_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_LONGEST_NUMBER = 16_000
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ANY = msgspec.json.Decoder(Any, float_hook=str)


def check(data: Mapping[str, Raw], columns: Mapping[str, Column], pointer: str) -> tuple[Values, list[ErrorItem]]:
    """Values by column key, and what is wrong with them; `columns` is by name."""
    values: Values = {}
    errors: list[ErrorItem] = []
    for name, raw in data.items():
        where = f"{pointer}/{_escaped(name)}"
        column = columns.get(name)
        if column is None:
            errors.append(ErrorItem("There is no such column.", where, column=name, code="UNKNOWN_COLUMN"))
            continue
        stored = stored_value(column, bytes(raw))
        if isinstance(stored, str):
            errors.append(ErrorItem(stored, where, column=name, code="INVALID_VALUE"))
        elif stored != NULL:
            values[column.key] = Raw(stored)
    return values, errors


def missing(values: Values, columns: Sequence[Column], pointer: str) -> list[ErrorItem]:
    """Columns that must have a value and have none."""
    return [
        ErrorItem("This column needs a value.", f"{pointer}/{_escaped(each.name)}", column=each.name, code="NULL")
        for each in columns
        if not each.nullable and each.key not in values
    ]


def stored_value(column: Column, raw: bytes) -> bytes | str:
    """The JSON text to store for a value, or a sentence that says why it does not fit."""
    if raw == NULL:
        return NULL
    if unstorable := _why_unstorable(raw):
        return unstorable
    fits = _CHECKS[column.type]
    return fits(column, raw)


def _why_unstorable(raw: bytes) -> str | None:
    """U+0000 and lone surrogates have no place in JSONB."""
    if _SUSPECT.search(raw) is None:
        return None
    try:
        value = _ANY.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        return f"This is no valid JSON text: {error}."
    return "U+0000 cannot be stored." if _holds_nul(value) else None


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(each) for key, each in value.items())
    return isinstance(value, list) and any(_holds_nul(each) for each in value)


def _integer(_: Column, raw: bytes) -> bytes | str:
    fits = _INTEGER.fullmatch(raw) and len(raw) <= _LONGEST_NUMBER
    return raw if fits else f"{_shown(raw)} is no integer."


def _number(_: Column, raw: bytes) -> bytes | str:
    fits = _NUMBER.fullmatch(raw) and len(raw) <= _LONGEST_NUMBER
    return raw if fits else f"{_shown(raw)} is no number."


def _boolean(_: Column, raw: bytes) -> bytes | str:
    return raw if raw in {b"true", b"false"} else f"{_shown(raw)} is neither true nor false."


def _text(_: Column, raw: bytes) -> bytes | str:
    return raw if raw.startswith(b'"') else f"{_shown(raw)} is no text."


def _moment(column: Column, raw: bytes) -> bytes | str:
    if not raw.startswith(b'"'):
        return f"{_shown(raw)} is no {column.type}."
    written = shaped(column.type, column.format, msgspec.json.decode(raw, type=str))
    if written is None:
        return f"{_shown(raw)} is no {column.type}; write it by ISO 8601."
    if written.endswith("~"):
        return f"{_shown(raw)} is finer than this column's values are written."
    return msgspec.json.encode(written)


def _json(_: Column, raw: bytes) -> bytes | str:
    return raw


_CHECKS: dict[str, Callable[[Column, bytes], bytes | str]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "text": _text,
    "date": _moment,
    "datetime": _moment,
    "time": _moment,
    "json": _json,
}


def _shown(raw: bytes) -> str:
    text = raw.decode()
    return text if len(text) <= 60 else text[:60] + "…"


def _escaped(name: str) -> str:
    """A JSON Pointer token (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
