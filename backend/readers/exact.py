"""CSV and TSV as our own exports write them, under a schema that is known: read to the letter, nothing made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import IO

import numpy as np
import polars as pl

from backend.errors import LimitExceeded, UnreadableFile
from backend.inference.batch import Batch
from backend.inference.clean import GUARDED
from backend.query.text import shown
from backend.readers.base import ReadLimits
from backend.schemas.columns import LAST_ID, RECORD_ID
from backend.schemas.imports import SheetInfo, Warnings

_MARK = b"\xef\xbb\xbf"
_PIECE = 2**20
_LF, _QUOTE = 10, 34
NOTHING = ("-",)
"""Stands in for the columns of a table that has none: its records are as many nulls."""


class ExactSource:
    """A file of these columns; see `Source`. `open_file` begins it anew, for each pass.

    `mark`: it begins with a byte order mark. `ids`: each record's id stands first, and takes the place of the row's
    number; `last_id` is the last one read.
    `guarded`: the columns, by position, in which `escape_formulas` put apostrophes before what looks like a formula;
    None: that option was not used. `piece`: bytes taken at a time, which changes nothing that comes out.
    """

    def __init__(
        self,
        open_file: Callable[[], IO[bytes]],
        names: Sequence[str],
        *,
        told_format: str,
        delimiter: str,
        size: int,
        limits: ReadLimits,
        mark: bool = False,
        ids: bool = False,
        guarded: Collection[int] | None = None,
        piece: int = _PIECE,
    ) -> None:
        self.format = told_format
        self.encoding: str | None = "utf-8"
        self.delimiter: str | None = delimiter
        self.quote: str | None = '"'
        self.sheet: str | None = None
        self.header_row: int | None = 1
        self.names = list(names) or list(NOTHING)
        self.warnings = Warnings()
        self.sheets: tuple[SheetInfo, ...] = ()
        self._open = open_file
        self.last_id = 0
        self._mark = mark
        self._ids = ids
        self._header = [RECORD_ID, *names] if ids else list(names)
        self._width = max(1, len(self._header))
        self._separator = delimiter
        self._size = max(1, size)
        self._read = 0
        self._limits = limits
        self._guarded = guarded
        self._piece = piece

    @property
    def share(self) -> float:
        return min(1.0, self._read / self._size)

    def batches(self) -> Iterator[Batch]:
        """See `Source`. Raises UnreadableFile for whatever an export does not write."""
        row, self.last_id = 1, 0
        for piece, records in self._pieces():
            frame = self._parsed(piece, records)
            if row == 1:
                self._check_header(frame.row(0))
                frame, row = frame.slice(1), 2
            if frame.height:
                yield self._batch(frame, row)
            row += frame.height
        if row == 1:
            raise UnreadableFile("it has no header")

    def close(self) -> None:
        """Nothing is held open."""

    def _batch(self, frame: pl.DataFrame, row: int) -> Batch:
        numbers = pl.int_range(row, row + frame.height, dtype=pl.UInt32, eager=True)
        if self._ids:
            numbers = self._checked(frame.to_series(0), row)
            frame = frame.drop("0").rename(lambda name: str(int(name) - 1))
            if not frame.width:
                frame = pl.DataFrame({"0": pl.Series([None] * len(numbers), dtype=pl.String)})
        return Batch(self._unguarded(frame), numbers)

    def _checked(self, told: pl.Series, row: int) -> pl.Series:
        ids = told.cast(pl.Int64, strict=False)
        fit = ((ids > ids.shift(1, fill_value=self.last_id)) & (ids <= LAST_ID)).fill_null(value=False)
        if (place := fit.not_().arg_true()).len():
            reason = f"those in {RECORD_ID} are whole numbers that go up, to {LAST_ID}"
            raise UnreadableFile(f"row {row + place[0]}: {shown(told[place[0]] or '')} is no id: {reason}")
        self.last_id = int(ids[-1])
        return ids

    def _pieces(self) -> Iterator[tuple[bytes, int]]:
        """Whole records, and how many these are."""
        want = self._piece
        with self._open() as file:
            held, self._read = b"", 0
            if self._mark and file.read(len(_MARK)) != _MARK:
                raise UnreadableFile("it has no byte order mark")
            while True:
                block = file.read(max(want - len(held), 1))
                ended, held = not block, held + block
                self._read += len(block)
                used, records = self._whole(held)
                if used:
                    yield held[:used], records
                    held, want = held[used:], self._piece
                elif ended:
                    break
                elif len(held) > self._limits.max_line:
                    raise LimitExceeded(f"a record is longer than SHEAF_MAX_LINE, {self._limits.max_line:,} bytes")
                else:
                    want = 2 * max(want, len(held))
        if held:
            raise UnreadableFile("it ends within a record")

    def _whole(self, data: bytes) -> tuple[int, int]:
        """How many bytes are whole records, and of how many. Raises UnreadableFile for one of another width."""
        text = np.frombuffer(data, np.uint8)
        outside = ~np.logical_xor.accumulate(text == _QUOTE)
        ends = np.flatnonzero((text == _LF) & outside)
        if not len(ends):
            return 0, 0
        used = int(ends[-1]) + 1
        cells = int(np.count_nonzero((text[:used] == ord(self._separator)) & outside[:used]))
        if cells != len(ends) * (self._width - 1):
            raise UnreadableFile(f"it has records of more or fewer cells than the {len(self._header):,} of its header")
        return used, len(ends)

    def _parsed(self, data: bytes, records: int) -> pl.DataFrame:
        """A line of our own goes ahead, since polars looks for signatures and widths in the first."""
        if b"\0" in data:
            raise UnreadableFile("it holds the NUL character")
        width = self._width
        ahead = b"0" + self._separator.encode() * (width - 1) + b"\n"
        schema = {str(at): pl.String for at in range(width)}
        try:
            frame = pl.read_csv(ahead + data, has_header=False, schema=schema, separator=self._separator)
        except pl.exceptions.PolarsError as error:
            raise UnreadableFile("it is not written as an export writes it") from error
        frame = frame.slice(1)
        if frame.height != records or (not self._header and frame["0"].null_count() < records):
            raise UnreadableFile("it is not written as an export writes it")
        return frame

    def _check_header(self, cells: Sequence[str | None]) -> None:
        told = [cell or "" for cell in cells] if self._header else []
        if self._guarded is not None:
            told = [re.sub(GUARDED, r"\1", name) for name in told]
        if told != self._header:
            raise UnreadableFile("its header names other columns than its schema")

    def _unguarded(self, frame: pl.DataFrame) -> pl.DataFrame:
        if not self._guarded:
            return frame
        return frame.with_columns(pl.col([str(at) for at in self._guarded]).str.replace(GUARDED, "$1"))
