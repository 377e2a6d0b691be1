"""Parquet files, read by a child process that cannot take the server down."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO

import msgspec
import polars as pl
import structlog

from backend.errors import AppError, LimitExceeded, TooLarge, UnreadableFile
from backend.inference.batch import Batch
from backend.readers.base import ReadLimits
from backend.readers.headers import clean_names
from backend.readers.limits import refuse_long_values, zero_value
from backend.readers.parquet_child import End, Head, Message, ParquetJob, Part, decode_message
from backend.schemas.imports import SheetInfo, Warnings

log = structlog.get_logger()

_OUT_OF_MEMORY = (b"memory allocation", b"MemoryError", b"Cannot allocate memory", b"capacity overflow", b"os error 12")


class _Child:
    """A process that reads one Parquet file from its top."""

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self._limits = limits
        self._errors: IO[bytes] = tempfile.TemporaryFile(dir=limits.folder)  # noqa: SIM115 (closed by close)
        ours, theirs = os.pipe()
        self._out = os.fdopen(ours, "rb", buffering=0)
        self._held = b""
        job = ParquetJob(limits.workbook_memory, file.fileno(), theirs)
        try:
            self._process = subprocess.Popen(  # noqa: S603 (this very program)
                [sys.executable, "-P", "-m", "backend.readers.parquet_child", msgspec.json.encode(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(job.file, job.out),
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        except BaseException:
            self._out.close()
            self._errors.close()
            raise
        finally:
            os.close(theirs)

    def message(self) -> Message:
        """What it says next. Raises UnreadableFile, TooLarge."""
        while b"\n" not in self._held:
            self._held += self._some()
        line, _, self._held = self._held.partition(b"\n")
        try:
            message: Message = decode_message(line)
        except msgspec.DecodeError as error:
            raise UnreadableFile("The Parquet file could not be read.") from error
        if isinstance(message, End) and message.refused is not None:
            raise UnreadableFile(message.refused)
        return message

    def stream(self, size: int) -> bytes:
        """The bytes that follow a `Part`."""
        parts = [self._held]
        missing = size - len(self._held)
        while missing > 0:
            parts.append(self._some(min(missing, 2**20)))
            missing -= len(parts[-1])
        data = b"".join(parts)
        self._held = data[size:]
        return data[:size]

    def _some(self, size: int = 2**16) -> bytes:
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        ready = bool(poll.poll(self._limits.workbook_seconds * 1000))
        block = self._out.read(size) if ready else b""
        if not block:
            raise self._ended(timed_out=not ready)
        return block

    def _ended(self, *, timed_out: bool) -> AppError:
        """Why it said no more."""
        limits = self._limits
        if timed_out:
            limit = f"SHEAF_WORKBOOK_SECONDS ({limits.workbook_seconds} s)"
            return TooLarge(f"Reading the Parquet file takes longer than {limit}.")
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read(2**16)
        if code in (-signal.SIGKILL, -signal.SIGABRT) or any(sign in said for sign in _OUT_OF_MEMORY):
            limit = f"SHEAF_WORKBOOK_MEMORY ({limits.workbook_memory:,} bytes)"
            return TooLarge(f"Reading the Parquet file takes more memory than {limit}.")
        log.warning("parquet reader failed", code=code)
        return UnreadableFile("The Parquet file is damaged: it could not be read.")

    def close(self) -> None:
        """End the process if it runs."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._out.close()
        self._errors.close()


class ParquetSource:
    """The one table of a Parquet file; `backend.readers.base.Source` says what its parts mean.

    A row is a record's number from 1.
    """

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self.format = "parquet"
        self.encoding: str | None = None
        self.delimiter: str | None = None
        self.quote: str | None = None
        self.sheet: str | None = None
        self.header_row: int | None = None
        self.warnings = Warnings()
        self.sheets: tuple[SheetInfo, ...] = ()
        self._file = file
        self._limits = limits
        self._read = 0
        self._child: _Child | None = None
        head = self._start()
        self._rows = head.rows
        self.names = clean_names(head.names, self.warnings, row=None)
        for note in head.notes:
            self.warnings.add(note)

    @property
    def share(self) -> float:
        return self._read / max(1, self._rows)

    def batches(self) -> Iterator[Batch]:
        """Batches from the first record on; see `Source.batches`."""
        if self._child is None or self._read:
            self._start()
        while self._child is not None and isinstance(part := self._child.message(), Part):
            frame = pl.read_ipc_stream(self._child.stream(part.size))
            if self._read + frame.height > self._rows:
                raise UnreadableFile("The Parquet file is damaged: it holds more rows than it says.")
            rows = pl.int_range(self._read + 1, self._read + frame.height + 1, dtype=pl.UInt32, eager=True)
            self._read += frame.height
            yield self._batch(frame, rows)
        self._stop()

    def close(self) -> None:
        """End the child."""
        self._stop()

    def _start(self) -> Head:
        self._stop()
        self._read = 0
        self._child = _Child(self._file, self._limits)
        try:
            head = self._child.message()
            if not isinstance(head, Head):
                raise TypeError(f"the child began with {head!r}")
            self._check(head)
        except BaseException:
            self._stop()
            raise
        return head

    def _check(self, head: Head) -> None:
        limits = self._limits
        if head.rows > limits.max_rows:
            raise LimitExceeded(f"The file has {head.rows:,} rows, more than SHEAF_MAX_ROWS, {limits.max_rows:,}.")
        if len(head.names) > limits.max_columns:
            many = f"{len(head.names):,} columns"
            raise LimitExceeded(f"The file has {many}, more than SHEAF_MAX_COLUMNS, {limits.max_columns:,}.")
        for column, name in enumerate(head.names, start=1):
            if "\0" in name:
                raise UnreadableFile(f"Column {column} has the character \\u0000 in its name, which cannot be stored.")

    def _stop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _batch(self, frame: pl.DataFrame, rows: pl.Series) -> Batch:
        places = range(len(self.names))
        texts = frame.select(pl.col(f"t{at}").alias(str(at)) for at in places)
        kinds = frame.select(pl.col(f"k{at}").alias(str(at)) for at in places)
        refuse_long_values(texts, self.names, rows, self._limits, "record")
        for column in texts.iter_columns():
            zeros = column.str.contains("\0", literal=True).fill_null(value=False)
            if zeros.any():
                raise zero_value(int(rows.filter(zeros)[0]), self.names[int(column.name)], "record")
        return Batch(texts, rows, kinds)
