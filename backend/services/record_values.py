"""Whether JSON values fit their columns, and what is stored of them.

Values stay raw JSON text (`msgspec.Raw`) from the request to the database, so that no number passes a float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from backend.errors import InvalidRecord, LimitExceeded
from backend.query.text import shown
from backend.query.values import shaped
from backend.schemas.columns import Column
from backend.schemas.problems import ErrorItem, pointer

Values = dict[str, Raw]
"""Column key → JSON text; null is an absent key."""

NULL = b"null"
MOST_ERRORS = 100
"""Errors that an answer lists."""
TOO_LONG = "MAX_CELL"
"""The code of a value that is longer than a cell may be."""
_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_LONGEST_NUMBER = 16_000
_LONGEST_WITH_EXPONENT = 15_000
"""The exponent may add 999 decimals; PostgreSQL counts 16,383."""
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|[eE][+-]?[0-9]{4}|[0-9]{15000}")
_HALF = re.compile("[\ud800-\udfff]")


class _Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def check(
    data: Mapping[str, Raw], by_name: Mapping[str, Column], columns: Sequence[Column], at: str, *, longest: int
) -> tuple[Values, list[ErrorItem]]:
    """Values by column key, and what is wrong with the record that `at` points to: values, names, what is missing.

    `longest`: the bytes that a value may have.
    """
    values, _, errors = check_change(data, by_name, at, longest=longest)
    named = {error.column for error in errors}
    errors += [
        _needed(each, at) for each in columns if not each.nullable and each.key not in values and each.name not in named
    ]
    return values, errors


def check_change(
    data: Mapping[str, Raw], by_name: Mapping[str, Column], at: str, *, longest: int
) -> tuple[Values, list[str], list[ErrorItem]]:
    """As `check`, of a change: the new values, the keys of the columns that lose theirs, and what is wrong."""
    values: Values = {}
    gone: list[str] = []
    errors: list[ErrorItem] = []
    for name, raw in data.items():
        column = by_name.get(name)
        if column is None:
            errors.append(ErrorItem("There is no such column.", pointer(name, at), column=name, code="UNKNOWN_COLUMN"))
            continue
        stored = stored_value(column, bytes(raw))
        if isinstance(stored, str):
            errors.append(ErrorItem(stored, pointer(name, at), column=name, code="INVALID_VALUE"))
        elif len(stored) > longest and _size(stored) > longest:
            text = f"The value of {shown(name)} is longer than SHEAF_MAX_CELL, {longest:,} bytes."
            errors.append(ErrorItem(text, pointer(name, at), column=name, code=TOO_LONG))
        elif stored != NULL:
            values[column.key] = Raw(stored)
        elif column.nullable:
            gone.append(column.key)
        else:
            errors.append(_needed(column, at))
    return values, gone, errors


def _size(stored: bytes) -> int:
    """The bytes of a value as a file would hold it: of a text without its quotes and escapes."""
    return len(msgspec.json.decode(stored, type=str).encode()) if stored.startswith(b'"') else len(stored)


def _needed(column: Column, at: str) -> ErrorItem:
    return ErrorItem("This column needs a value.", pointer(column.name, at), column=column.name, code="NULL")


def refuse_values(errors: Sequence[ErrorItem]) -> None:
    """Raises InvalidRecord with the first of them, if there is any; LimitExceeded where all are about lengths."""
    if errors:
        refuse_lengths(errors)
        text = f"{len(errors)} value(s) do not fit the dataset's columns; nothing was stored."
        raise InvalidRecord(text, errors=errors[:MOST_ERRORS])


def refuse_lengths(errors: Sequence[ErrorItem]) -> None:
    """Raises LimitExceeded where values that are too long are all that is wrong."""
    if errors and all(each.code == TOO_LONG for each in errors):
        raise LimitExceeded(f"{errors[0].message} Nothing was stored.", errors=errors[:MOST_ERRORS])


def as_text(raw: Raw) -> str:
    """A JSON value as it is written in an address: a text without its quotes."""
    written = bytes(raw)
    return msgspec.json.decode(written, type=str) if written.startswith(b'"') else written.decode()


def merged(current: Raw | None, patch: Raw) -> Raw:
    """RFC 7396 below the top level: an object is merged into what is there, everything else replaces it."""
    if not bytes(patch).startswith(b"{"):
        return patch
    target: dict[str, Raw] = {}
    if current is not None and bytes(current).startswith(b"{"):
        target = msgspec.json.decode(current, type=dict[str, Raw])
    for name, raw in msgspec.json.decode(patch, type=dict[str, Raw]).items():
        if bytes(raw) == NULL:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), raw)
    return Raw(msgspec.json.encode(target))


def holds_object(patch: Mapping[str, Raw]) -> bool:
    """Whether what is stored has to be known, to merge the patch into it."""
    return any(bytes(raw)[:1] == b"{" for raw in patch.values())


def merged_item(
    stored: Mapping[str, Raw], patch: Mapping[str, Raw], by_name: Mapping[str, Column]
) -> Mapping[str, Raw]:
    """The patch with its objects merged into those that are stored by column key."""
    keys = {name: by_name[name].key for name in patch if name in by_name}
    return {name: merged(stored.get(keys.get(name, "")), raw) for name, raw in patch.items()}


def stored_value(column: Column, raw: bytes) -> bytes | str:
    """The JSON text to store for a value, or a sentence that says why it does not fit."""
    if raw == NULL:
        return NULL
    if unstorable := _why_unstorable(raw):
        return unstorable
    fits = _CHECKS[column.type]
    return fits(column, raw)


def _why_unstorable(raw: bytes) -> str | None:
    """U+0000, lone surrogates and numbers of more digits than PostgreSQL counts have no place in JSONB."""
    if _SUSPECT.search(raw) is None:
        return None
    try:
        return next(_unstorable(json.loads(raw, parse_int=_Number, parse_float=_Number)), None)
    except RecursionError:
        return "This is nested too deep."


def _unstorable(value: Any) -> Iterator[str]:
    if isinstance(value, _Number):
        if not _is_number(value.encode()):
            yield f"{_shown(value.encode())} has too many digits."
    elif isinstance(value, str):
        if "\0" in value:
            yield "U+0000 cannot be stored."
        if _HALF.search(value):
            yield "Half a surrogate pair cannot be stored."
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _unstorable(key)
            yield from _unstorable(each)
    elif isinstance(value, list):
        for each in value:
            yield from _unstorable(each)


def _is_number(raw: bytes) -> bool:
    read = _NUMBER.fullmatch(raw)
    return read is not None and len(raw) <= (_LONGEST_NUMBER if read[3] is None else _LONGEST_WITH_EXPONENT)


def _integer(_: Column, raw: bytes) -> bytes | str:
    fits = _INTEGER.fullmatch(raw) and len(raw) <= _LONGEST_NUMBER
    return raw if fits else f"{_shown(raw)} is no integer."


def _number(_: Column, raw: bytes) -> bytes | str:
    return raw if _is_number(raw) else f"{_shown(raw)} is no number."


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
