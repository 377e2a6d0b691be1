"""Delimited text (CSV, TSV and kin) as a source of batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from backend.errors import Invalid, LimitExceeded
from backend.inference.batch import Batch
from backend.readers.base import ReadLimits
from backend.readers.columns import Columns
from backend.readers.encoding import Encoding, Utf8Stream, detect_encoding
from backend.readers.headers import extra_names
from backend.readers.layout import Layout, find_layout
from backend.readers.mend import Mender
from backend.readers.pieces import PIECE, TOLERANT, Cut, pieces
from backend.readers.scan import Piece
from backend.readers.stacked import TableEnd
from backend.readers.tail import drop_last, drop_trailing_nulls
from backend.schemas.imports import ImportOptions, SheetInfo, Warnings

SAMPLE = 256 * 1024
"""Bytes at the start of a file by which dialect and header are found."""
LARGE = 4 * 2**20
"""Bytes beyond which a few records will do."""
MOST_FOOTER = 100_000
"""Most records at the end that can be skipped, as they are held in memory."""


class DelimitedSource:
    """One recognised delimited file; `backend.readers.base.Source` says what its parts mean.

    `piece` and `tolerant` are the sizes in which text is taken; they change nothing that comes out.
    """

    def __init__(
        self,
        file: BinaryIO,
        layout: Layout,
        encoding: Encoding,
        *,
        limits: ReadLimits,
        warnings: Warnings,
        skip_footer: int = 0,
        piece: int = PIECE,
        tolerant: int = TOLERANT,
    ) -> None:
        self.format = "tsv" if layout.dialect.delimiter == "\t" else "csv"
        self.encoding: str | None = encoding.name
        self.delimiter: str | None = layout.dialect.delimiter
        self.quote: str | None = layout.dialect.quote
        self.sheet: str | None = None
        self.header_row = layout.header_row
        self.names = list(layout.names)
        self.warnings = warnings
        self.sheets: tuple[SheetInfo, ...] = ()
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._encoding = encoding
        self._layout = layout
        self._limits = limits
        self._skip_footer = skip_footer
        self._cut = Cut(layout.dialect, tuple(layout.names), limits, piece, tolerant)
        self._mender = Mender(Columns(layout.sample, len(layout.names)), layout.dialect, layout.names)
        self._remarked: set[tuple[int, str]] = set()
        self._reported = 0
        self._reported_tail = 0
        self._rows = 0

    @property
    def share(self) -> float:
        return self._file.tell() / max(1, self._size)

    def batches(self) -> Iterator[Batch]:
        """Batches from the top of the table; see `Source.batches`."""
        if not self.names:
            return
        self._rows = 0
        stream = Utf8Stream(self._file, self._encoding)
        stream.skip(self._layout.data_start)
        table = TableEnd(
            self._layout.header, self._mender, self._layout.data_line, self._remark, remarks=not self._skip_footer
        )
        found = self._mender.mended(table.until(pieces(stream, self._cut, line=self._layout.data_line)))
        batches = (self._batch(piece) for piece in found)
        kept = drop_last(batches, self._skip_footer) if self._skip_footer else batches
        yield from drop_trailing_nulls(kept, self._report_trailing)

    def close(self) -> None:
        """Nothing is held open."""

    def _batch(self, piece: Piece) -> Batch:
        self._widen(piece)
        first, last = int(piece.lines[0]), int(piece.lines[-1])
        self._rows += piece.frame.height
        if self._rows > self._limits.max_rows:
            raise LimitExceeded(f"The file has more rows than SHEAF_MAX_ROWS, {self._limits.max_rows:,}.")
        if last > self._reported:
            self._report(piece, after=self._reported if first <= self._reported else 0)
            self._reported = last
        frame = piece.frame
        if frame.width < len(self.names):
            missing = [pl.lit(None, pl.String).alias(str(index)) for index in range(frame.width, len(self.names))]
            frame = frame.with_columns(missing)
        return Batch(frame, pl.Series("row", piece.lines, pl.UInt32))

    def _widen(self, piece: Piece) -> None:
        if piece.frame.width > len(self.names):
            self.names.extend(extra_names(self.names, piece.frame.width))

    def _report(self, piece: Piece, *, after: int) -> None:
        """Warnings for damaged and ragged records behind line `after`, which were not reported before."""
        for row, message in piece.notes:
            if row > after:
                self.warnings.add(message, row=row)
        expected = len(self._layout.names)
        ragged = (piece.widths != expected) & (piece.lines > after)
        if not ragged.any():
            return
        rows, widths = piece.lines[ragged], piece.widths[ragged]
        shown = max(0, self.warnings.room)
        for row, width in zip(rows[:shown].tolist(), widths[:shown].tolist(), strict=True):
            what = "the rest is null" if width < expected else "the rest is in extra columns"
            self.warnings.add(f"The record has {width} cells instead of {expected}: {what}", row=row)
        self.warnings.total += max(0, len(rows) - shown)

    def _remark(self, row: int, message: str, value: str) -> None:
        """A warning, once for all passes."""
        if (row, message) not in self._remarked:
            self._remarked.add((row, message))
            self.warnings.add(message, row=row, value=value)

    def _report_trailing(self, rows: int, first: int) -> None:
        if first <= self._reported_tail:
            return
        self._reported_tail = first
        self.warnings.add(f"{rows} empty records at the end were left out", row=first)


def open_delimited(
    file: BinaryIO, *, options: ImportOptions, limits: ReadLimits, charset: str | None = None
) -> DelimitedSource:
    """Recognise encoding, dialect and header of delimited text; `charset` is that of its media type.

    Raises UnreadableFile for what is no text, Invalid for options that do not fit, LimitExceeded past a limit.
    """
    _check(options)
    warnings = Warnings()
    encoding = detect_encoding(file, options.encoding, warnings, charset=charset)
    layout = _layout(file, encoding, options, limits, warnings)
    if not layout.names:
        warnings.add("The file is empty")
    return DelimitedSource(file, layout, encoding, limits=limits, warnings=warnings, skip_footer=options.skip_footer)


def _check(options: ImportOptions) -> None:
    for sign in (options.delimiter, options.quote, options.escape, options.comment):
        if sign and any(letter in "\r\n\0" or "\ud800" <= letter <= "\udfff" for letter in sign):
            raise Invalid("delimiter, quote, escape and comment must be ordinary characters, no line ends.")
    if options.delimiter and options.quote and options.quote in options.delimiter:
        raise Invalid("delimiter and quote must differ.")
    if options.skip_footer > MOST_FOOTER:
        raise Invalid(f"skip_footer can be {MOST_FOOTER:,} at most.")


def _layout(
    file: BinaryIO, encoding: Encoding, options: ImportOptions, limits: ReadLimits, warnings: Warnings
) -> Layout:
    """The layout by as much of the file as it takes to find it."""
    size = min(SAMPLE, limits.max_line)
    while True:
        stream = Utf8Stream(file, encoding)
        sample = stream.read(size).decode(errors="ignore")
        text = sample if stream.ended() else sample.removesuffix("\r")
        hopeful = size < min(LARGE, limits.max_line)
        layout = find_layout(text, options, limits, warnings, final=stream.ended(), hopeful=hopeful)
        if layout is not None:
            return layout
        if size >= limits.max_line:
            raise LimitExceeded(f"Line 1 is longer than SHEAF_MAX_LINE, {limits.max_line:,} bytes.")
        size = min(8 * size, limits.max_line)
