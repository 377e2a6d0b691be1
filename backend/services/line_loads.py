"""Lines of JSON on their way into a dataset: what COPY takes, and what a schema needs to take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import BinaryIO

import msgspec
from msgspec import Raw

from backend.errors import LimitExceeded
from backend.readers.base import ReadLimits
from backend.readers.json_scan import most_members
from backend.schemas.batches import Item
from backend.schemas.columns import Column, ColumnType
from backend.schemas.problems import ErrorItem
from backend.services import record_values
from backend.services.quotas import Room
from backend.services.record_codec import RecordCodec
from backend.services.record_lines import Faults, Piece, item_of, pieces, twice
from backend.services.schema_growth import kind_of, unnameable, widened

_EXAMPLES: dict[ColumnType | None, Raw] = {
    None: Raw(b"null"),
    "text": Raw(b'""'),
    "integer": Raw(b"0"),
    "number": Raw(b"0.0"),
    "boolean": Raw(b"true"),
    "json": Raw(b"{}"),
}


class LineLoad:
    """Lines on their way into a record table. `count`: the records so far, whose ids begin with `first_id`."""

    def __init__(
        self,
        file: BinaryIO,
        limits: ReadLimits,
        columns: Sequence[Column],
        *,
        first_id: int,
        version: int,
        rows: int,
        room: Room,
    ) -> None:
        """`rows`: the records that the dataset has already; `room`: what its workspace has for more."""
        self._place = room
        self.count = 0
        self._file = file
        self._limits = limits
        self._columns = columns
        self._by_name = {column.name: column for column in columns}
        self._codec = RecordCodec(columns)
        self._first_id, self._version = first_id, version
        self._room = limits.max_rows - rows
        self._faults = Faults()

    def lines(self) -> Iterator[bytes]:
        r"""`id \x02 version \x02 {json}` a record; nothing more once one was wrong. Blocking, for a worker thread.

        Raises BadRequest, LimitExceeded, QuotaExceeded, and at the end InvalidRecord.
        """
        for piece in pieces(self._file, self._limits.max_line):
            copied = self._copied(piece)
            if self.count > self._room:
                text = f"The dataset would have more records than SHEAF_MAX_ROWS, {self._limits.max_rows:,}, allows."
                raise LimitExceeded(text)
            self._place.check(rows=self.count)
            yield b"" if self._faults.total else copied
        self._faults.check()

    def _copied(self, piece: Piece) -> bytes:
        codec, version, shift, at = self._codec, self._version, self._first_id, self.count
        longest = max(map(len, piece.lines))
        wary = longest > self._limits.max_cell or codec.hides(piece.text, longest)
        copied: list[bytes] = []
        known, looked_at = codec.members, set[int]()
        for number, line in enumerate(piece.lines, piece.number):
            text = None if wary and self._is_odd(line) else codec.stored(line)
            if text is None:
                if not line.strip():
                    continue
                text = self._looked_at(line, at, number)
                looked_at.add(number)
            copied.append(b"%d\x02%d\x02%b\n" % (shift + at, version, text))
            at += 1
        others = sum(most_members(piece.lines[number - piece.number]) for number in looked_at)
        if most_members(piece.text) != codec.members - known + others:
            self._look_for_names(piece, looked_at)
        self.count = at
        return b"".join(copied)

    def _look_for_names(self, piece: Piece, looked_at: Set[int]) -> None:
        """Those that stand twice in a line; in `looked_at` somebody has looked already."""
        at = self.count
        for number, line in enumerate(piece.lines, piece.number):
            if line.strip():
                fault = None if number in looked_at else twice(line, at, number)
                self._faults.add([fault] if fault else [])
                at += 1

    def _is_odd(self, line: bytes) -> bool:
        return len(line) > self._limits.max_cell or self._codec.hides(line, len(line))

    def _looked_at(self, line: bytes, at: int, number: int) -> bytes:
        """What is stored of a record that is not plain; what is wrong with it is kept."""
        item = item_of(line, at, number)
        if isinstance(item, ErrorItem):
            self._faults.add([item])
            return b""
        longest = self._limits.max_cell
        values, errors = record_values.check(item, self._by_name, self._columns, f"/{at}", longest=longest)
        self._faults.add(errors)
        return msgspec.json.encode(values)


class Survey:
    """The names in the lines of a file, and what kind all values of a name have together."""

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self._file = file
        self._limits = limits
        self._kinds: dict[str, ColumnType | None] = {}
        self._codec = RecordCodec(())
        self._count = 0
        self._faults = Faults()

    def example(self) -> Item:
        """One record that asks of a schema what all of them ask. Blocking, for a worker thread.

        Raises BadRequest, LimitExceeded, and InvalidRecord for names that no column can have.
        """
        for piece in pieces(self._file, self._limits.max_line):
            known = dict(self._kinds)
            self._look(piece)
            if known != self._kinds:
                self._codec = RecordCodec([Column(name, name, kind) for name, kind in self._kinds.items() if kind])
        self._faults.check()
        return {name: _EXAMPLES[kind] for name, kind in self._kinds.items()}

    def _look(self, piece: Piece) -> None:
        for number, line in enumerate(piece.lines, piece.number):
            if self._codec.stored(line) is None:
                if not line.strip():
                    continue
                self._take(item_of(line, self._count, number))
            self._count += 1

    def _take(self, item: Item | ErrorItem) -> None:
        if isinstance(item, ErrorItem):
            self._faults.add([item])
            return
        kinds = self._kinds
        new = {name: raw for name, raw in item.items() if name not in kinds}
        self._faults.add(unnameable(new, f"/{self._count}"))
        for name, raw in item.items():
            kinds[name] = widened(kinds.get(name), kind_of(bytes(raw)))
        if len(kinds) > self._limits.max_columns:
            text = f"The records have more names than SHEAF_MAX_COLUMNS, {self._limits.max_columns:,}, allows."
            raise LimitExceeded(text)
