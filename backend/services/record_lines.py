"""Records as lines of JSON (NDJSON), read from a file a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from backend.errors import BadRequest, InvalidRecord, LimitExceeded
from backend.readers.base import ReadLimits
from backend.readers.json_names import repeated
from backend.schemas.batches import Item
from backend.schemas.problems import ErrorItem
from backend.services.record_values import MOST_ERRORS, refuse_lengths

_PIECE = 1 << 20


class Faults:
    """What is wrong with records: the first places, and how many there are."""

    def __init__(self) -> None:
        self.items: list[ErrorItem] = []
        self.total = 0

    def add(self, items: Sequence[ErrorItem]) -> None:
        self.total += len(items)
        self.items += items[: MOST_ERRORS - len(self.items)]

    def check(self) -> None:
        """Raises InvalidRecord if there is anything, LimitExceeded where all is about lengths."""
        refuse_lengths(self.items)
        if self.total:
            text = f"{self.total} item(s) or value(s) do not fit the dataset's columns; nothing was stored."
            raise InvalidRecord(text, errors=self.items)


def why_no_json(reason: Exception | str) -> str:
    """What msgspec says of broken JSON, put right where it is misleading."""
    if str(reason) == "Input data was truncated":
        return r"it ends too early, or a text in it holds half a surrogate pair (such as \ud800)"
    return str(reason)


def item_of(line: bytes, at: int, number: int) -> Item | ErrorItem:
    """The record at index `at`, in line `number` of the body."""
    try:
        item = msgspec.json.decode(line, type=dict[str, Raw])
        return twice(line, at, number) or item
    except (msgspec.MsgspecError, RecursionError) as error:
        return ErrorItem(f"Line {number}: {why_no_json(error)}", f"/{at}", row=number, code="INVALID_RECORD")


def twice(line: bytes, at: int, number: int) -> ErrorItem | None:
    """What is wrong where an object in the record has a name twice."""
    found = repeated(line, f"/{at}")
    return found and replace(found, message=f"Line {number}: {found.message}", row=number)


class Piece(NamedTuple):
    """Some lines of a body without their ends, and the number of the first."""

    number: int
    text: bytes
    lines: list[bytes]


def pieces(file: BinaryIO, most: int) -> Iterator[Piece]:
    """The lines of a file, about a megabyte at a time.

    A carriage return, which JSON takes for white space and COPY for the end of a line, becomes a space. Raises
    LimitExceeded for a line of more than `most` bytes, BadRequest for one that is not UTF-8.
    """
    file.seek(0)
    number, rest = 1, bytearray()
    while block := file.read(_PIECE):
        whole, end, after = block.rpartition(b"\n")
        rest += whole if end else block
        if end:
            piece = _piece(number, bytes(rest), most)
            yield piece
            number, rest = number + len(piece.lines), bytearray(after)
        elif len(rest) > most:
            raise _too_long(number, most)
    if rest:
        yield _piece(number, bytes(rest), most)


def _piece(number: int, text: bytes, most: int) -> Piece:
    text = text.replace(b"\r", b" ")
    lines = text.split(b"\n")
    if len(text) > most:
        for at, line in enumerate(lines, number):
            if len(line) > most:
                raise _too_long(at, most)
    try:
        text.decode()
    except UnicodeDecodeError:
        _check_text(lines, number)
    return Piece(number, text, lines)


def _check_text(lines: Sequence[bytes], number: int) -> None:
    for at, line in enumerate(lines, number):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise BadRequest(f"Line {at} is not UTF-8: {error.reason} at its byte {error.start}.") from error


def _too_long(number: int, most: int) -> LimitExceeded:
    return LimitExceeded(f"Line {number} is longer than SHEAF_MAX_LINE, {most:,} bytes.")


def items(file: BinaryIO, limits: ReadLimits, most: int) -> list[Item] | None:
    """The records of a file, None where there are more than `most`. Blocking. Raises as `pieces`, and InvalidRecord."""
    found: list[Item] = []
    faults = Faults()
    for piece in pieces(file, limits.max_line):
        for number, line in enumerate(piece.lines, piece.number):
            if not line.strip():
                continue
            at = len(found) + faults.total
            if at == most:
                return None
            item = item_of(line, at, number)
            if isinstance(item, ErrorItem):
                faults.add([item])
            else:
                found.append(item)
    faults.check()
    return found
