"""Sheets read in this process, without the child around them."""

from __future__ import annotations

import io
from tempfile import TemporaryFile

import polars as pl

from backend.schemas.kinds import Kind
from backend.sheets.child import Reading
from backend.sheets.protocol import Chosen, End, Job, Message, Part, Problem, column_letters

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
