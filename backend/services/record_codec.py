"""Whether whole records plainly fit their columns: a struct made for the schema, one call of msgspec a record."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import NODEFAULT, Meta, Raw, Struct
from msgspec.structs import astuple

from backend.schemas.columns import Column
from backend.services.record_values import NULL

_EXPONENT = re.compile(rb"[eE][+-]?[0-9]{4}")
_ZERO = b"\\u0000"
_MANY = 1_000
_DIGITS = re.compile(rb"[0-9]{%d}" % _MANY)
_ANY = dict[str, Raw] | list[Raw] | str | bool | int | float
_TYPES: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "text": str, "json": _ANY}
_DAY = (
    "(?!0000|0001|9999)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = ":[0-5][0-9]"
_MOMENTS = {"date": "0000-00-00", "datetime": "0000-00-00T00:00:00Z", "time": "00:00:00"}
_FORM = re.compile(r"(0000-00-00)?([T ]?)(?:(00:00)(:00)?(?:([.,])(0+))?)?(.*)")


class RecordCodec:
    """Tells of a line of JSON what is stored of it, as long as all is plain.

    What it does not tell is not wrong: that is for `record_values.check` to look at, value by value.
    `members`: how many names the records had that it told of, one that stands twice in a record counted once.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.members = 0
        self._keys = {column.name: column.key for column in columns}
        self._nested = any(column.type == "json" for column in columns)
        numbers = [_field(at) for at, column in enumerate(columns) if column.type == "number"]
        self._numbers = attrgetter(numbers[0], *numbers) if numbers else None
        self._same = all(column.name == column.key for column in columns)
        self._full, self._with_nulls = _decoder(columns, nulls=False), _decoder(columns, nulls=True)

    def hides(self, text: bytes, longest: int) -> bool:
        """Whether lines, the `longest` of so many bytes, may hold something that msgspec takes and JSONB does not."""
        return (
            _ZERO in text
            or (self._nested and _EXPONENT.search(text) is not None)
            or (longest > _MANY and _DIGITS.search(text) is not None)
        )

    def stored(self, line: bytes) -> bytes | None:
        """The JSON text to store, by column key and without nulls: the line itself where it is that. Else None."""
        verbatim = self._same and b"null" not in line
        try:
            record = (self._full if verbatim else self._with_nulls)(line)
        except (msgspec.MsgspecError, RecursionError):
            return None
        if self._numbers is not None and 0.0 in self._numbers(record) and _EXPONENT.search(line):
            return None  # a number so small that it seems to be zero
        if verbatim:
            values = astuple(record)
            self.members += len(values) - values.count(None)
            return line
        keys = self._keys
        item = msgspec.json.decode(line, type=dict[str, Raw])
        self.members += len(item)
        return msgspec.json.encode({keys[name]: raw for name, raw in item.items() if bytes(raw) != NULL})


def _decoder(columns: Sequence[Column], *, nulls: bool) -> Callable[[bytes], Struct]:
    """Takes a line of JSON. Raises MsgspecError when that does not plainly fit."""
    fields: list[tuple[str, Any, Any]] = [
        (
            _field(at),
            _type(column) | None if nulls and column.nullable else _type(column),
            None if column.nullable else NODEFAULT,
        )
        for at, column in enumerate(columns)
    ]
    names = {field: column.name for (field, _, _), column in zip(fields, columns, strict=True)}
    try:
        kind = msgspec.defstruct("Line", fields, rename=names, forbid_unknown_fields=True, kw_only=True, gc=False)
    except ValueError:
        return _refuse
    return msgspec.json.Decoder(kind).decode


def _field(at: int) -> str:
    return f"f{at}"


def _refuse(_: bytes) -> NoReturn:
    """For columns whose names hold quotes or control characters, which msgspec takes for no names."""
    raise msgspec.ValidationError


def _type(column: Column) -> Any:
    if column.type not in _MOMENTS:
        return _TYPES[column.type]
    form = column.format or _MOMENTS[column.type]
    return dt.date if form == _MOMENTS["date"] else Annotated[str, Meta(pattern=rf"\A{_pattern(form)}\Z")]


def _pattern(form: str) -> str:
    """For the values of a column that are written in its own form; none where the form is unusual."""
    parts = _FORM.fullmatch(form)
    if parts is None:
        return "(?!)"
    day, between, clock, seconds, point, digits, zone = parts.groups(default="")
    return "".join(
        (
            _DAY if day else "",
            between,
            _CLOCK if clock else "",
            _SECONDS if seconds else "",
            re.escape(point),
            f"[0-9]{{{len(digits)}}}" if digits else "",
            re.escape(zone),
        )
    )
