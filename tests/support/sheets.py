"""Sheets read in this process, without the child around them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import BinaryIO

import polars as pl
import pytest

from backend.errors import AppError
from backend.readers import workbook
from backend.readers.base import ReadLimits
from backend.schemas.kinds import Kind
from backend.sheets.child import Reading
from backend.sheets.protocol import Chosen, End, Job, Message, Part, Problem, column_letters, decode_message, encode

Cells = dict[str, tuple[str, str | None]]


class Read:
    """What came of a job: `cells` by address, each its kind's name and text; the messages themselves."""

    def __init__(self, messages: list[Message], spool: bytes) -> None:
        self.messages = messages
        self.parts = [message for message in messages if isinstance(message, Part)]
        self.cells: Cells = {}
        for part in self.parts:
            self._take(part, pl.read_ipc_stream(spool[part.offset : part.offset + part.size]))

    @property
    def chosen(self) -> Chosen:
        assert isinstance(self.messages[0], Chosen)
        return self.messages[0]

    @property
    def end(self) -> End:
        assert isinstance(self.messages[-1], End)
        return self.messages[-1]

    @property
    def problems(self) -> list[Problem]:
        return [problem for message in (*self.parts, self.end) for problem in message.problems]

    @property
    def texts(self) -> dict[str, str | None]:
        return {address: text for address, (_, text) in self.cells.items()}

    def _take(self, part: Part, frame: pl.DataFrame) -> None:
        for row in frame.iter_rows():
            for place, column in enumerate(part.columns):
                if row[2 + 2 * place]:
                    kind = Kind(row[2 + 2 * place]).name.lower()
                    self.cells[f"{column_letters(column)}{row[0]}"] = kind, row[1 + 2 * place]


class Within:
    """What `Child` is to a source, done in this process: the same messages and spool, none of the limits."""

    def __init__(self, job: Job, file: BinaryIO, _: ReadLimits) -> None:
        self.spool = TemporaryFile()  # noqa: SIM115, closed by the source
        self._said: list[Message] = []
        self._refusal: AppError | None = None
        file.seek(0)
        try:
            Reading(job, file, self.spool, self._said.append).run()
        except AppError as refusal:
            self._refusal = refusal
        self.spool.flush()

    def messages(self) -> Iterator[Message]:
        for message in self._said:
            yield decode_message(encode(message))
        if self._refusal:
            raise self._refusal

    def read(self, part: Part) -> bytes:
        return os.pread(self.spool.fileno(), part.size, part.offset)

    def close(self) -> None:
        """There is no process that could be left."""


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workbooks are read in this process; that another one does it as well, tests of `Child` show."""
    monkeypatch.setattr(workbook, "Child", Within)


def read(
    content: bytes,
    *,
    format: str = "xlsx",  # noqa: A002
    sheet: str | int | None = None,
    fill_merged: bool = False,
    memory: int = 2**30,
    xlsx_named: bool = False,
) -> Read:
    """Read a sheet as the child would. Raises what it would refuse."""
    job = Job(format=format, sheet=sheet, fill_merged=fill_merged, memory=memory, seconds=60, xlsx_named=xlsx_named)
    messages: list[Message] = []
    with TemporaryFile() as spool:
        Reading(job, io.BytesIO(content), spool, messages.append).run()
        spool.seek(0)
        return Read(messages, spool.read())
