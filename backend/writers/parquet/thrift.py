"""Thrift's compact protocol, as far as a Parquet footer needs it, kept so that it can be written again."""

from typing import Any, TypeAlias

Value: TypeAlias = Any
"""int; bytes, also for a double; `Fields` for a struct; (type of the elements, elements) for a list."""
Fields: TypeAlias = dict[int, tuple[int, Value]]
"""Of a struct, by their ids in ascending order: type and value. A boolean has its value in its type."""

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 7, 8, 9, 12


def decode(data: bytes) -> Fields:
    """The struct that `data` begins with. Raises `IndexError`, `ValueError` for what is none."""
    return _fields(data, 0)[0]


def encode(fields: Fields) -> bytes:
    out = bytearray()
    _write_fields(out, fields)
    return bytes(out)


def encode_structs(structs: list[bytes]) -> bytes:
    """A list of structs that are encoded already, as the value of a field."""
    out = bytearray()
    _write_list_head(out, STRUCT, len(structs))
    return bytes(out) + b"".join(structs)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def _integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in (TRUE, FALSE):
        return None, at
    if kind == BYTE:
        return data[at], at + 1
    if kind < DOUBLE:
        return _integer(data, at)
    if kind == STRUCT:
        return _fields(data, at)
    if kind == LIST:
        return _list(data, at)
    size, at = (8, at) if kind == DOUBLE else _varint(data, at)
    if kind not in (DOUBLE, BINARY):
        raise ValueError(f"unknown Thrift type {kind}")
    return data[at : at + size], at + size


def _list(data: bytes, at: int) -> tuple[Value, int]:
    count, kind = data[at] >> 4, data[at] & 0x0F
    count, at = _varint(data, at + 1) if count == 0x0F else (count, at + 1)
    items = []
    for _ in range(count):
        item, at = (data[at], at + 1) if kind in (TRUE, FALSE) else _value(data, at, kind)
        items.append(item)
    return (kind, items), at


def _fields(data: bytes, at: int) -> tuple[Fields, int]:
    fields: Fields = {}
    last = 0
    while (head := data[at]) != 0:
        at += 1
        if head >> 4:
            last += head >> 4
        else:
            last, at = _integer(data, at)
        value, at = _value(data, at, head & 0x0F)
        fields[last] = head & 0x0F, value
    return fields, at + 1


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _write_integer(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _write(out: bytearray, kind: int, value: Value) -> None:
    if kind == BYTE:
        out.append(value)
    elif kind == STRUCT:
        _write_fields(out, value)
    elif kind == LIST:
        inner, items = value
        _write_list_head(out, inner, len(items))
        for item in items:
            _write(out, BYTE if inner in (TRUE, FALSE) else inner, item)
    elif kind in (DOUBLE, BINARY):
        if kind == BINARY:
            _write_varint(out, len(value))
        out += value
    elif kind not in (TRUE, FALSE):
        _write_integer(out, value)


def _write_list_head(out: bytearray, kind: int, count: int) -> None:
    out.append(min(count, 0x0F) << 4 | kind)
    if count >= 0x0F:
        _write_varint(out, count)


def _write_fields(out: bytearray, fields: Fields) -> None:
    last = 0
    for name, (kind, value) in fields.items():
        if 0 < name - last < 0x10:
            out.append(name - last << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, name)
        last = name
        _write(out, kind, value)
    out.append(0)
