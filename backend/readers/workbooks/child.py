"""The child process: reads one sheet of one workbook and spools it, within its limits."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl

from backend.errors import AppError, Invalid, UnreadableFile
from backend.readers.workbooks import grid, protocol
from backend.readers.workbooks.protocol import Chosen, End, Job, Message, Part, Refused, SheetInfo
from backend.readers.workbooks.raw import Area
from backend.readers.workbooks.values import Values
from backend.readers.workbooks.xlsx import Xlsx


class Book(Protocol):
    """A workbook of any format."""

    format: str
    sheets: list[SheetInfo]

    def values(self) -> Values: ...
    def cells(self, index: int) -> Iterator[pl.DataFrame]: ...
    def merged(self, index: int) -> list[Area]: ...


def open_book(job: Job, file: BinaryIO) -> Book:
    """The workbook in `file`. Raises UnreadableFile."""
    if job.format == "xls":
        return import_module("backend.readers.workbooks.xls").Xls(file)
    if job.format == "ods":
        return import_module("backend.readers.workbooks.ods").Ods(file, job.memory)
    return Xlsx(file, job.memory)


class Reading:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._messages = os.fdopen(job.messages, "wb", buffering=0)
        self._spool = os.fdopen(job.spool, "wb", closefd=False)
        self._last_row = 0

    def send(self, message: Message) -> None:
        self._messages.write(protocol.encode(message) + b"\n")

    def run(self) -> None:
        """Read the sheet that was asked for, or the first visible one that holds anything."""
        with os.fdopen(self._job.file, "rb", closefd=False) as file:
            file.seek(0)
            book = open_book(self._job, file)
            wanted = _wanted(book.sheets, self._job.sheet)
            for index in wanted:
                self._last_row = 0
                parts = self._parts(book, index)
                first = next(parts, None)
                if first is None and index != wanted[-1]:
                    continue
                others = tuple(sheet for place, sheet in enumerate(book.sheets) if place != index)
                self.send(Chosen(book.format, book.sheets[index].name, others, ()))
                while first is not None:
                    self.send(first)
                    first = next(parts, None)
                self.send(End(self._last_row))
                return
        raise UnreadableFile("The workbook has no sheet that can hold a table.")

    def _parts(self, book: Book, index: int) -> Iterator[Part]:
        values = book.values()
        for cells in book.cells(index):
            if cells.is_empty():
                continue
            self._last_row = max(self._last_row, int(cells["row"].max()) + 1)  # type: ignore[arg-type]
            resolved = values.resolve(cells)
            problems, total = values.take_problems()
            for columns, frame in grid.frames(resolved):
                offset = self._spool.tell()
                frame.write_ipc_stream(self._spool, compat_level=pl.CompatLevel.oldest())
                self._spool.flush()
                yield Part(offset, self._spool.tell() - offset, columns, problems, total)
                problems, total = (), 0


def _wanted(sheets: list[SheetInfo], sheet: str | int | None) -> list[int]:
    """Indices of the sheets to try in turn. Raises Invalid for one that is not there."""
    if sheet is None:
        visible = [index for index, info in enumerate(sheets) if not info.hidden]
        return visible or list(range(len(sheets)))
    names = [info.name for info in sheets]
    if sheet in names:
        return [names.index(str(sheet))]
    if str(sheet).isdecimal() and 1 <= int(sheet) <= len(sheets):
        return [int(sheet) - 1]
    raise Invalid(
        f"The workbook has no sheet {sheet!r}; it has "
        + ", ".join(f"{number} {name!r}" for number, name in enumerate(names, 1))
        + "."
    )


def _limit(job: Job) -> None:
    """Bound memory on top of what the program itself takes, processor time, and the spool."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        own = next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmData")), 0)
    resource.setrlimit(resource.RLIMIT_DATA, (own + job.memory, own + job.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (job.seconds, job.seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * job.memory, 4 * job.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with_parent() -> None:
    """Standard input is a pipe from the parent: when it closes, the kernel ends this process."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([0], [], [], 0)[0]:
        sys.exit(1)


def main() -> None:
    """Do the job in the first argument."""
    job = protocol.decode_job(sys.argv[1])
    _die_with_parent()
    _limit(job)
    reading = Reading(job)
    try:
        reading.run()
    except AppError as error:
        reading.send(Refused(type(error).__name__, str(error)))  # type: ignore[arg-type]
    except MemoryError:
        reading.send(Refused("TooLarge", "memory"))


if __name__ == "__main__":
    main()
