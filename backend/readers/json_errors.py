"""What JSON is refused for, said so that a person finds the place."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from backend.errors import LimitExceeded, UnreadableFile
from backend.readers.json_names import repeated
from backend.readers.json_scan import Structure
from backend.schemas.problems import ErrorItem

_PLACE = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_INDEX = re.compile(r"got `(\w+)`.*`\$\[(\d+)\]`")
_WORDS = {"int": "a number", "float": "a number", "str": "a text", "bool": "true or false", "array": "an array"}
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|([^\s"{}\[\]:,]+)', re.DOTALL)
_NO_NUMBER = re.compile(rb"-?(?:NaN|Infinity)")


def refusal(error: Exception, text: bytes, *, line: int, record: int, ended: bool, opened: bool) -> UnreadableFile:
    """The error for JSON text that begins in `line` with `record`, both from 1.

    `ended`: nothing comes after it; `opened`: a bracket was put before it.
    """
    if isinstance(error, RecursionError):
        return UnreadableFile(f"A record from record {record} on is nested too deep to be read.")
    if found := _INDEX.search(str(error)):
        number = record + int(found[2])
        what = _WORDS.get(found[1], found[1])
        return _at(f"Record {number} is {what}, but every record must be an object", number, "NOT_AN_OBJECT")
    found = _PLACE.match(str(error))
    if found is None:
        return _cut_off(text, line, record, ended=ended)
    place = min(int(found[2]) - opened, len(text))
    before = text[:place]
    row, column = line + before.count(b"\n"), _column(before)
    number = record + Structure.of(before).commas()
    where = f"Line {row}, character {column} (record {number})"
    return _at(f"{where}: {_reason(found[1], text, place)}", row, "INVALID_JSON")


def described(error: Exception, text: bytes) -> str:
    """What is wrong with JSON text that is one value, as the end of a sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deep to be read"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    found = _PLACE.match(str(error))
    if found is None:
        return "it is no JSON: it is cut off or a bracket is missing"
    place = min(int(found[2]), len(text))
    before = text[:place]
    row = 1 + before.count(b"\n")
    return f"line {row}, character {_column(before)}: {_reason(found[1], text, place)}"


def _column(before: bytes) -> int:
    """In its line, from 1, the character that follows."""
    return len(before[before.rfind(b"\n") + 1 :].decode(errors="ignore")) + 1


def _reason(said: str, text: bytes, place: int) -> str:
    if word := _NO_NUMBER.match(text, max(0, place - 1)) or _NO_NUMBER.match(text, place):
        return f"{word[0].decode()} is no number in JSON"
    if "utf-16" in said or said == "unexpected end of hex escape":
        return "a lone surrogate is no character"
    return said


def _cut_off(text: bytes, line: int, record: int, *, ended: bool) -> UnreadableFile:
    structure = Structure.of(text)
    balanced = not structure.depth.size or structure.depth[-1] == 0
    if balanced and (word := _unknown_word(text)) is not None:
        return _no_value(word, text, line, record)
    number = record + structure.commas()
    row = line + text.rstrip().count(b"\n")
    what = "The JSON ends" if ended else "A value ends"
    return _at(f"{what} in the middle of record {number}, line {row}: it is cut off or a bracket is missing", row)


def _unknown_word(text: bytes) -> re.Match[bytes] | None:
    """The first of those that msgspec takes for `true`, `false` or `null` by their first letter, and for cut off."""
    words = (found for found in _TOKEN.finditer(text) if found[1] is not None and found[1][:1] in b"tfn")
    return next((word for word in words if word[1] not in {b"true", b"false", b"null"}), None)


def _no_value(word: re.Match[bytes], text: bytes, line: int, record: int) -> UnreadableFile:
    before = text[: word.start()]
    row = line + before.count(b"\n")
    number = record + Structure.of(before).commas()
    said = word[1][:60].decode(errors="replace")
    return _at(f"Line {row} (record {number}): {said!r} is no value in JSON", row)


def twice(raws: Iterable[Raw], rows: Iterable[int], what: str) -> UnreadableFile:
    """The error for the first of these objects that has a name twice."""
    for row, raw in zip(rows, raws, strict=False):
        if (found := repeated(bytes(raw))) is not None:
            return _at(f"{what.capitalize()} {row}: {found.message}", row, "DUPLICATE_NAME")
    return UnreadableFile("An object has a name twice.")


def too_long(record: int, limit: int) -> LimitExceeded:
    return LimitExceeded(f"Record {record} is longer than SHEAF_MAX_LINE, {limit:,} bytes.")


def _at(message: str, row: int, code: str = "INVALID_JSON") -> UnreadableFile:
    return UnreadableFile(f"{message}.", errors=[ErrorItem(message, row=row, code=code)])


MALFORMED = (msgspec.DecodeError, RecursionError)
"""What decoding raises for JSON that is none, or not of the shape that is wanted."""
