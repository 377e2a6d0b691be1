"""JSON and NDJSON as a source of batches: exact numbers, nested values, memory that does not grow with the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from msgspec import Raw

from backend.errors import LimitExceeded, UnreadableFile
from backend.inference.batch import Batch
from backend.readers.base import ReadLimits
from backend.readers.encoding import Encoding, Utf8Stream, detect_encoding
from backend.readers.json_columns import Columns
from backend.readers.json_layout import JsonLayout, find_json_layout
from backend.readers.json_pieces import Piece, array_pieces, object_pieces
from backend.schemas.imports import ImportOptions, SheetInfo, Warnings


class JsonSource:
    """The records of one file; `backend.readers.base.Source` says what its parts mean.

    A row is the line of the file where the record begins, in an array the record's number.
    """

    def __init__(
        self, file: BinaryIO, layout: JsonLayout, encoding: Encoding, *, limits: ReadLimits, warnings: Warnings
    ) -> None:
        self.format = layout.format
        self.encoding: str | None = encoding.name
        self.delimiter: str | None = None
        self.quote: str | None = None
        self.sheet: str | None = None
        self.header_row: int | None = None
        self.warnings = warnings
        self.sheets: tuple[SheetInfo, ...] = ()
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._encoding = encoding
        self._layout = layout
        self._limits = limits
        what = "record" if layout.form == "array" else "line"
        self._columns = Columns(limits, warnings, what=what)
        self.names = self._columns.names
        self._nameless = 0

    @property
    def share(self) -> float:
        return self._file.tell() / max(1, self._size)

    def batches(self) -> Iterator[Batch]:
        """Batches from the first record on; see `Source.batches`."""
        count = 0
        for piece in self._pieces():
            count += len(piece.records)
            if count > self._limits.max_rows:
                raise LimitExceeded(f"The file has more rows than SHEAF_MAX_ROWS, {self._limits.max_rows:,}.")
            for batch in self._columns.batches(piece):
                if batch.frame.width:
                    yield batch
                else:
                    self._leave_out(batch)

    def close(self) -> None:
        """Nothing is held open."""

    def _pieces(self) -> Iterator[Piece]:
        stream = Utf8Stream(self._file, self._encoding)
        stream.skip(self._layout.start)
        line, limit = self._layout.line, self._limits.max_line
        if self._layout.form == "array":
            return array_pieces(stream, line=line, limit=limit, rest=self._finish)
        return object_pieces(stream, lines=self._layout.form == "lines", line=line, limit=limit)

    def _finish(self, rest: bytes, line: int) -> None:
        """Look at what follows the array. Raises UnreadableFile for what should not be there."""
        rest = rest.strip(b" \t\r\n")
        if self._layout.key is None:
            if rest:
                raise UnreadableFile(f"After the array, in line {line}, something else follows: one array is expected.")
            return
        try:
            others = msgspec.json.decode(b"{" + rest.removeprefix(b","), type=dict[str, Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            message = f"Behind the array {self._layout.key!r}, from line {line} on, the file is no valid JSON."
            raise UnreadableFile(message) from error
        tables = [key for key, value in others.items() if _is_table(bytes(value))]
        if tables:
            names = ", ".join(map(repr, [self._layout.key, *tables]))
            raise UnreadableFile(f"The file is one object with several arrays of records: {names}. Send one of them.")

    def _leave_out(self, batch: Batch) -> None:
        """Records without any member, before the first that has one, are in no column."""
        last = int(batch.rows[-1])
        if last > self._nameless:
            self.warnings.add(f"{len(batch.rows)} records without any member were left out", row=int(batch.rows[0]))
            self._nameless = last


def _is_table(value: bytes) -> bool:
    return value.startswith(b"[") and value[1:].lstrip(b" \t\r\n").startswith(b"{")


def open_json(
    file: BinaryIO, *, options: ImportOptions, limits: ReadLimits, charset: str | None = None, lines: bool = False
) -> JsonSource:
    """Find the records of a JSON file; `lines`: it is said to be NDJSON, `charset` is that of its media type.

    Raises UnreadableFile for what is no text, LimitExceeded past a limit; what is no JSON shows while batches are read.
    """
    warnings = Warnings()
    encoding = detect_encoding(file, options.encoding, warnings, charset=charset)
    layout = find_json_layout(file, encoding, limits.max_line, warnings, lines=lines)
    return JsonSource(file, layout, encoding, limits=limits, warnings=warnings)
