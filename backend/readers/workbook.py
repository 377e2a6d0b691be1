"""Workbooks: one sheet as a table, read by a child process that cannot take the server down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import polars as pl
from msgspec import structs

from backend.errors import Invalid, LimitExceeded, UnreadableFile, Unwelcome
from backend.inference.batch import Batch
from backend.readers.base import ReadLimits
from backend.readers.headers import extra_names
from backend.readers.tail import drop_last
from backend.readers.workbook_child import Child
from backend.readers.workbook_layout import LOOK, SheetLayout, find_sheet_layout, holding
from backend.readers.workbook_report import SheetReport
from backend.schemas.imports import ImportOptions, SheetInfo, Warnings
from backend.schemas.problems import ErrorItem
from backend.sheets.protocol import Chosen, End, Job, Part, column_letters
from backend.sheets.raw import Area


class WorkbookSource:
    """One sheet of a workbook; `backend.readers.base.Source` says what its parts mean."""

    def __init__(self, child: Child, options: ImportOptions, limits: ReadLimits, *, alone: bool = True) -> None:
        self.encoding: str | None = None
        self.delimiter: str | None = None
        self.quote: str | None = None
        self.warnings = Warnings()
        self._child = child
        self._limits = limits
        self._skip_footer = options.skip_footer
        self._messages = child.messages()
        self._parts: list[Part] = []
        self._share = 0.0
        self._end: End | None = None
        chosen = next(self._messages)
        if not isinstance(chosen, Chosen):
            raise TypeError(f"the child began with {chosen!r}")
        self.format = chosen.format
        self.sheet: str | None = chosen.sheet
        self.place = chosen.index
        self.listed = chosen.sheets
        self.sheets = _listed(chosen)
        self._layout = self._find_layout(options, chosen.filled)
        self.header_row = self._layout.header_row
        self._columns = list(self._layout.columns)
        self.names = list(self._layout.names)
        self._report = SheetReport(chosen, self._layout, self.warnings, alone=alone)

    @property
    def share(self) -> float:
        return self._share

    def batches(self) -> Iterator[Batch]:
        """Batches from the top of the table; see `Source.batches`."""
        batches = self._batches()
        yield from drop_last(batches, self._skip_footer) if self._skip_footer else batches

    def close(self) -> None:
        """End the child and let go of what it has read."""
        self._child.close()
        self._child.spool.close()

    def _find_layout(self, options: ImportOptions, filled: Sequence[Area]) -> SheetLayout:
        lead: list[tuple[tuple[int, ...], pl.DataFrame]] = []
        wanted = max(LOOK, options.header if type(options.header) is int else 0)
        for part, frame in self._frames():
            lead.append((part.columns, frame.filter(pl.col("row") > options.skip_rows)))
            if frame["row"][-1] > options.skip_rows + wanted:
                break
        return find_sheet_layout(lead, options.header, filled, self.warnings)

    def _frames(self) -> Iterator[tuple[Part, pl.DataFrame]]:
        """All parts from the first one, those that were received before and then new ones."""
        index = 0
        while True:
            while index == len(self._parts) and self._end is None:
                message = next(self._messages)
                if isinstance(message, Part):
                    self._parts.append(message)
                elif isinstance(message, End):
                    self._end = message
            if index == len(self._parts):
                return
            part = self._parts[index]
            yield part, pl.read_ipc_stream(self._child.read(part))
            index += 1

    def _batches(self) -> Iterator[Batch]:
        count = 0
        self._share = 0.0
        for index, (part, frame) in enumerate(self._frames()):
            self._share = part.share
            records = frame.filter(pl.col("row") >= self._layout.first_row)
            self._grow(part, records)
            self._report.part(index, part, records["row"], self._columns, self.names)
            count += records.height
            if count > self._limits.max_rows:
                raise LimitExceeded(f"The sheet has more rows than SHEAF_MAX_ROWS, {self._limits.max_rows:,}.")
            if records.height:
                batch = self._batch(part, records)
                self._refuse_long_cell(batch)
                yield batch
        if self._end is not None:
            self._report.end(self._end)
        self._share = 1.0

    def _refuse_long_cell(self, batch: Batch) -> None:
        limit = self._limits.max_cell
        for name, cells in zip(self.names, batch.frame.iter_columns(), strict=False):
            lengths = cells.str.len_bytes()
            if (lengths.max() or 0) > limit:  # type: ignore[operator]
                row = int(batch.rows[lengths.arg_max()])  # type: ignore[index]
                message = f"The cell in row {row}, column {name} is longer than SHEAF_MAX_CELL, {limit:,} bytes."
                raise LimitExceeded(message, errors=[ErrorItem(message, row=row, column=name, code="MAX_CELL")])

    def _grow(self, part: Part, records: pl.DataFrame) -> None:
        """Add a column for each cell outside those known."""
        known = set(self._columns)
        for place, column in holding(part.columns, records).items():
            if column not in known:
                self._columns.append(column)
                self.names += extra_names(self.names, len(self.names) + 1)
                self._report.grown(part, place, records, self.names[-1])
        if len(self.names) > self._limits.max_columns:
            limit = self._limits.max_columns
            raise LimitExceeded(f"The sheet has {len(self.names):,} columns, more than SHEAF_MAX_COLUMNS, {limit:,}.")

    def _batch(self, part: Part, records: pl.DataFrame) -> Batch:
        places = {column: place for place, column in enumerate(part.columns)}
        text, kinds = [], []
        for position, column in enumerate(self._columns):
            place = places.get(column)
            if place is None:
                text.append(pl.lit(None, pl.String).alias(str(position)))
                kinds.append(pl.lit(0, pl.UInt8).alias(str(position)))
            else:
                text.append(pl.col(f"t{place}").alias(str(position)))
                kinds.append(pl.col(f"k{place}").alias(str(position)))
        rows = pl.col("row")
        return Batch(
            records.select(rows, *text).drop("row"),
            records["row"],
            records.select(rows, *kinds).drop("row"),
            sheet=self.sheet,
            letters=tuple(map(column_letters, self._columns)),
        )


def _listed(chosen: Chosen) -> tuple[SheetInfo, ...]:
    """The sheets that hold cells, each with its number among all tabs."""
    return tuple(
        SheetInfo(sheet.name, index, not sheet.hidden, sheet.rows)
        for index, sheet in enumerate(chosen.sheets, 1)
        if sheet.cells
    )


def open_workbook(
    file: BinaryIO,
    *,
    format: str,  # noqa: A002
    filename: str | None,
    options: ImportOptions,
    limits: ReadLimits,
    alone: bool = True,
) -> WorkbookSource:
    """The chosen sheet of a workbook as a table; `alone` when its other sheets are not imported with it.

    A workbook that the usual reader refuses as damaged, or fails at, is given to a second one. Raises UnreadableFile
    for one that neither reads or that is encrypted, TooLarge past the limits on memory and time, Invalid for a sheet
    or header row that is not there.
    """
    if options.sheet == "*":
        raise Invalid('sheet "*" makes a dataset of each sheet: one dataset takes one sheet, by its name or number.')
    job = Job(
        format=format,
        sheet=options.sheet,
        fill_merged=options.fill_merged,
        memory=limits.workbook_memory,
        seconds=limits.workbook_seconds,
        xlsx_named=(filename or "").lower().endswith(".xlsx"),
    )
    try:
        return _open(job, file, options, limits, alone=alone)
    except Unwelcome:
        raise
    except UnreadableFile as refusal:
        try:
            return _open(structs.replace(job, second=True, refusal=str(refusal)), file, options, limits, alone=alone)
        except Unwelcome:
            raise
        except UnreadableFile:
            raise refusal from None


def _open(job: Job, file: BinaryIO, options: ImportOptions, limits: ReadLimits, *, alone: bool) -> WorkbookSource:
    child = Child(job, file, limits)
    try:
        return WorkbookSource(child, options, limits, alone=alone)
    except BaseException:
        child.close()
        child.spool.close()
        raise
