"""JSON text cut between its records into pieces of bounded size, each decoded as far as the names of its members."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Raw, Struct

from backend.errors import UnreadableFile
from backend.readers.encoding import Utf8Stream
from backend.readers.json_errors import MALFORMED, refusal, too_long
from backend.readers.json_scan import Positions, Structure

PIECE = 5 * 2**18
"""Bytes of text that are taken at once, unless one record is longer."""
Form: TypeAlias = Literal["array", "lines", "objects"]
Record: TypeAlias = dict[str, Raw]

_ARRAY = msgspec.json.Decoder(list[Record])
_OBJECTS = msgspec.json.Decoder(Record)
_RAWS = msgspec.json.Decoder(Raw)


class Piece(Struct):
    """Consecutive records: the text, the members of each as they stand in it, and its line or number from 1.

    `brackets`: whether the text is what stands in an array rather than objects by themselves.
    """

    text: bytes
    records: list[Record]
    rows: Positions
    brackets: bool

    def raws(self) -> list[Raw]:
        """Each record's own text."""
        if self.brackets:
            return msgspec.json.decode(b"[" + self.text + b"]", type=list[Raw])
        return _RAWS.decode_lines(self.text)


class _Text:
    """What was read of the stream and is not used yet, where it begins, and how much is wanted of it."""

    def __init__(self, stream: Utf8Stream, *, line: int, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._want = PIECE
        self.data = b""
        self.line = line
        self.record = 1

    @property
    def ended(self) -> bool:
        return self._stream.ended()

    def fill(self) -> bool:
        """Read as much as is wanted; whether there is anything."""
        while len(self.data) < self._want and not self._stream.ended():
            self.data += self._stream.read(max(self._want - len(self.data), 4096))
        return bool(self.data)

    def more(self) -> None:
        """What is there is no whole record: want twice as much. Raises LimitExceeded when that is too much."""
        if len(self.data) > self._limit:
            raise too_long(self.record, self._limit)
        self._want = min(2 * self._want, self._limit + 1)

    def use(self, count: int, records: int) -> None:
        self.line += self.data.count(b"\n", 0, count)
        self.record += records
        self.data = self.data[count:]
        self._want = PIECE

    def refusal(self, error: Exception, text: bytes, *, opened: bool = False) -> UnreadableFile:
        return refusal(error, text, line=self.line, record=self.record, ended=self.ended, opened=opened)


def object_pieces(stream: Utf8Stream, *, lines: bool, line: int, limit: int) -> Iterator[Piece]:
    """Objects one behind the other, in `lines` of their own or spread over several. Raises UnreadableFile."""
    text = _Text(stream, line=line, limit=limit)
    while text.fill():
        end: int | None = text.data.rfind(b"\n") if lines else Structure.of(text.data).last_end()
        if text.ended:
            end = len(text.data) - 1
        if end is None or end < 0:
            text.more()
            continue
        window = text.data[: end + 1]
        try:
            records = _OBJECTS.decode_lines(window)
        except MALFORMED as error:
            raise (_bad_line(text, window) if lines else None) or text.refusal(error, window) from error
        if records:
            yield Piece(window, records, _lines_of(window, len(records), text.line), brackets=False)
        text.use(len(window), len(records))


def _lines_of(window: bytes, count: int, line: int) -> Positions:
    """The line of each record."""
    if window.count(b"\n") + (not window.endswith(b"\n")) == count:
        return np.arange(line, line + count)
    breaks = np.flatnonzero(np.frombuffer(window, np.uint8) == 10)
    return line + np.searchsorted(breaks, Structure.of(window).objects())


def _bad_line(text: _Text, window: bytes) -> UnreadableFile | None:
    """The error for the first line that is no object."""
    for part in window.split(b"\n"):
        try:
            records = _OBJECTS.decode_lines(part)
        except MALFORMED as error:
            return text.refusal(error, part)
        text.record += len(records)
        text.line += 1
    return None


def array_pieces(stream: Utf8Stream, *, line: int, limit: int, rest: Callable[[bytes, int], None]) -> Iterator[Piece]:
    """The elements of an array from behind its opening bracket; `rest` is given what follows the closing one, and
    its line. Raises UnreadableFile, LimitExceeded for an element longer than `limit` bytes."""
    text = _Text(stream, line=line, limit=limit)
    quick = True
    between = False
    while True:
        text.fill()
        if quick and not text.ended and (piece := _quick_piece(text)):
            yield piece
            between = True
            text.use(len(piece.text) + 1, len(piece.records))
            continue
        quick = False
        structure = Structure.of(text.data)
        closed = structure.closed()
        end = structure.last_comma() if closed is None else closed
        if end is None and not text.ended:
            text.more()
            continue
        window = text.data if end is None or (closed is None and text.ended) else text.data[:end]
        piece = _piece(text, window)
        if closed is None and text.ended:
            raise text.refusal(msgspec.DecodeError(), window)
        if between and not piece.records:
            raise text.refusal(msgspec.DecodeError("JSON is malformed: trailing comma in array (byte 1)"), window)
        if piece.records:
            yield piece
        between = True
        text.use(len(window) + 1, len(piece.records))
        if closed is not None:
            rest(_remaining(text), text.line)
            return


def _quick_piece(text: _Text) -> Piece | None:
    """The elements up to the last sign that looks like a comma between two objects, if it is one."""
    end = text.data.rfind(b"},") + 1
    if not end:
        return None
    window = text.data[:end]
    try:
        records = _ARRAY.decode(b"[" + window + b"]")
    except MALFORMED:
        return None
    return Piece(window, records, np.arange(text.record, text.record + len(records)), brackets=True)


def _piece(text: _Text, window: bytes) -> Piece:
    try:
        records = _ARRAY.decode(b"[" + window + b"]")
    except MALFORMED as error:
        raise text.refusal(error, window, opened=True) from error
    return Piece(window, records, np.arange(text.record, text.record + len(records)), brackets=True)


def _remaining(text: _Text) -> bytes:
    """All that follows. Raises LimitExceeded when it is too long."""
    while not text.ended:
        text.more()
        text.fill()
    return text.data
