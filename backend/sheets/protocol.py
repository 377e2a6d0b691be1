"""What parent and child process say to each other about one workbook."""

from typing import Literal

import msgspec
from msgspec import Struct


class Job(Struct, frozen=True):
    """What the child is asked for: `memory` in bytes, `seconds` of processor time.

    `file`, `spool` and `messages` are inherited file descriptors.
    """

    format: str
    sheet: str | int | None
    fill_merged: bool
    memory: int
    seconds: int
    xlsx_named: bool = False
    file: int = -1
    spool: int = -1
    messages: int = -1


class SheetInfo(Struct, frozen=True):
    """A sheet of the workbook that can hold cells."""

    name: str
    hidden: bool = False


class Problem(Struct, frozen=True):
    """A cell whose value could not be taken; row and column from 0."""

    row: int
    column: int
    message: str
    value: str | None = None


class Chosen(Struct, frozen=True, tag="chosen"):
    """Which sheet is read; the first message."""

    format: str
    sheet: str
    others: tuple[SheetInfo, ...]
    notes: tuple[str, ...]


class Part(Struct, frozen=True, tag="part"):
    """A slice of the sheet, written to the spool as an Arrow stream of `size` bytes at `offset`.

    The stream holds `row` (UInt32, from 1), then for each of `columns` (sheet columns from 0, ascending) its text
    `t0`, `t1`, … and kind `k0`, `k1`, ….
    """

    offset: int
    size: int
    columns: tuple[int, ...]
    problems: tuple[Problem, ...] = ()
    problems_total: int = 0


class End(Struct, frozen=True, tag="end"):
    """The sheet was read to its end; `last_row` (from 1) is the last row that the file mentions, 0 without any."""

    last_row: int
    problems: tuple[Problem, ...] = ()
    problems_total: int = 0


class Refused(Struct, frozen=True, tag="refused"):
    """The workbook cannot be read; `error` is the name of the class in `backend.errors`."""

    error: Literal["UnreadableFile", "TooLarge", "Invalid"]
    message: str


Message = Chosen | Part | End | Refused


encode = msgspec.json.Encoder().encode
decode_message = msgspec.json.Decoder(Message).decode
decode_job = msgspec.json.Decoder(Job).decode


def address(row: int, column: int) -> str:
    """`C4812` for row and column from 0."""
    return f"{column_letters(column)}{row + 1}"


def column_letters(column: int) -> str:
    """`A` for 0, `XFD` for 16383."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
