"""The child process: reads one sheet of one workbook and spools it, within its limits."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, BinaryIO, Protocol, cast

import polars as pl

from backend.errors import Invalid, TooLarge, UnreadableFile, Unwelcome
from backend.sheets import grid, protocol
from backend.sheets.confine import confine, die_with_parent
from backend.sheets.fill import Fill
from backend.sheets.package import Package
from backend.sheets.protocol import (
    KEEP_MERGED,
    Chosen,
    End,
    Job,
    Message,
    Part,
    Problem,
    Refused,
    SheetInfo,
)
from backend.sheets.raw import Area
from backend.sheets.values import KEEP, Values
from backend.sheets.xlsx import Xlsx

AREA = 50_000_000
"""Cells, empty ones included, from which on a sheet must not be all but empty."""
SPARE = 2**30
"""What one more part may take on the spool, in bytes."""


class Book(Protocol):
    """A workbook of any format.

    `share` is how much of the sheet `cells` has read, from 0 to 1; `areas` are the merged areas that it met, all of
    them once it has ended.
    """

    format: str
    sheets: list[SheetInfo]
    share: float
    areas: list[Area]

    def values(self) -> Values: ...
    def cells(self, index: int) -> Iterator[pl.DataFrame]: ...
    def merged(self, index: int) -> list[Area]: ...


def open_book(job: Job, file: BinaryIO) -> Book:
    """The workbook in `file`, by what it is rather than what it is called. Raises UnreadableFile."""
    if job.second:
        return cast("Book", _module("second").Second(file, format_=job.format))
    start = file.read(8)
    file.seek(0)
    if not start.startswith(b"PK"):
        return cast("Book", _module("xls").Xls(file))
    package = Package(file, job.memory)
    if "content.xml" in package:
        return cast("Book", _module("ods").Ods(package))
    if "xl/workbook.bin" in package:
        return cast("Book", _module("xlsb").Xlsb(package))
    return Xlsx(package)


def _module(name: str) -> Any:
    """A reader that is imported only when it is needed."""
    return import_module(f"backend.sheets.{name}")


class Reading:
    """One job under way."""

    def __init__(self, job: Job, file: BinaryIO, spool: BinaryIO, send: Callable[[Message], None]) -> None:
        self._job = job
        self._file = file
        self._spool = spool
        self._send = send
        self._last_row = 0
        self._filled: list[Area] = []
        self._area = 0
        self._cells = 0
        self._problems: list[Problem] = []
        self._problems_total = 0

    def run(self) -> None:
        """Read the sheet that was asked for, or the first visible one that holds anything. Raises AppError."""
        book = open_book(self._job, self._file)
        self._read(book, self._notes(book))

    def _notes(self, book: Book) -> tuple[str, ...]:
        notes = (_second_note(self._job.refusal),) if self._job.second else ()
        if book.format != "xlsm":
            return notes
        if self._job.xlsx_named:
            raise Unwelcome("The workbook holds macros although it is named .xlsx: it is not what it claims to be.")
        return (*notes, "The macros of the workbook were left out")

    def _read(self, book: Book, notes: tuple[str, ...]) -> None:
        wanted = _wanted(book.sheets, self._job.sheet)
        for candidate in wanted:
            parts = self._parts(book, candidate)
            part = next(parts, None)
            if part is None and candidate != wanted[-1]:
                continue
            index = candidate if part is not None else wanted[0]
            self._send(Chosen(book.format, index, tuple(book.sheets), notes, tuple(self._filled[:KEEP_MERGED])))
            while part is not None:
                self._send(part)
                part = next(parts, None)
            self._send(self._end(book.areas))
            return

    def _end(self, areas: list[Area]) -> End:
        unfilled = [] if self._job.fill_merged else sorted(areas, key=lambda area: -area.bottom)
        return End(self._last_row, tuple(unfilled[:KEEP_MERGED]), len(unfilled), *self._take_problems())

    def _parts(self, book: Book, index: int) -> Iterator[Part]:
        self._last_row = 0
        self._take_problems()
        values = book.values()
        self._filled = sorted(book.merged(index)) if self._job.fill_merged else []
        fill = Fill(self._filled)
        for cells in book.cells(index):
            if cells.is_empty():
                continue
            self._last_row = max(self._last_row, int(cells["row"].max()) + 1)  # type: ignore[arg-type]
            rows, resolved = values.resolve(cells)
            self._cells += resolved.height
            problems, total = values.take_problems()
            self._problems += problems[: KEEP - len(self._problems)]
            self._problems_total += total
            for columns, frame in grid.frames(rows, fill.apply(rows, resolved)):
                offset = self._spool.tell()
                frame.write_ipc_stream(self._spool, compat_level=pl.CompatLevel.oldest())
                self._spool.flush()
                self._check_area(frame.height * len(columns))
                if self._spool.tell() > 2 * self._job.memory:
                    raise TooLarge(f"The sheet holds more text than {_allowed(self._job)} allows.")
                yield Part(offset, self._spool.tell() - offset, columns, book.share, *self._take_problems())

    def _check_area(self, area: int) -> None:
        """Raises TooLarge for a few cells spread so far that the table would be hardly anything but nulls."""
        self._area += area
        if self._area > AREA and self._cells < self._area / 1000:
            raise TooLarge(f"The sheet spreads {self._cells:,} cells over an area of more than {AREA:,}.")

    def _take_problems(self) -> tuple[tuple[Problem, ...], int]:
        taken = tuple(self._problems), self._problems_total
        self._problems, self._problems_total = [], 0
        return taken


def _wanted(sheets: list[SheetInfo], sheet: str | int | None) -> list[int]:
    """Indices of the sheets to try in turn. Raises Invalid for one that is not there."""
    able = [index for index, info in enumerate(sheets) if info.cells]
    if not able:
        raise UnreadableFile("The workbook has no sheet that can hold a table.")
    if sheet is None:
        return [index for index in able if not sheets[index].hidden] or able
    names = [info.name for info in sheets]
    index = _place(names, sheet)
    if index in able:
        return [index]
    if index is not None and sheets[index].missing:
        raise Unwelcome(f"The workbook is damaged: its sheet {names[index]!r} is missing in the file.")
    if index is not None:
        raise Invalid(f"The sheet {names[index]!r} holds no cells: it is a chart, a dialog or a macro.")
    raise Invalid(
        f"The workbook has no sheet {sheet!r}; it has "
        + ", ".join(f"{number} {name!r}" for number, name in enumerate(names, 1))
        + "."
    )


def _place(names: list[str], sheet: str | int) -> int | None:
    """The index of a sheet by its name, in any case where that is the only one, or else by its number from 1."""
    if sheet in names:
        return names.index(str(sheet))
    alike = [index for index, name in enumerate(names) if name.strip().casefold() == str(sheet).strip().casefold()]
    if isinstance(sheet, str) and len(alike) == 1:
        return alike[0]
    return int(sheet) - 1 if str(sheet).isdecimal() and 1 <= int(sheet) <= len(names) else None


def _second_note(refusal: str) -> str:
    return (
        f"The usual reader refused this workbook ({refusal.rstrip('.')}); a second one read it, to which error values "
        "are empty cells and leading zeros of number formats are unknown: check what came out"
    )


def _allowed(job: Job) -> str:
    return f"SHEAF_WORKBOOK_MEMORY ({job.memory:,} bytes)"


def _limit(job: Job) -> None:
    """Bound memory, processor time, and the spool."""
    confine(job.memory, largest_file=2 * job.memory + SPARE)
    resource.setrlimit(resource.RLIMIT_CPU, (job.seconds, job.seconds + 1))


def main() -> None:
    """Do the job in the first argument."""
    job = protocol.decode_job(sys.argv[1])
    die_with_parent()
    _limit(job)
    with (
        os.fdopen(job.messages, "wb", buffering=0) as messages,
        os.fdopen(job.file, "rb", closefd=False) as file,
        os.fdopen(job.spool, "wb", closefd=False) as spool,
    ):

        def send(message: Message) -> None:
            messages.write(protocol.encode(message) + b"\n")

        file.seek(0)
        try:
            Reading(job, file, spool, send).run()
        except (UnreadableFile, TooLarge, Invalid) as error:
            send(Refused(cast("Any", type(error).__name__), str(error)))


if __name__ == "__main__":
    main()
