"""Where the records of a JSON file are: in an array, one behind the other, or in an array within an object."""

from __future__ import annotations

from typing import BinaryIO

import msgspec
from msgspec import Raw, Struct

from backend.errors import LimitExceeded
from backend.readers.encoding import Encoding, Utf8Stream
from backend.readers.json_errors import MALFORMED
from backend.readers.json_pieces import Form
from backend.readers.json_scan import Structure
from backend.schemas.imports import Warnings

LOOK = 2**18
"""Bytes at the start of a file by which its form is found; more where a first object is longer."""
_SPACE = b" \t\r\n"


class JsonLayout(Struct, frozen=True):
    """`start`: where the first record may begin, in bytes of UTF-8; `key`: the name of the array, when it is a member
    of an object."""

    format: str
    form: Form
    start: int = 0
    line: int = 1
    key: str | None = None


def find_json_layout(file: BinaryIO, encoding: Encoding, limit: int, warnings: Warnings, *, lines: bool) -> JsonLayout:
    """The layout by as much of the file as it takes; `lines`: the file is said to be NDJSON.

    Raises LimitExceeded when the first object is longer than `limit` bytes and no array of objects begins in it.
    """
    size = LOOK
    while True:
        stream = Utf8Stream(file, encoding)
        head = b""
        while len(head) < size and not stream.ended():
            head += stream.read(size)
        layout = _layout(head, warnings, final=stream.ended(), lines=lines)
        if layout is not None:
            return layout
        if len(head) > limit:
            raise LimitExceeded(f"Record 1 is longer than SHEAF_MAX_LINE, {limit:,} bytes.")
        size *= 8


def _layout(head: bytes, warnings: Warnings, *, final: bool, lines: bool) -> JsonLayout | None:
    start = len(head) - len(head.lstrip(_SPACE))
    line = 1 + head.count(b"\n", 0, start)
    if head[start : start + 1] == b"[":
        return JsonLayout("json", "array", start + 1, line)
    text = head[start:]
    first, found, rest = text.partition(b"\n")
    several = bool(rest.strip(_SPACE)) or not final
    if (found or final) and (lines or (several and is_object(first))):
        return JsonLayout("ndjson", "lines", start, line)
    return _of_objects(text, start, line, warnings, final=final)


def _of_objects(text: bytes, start: int, line: int, warnings: Warnings, *, final: bool) -> JsonLayout | None:
    structure = Structure.of(text)
    ends = structure.at[structure.depth == 0]
    if ends.size and text[int(ends[0]) + 1 :].strip(_SPACE):
        return JsonLayout("ndjson", "objects", start, line)
    if (inside := _inside(text, structure)) is not None:
        key, place = inside
        warnings.add(f"The file is one object: the records are those in {key!r}, all else in it was left out")
        return JsonLayout("json", "array", start + place, line + text.count(b"\n", 0, place), key)
    if not ends.size and not final:
        return None
    if ends.size:
        warnings.add("The file is one object: it was read as a single record")
    return JsonLayout("json", "objects", start, line)


def is_object(text: bytes) -> bool:
    """Whether the text, in any encoding that has ASCII in it, is a JSON object and nothing else."""
    try:
        msgspec.json.decode(text.decode("latin-1"), type=dict[str, Raw])
    except MALFORMED:
        return False
    return True


def _inside(text: bytes, structure: Structure) -> tuple[str, int] | None:
    """The first member that is an array of objects: its name, and where its first element may begin.

    None, too, where that has no name that JSON allows: then reading the file says so, and where.
    """
    for begin, colon in structure.members():
        value = text[colon + 1 : colon + 65].lstrip(_SPACE)
        if not value.startswith(b"["):
            continue
        opening = text.index(b"[", colon) + 1
        if text[opening : opening + 64].lstrip(_SPACE).startswith(b"{"):
            try:
                return str(msgspec.json.decode(text[begin:colon].strip(_SPACE), type=str)), opening
            except msgspec.DecodeError:
                return None
    return None
