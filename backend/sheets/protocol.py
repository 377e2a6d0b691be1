"""What parent and child process say to each other about one workbook."""

from typing import Literal

import msgspec
from msgspec import Struct

from backend.sheets.raw import Area

KEEP_MERGED = 1000


class Job(Struct, frozen=True):
    """What the child is asked for: `memory` in bytes, `seconds` of processor time.

    `sheet` is a name or a number from 1; `second` asks for the reader that is tried when the usual one refuses, which
    `refusal` says why. `file`, `spool` and `messages` are inherited file descriptors.
    """

    format: str
    sheet: str | int | None
    fill_merged: bool
    memory: int
    seconds: int
    second: bool = False
    refusal: str = ""
    xlsx_named: bool = False
    file: int = -1
    spool: int = -1
    messages: int = -1


class SheetInfo(Struct, frozen=True):
    """A sheet of the workbook; one without `cells` is a chart, a dialog or a macro, or `missing` in the file.

    `rows` is the last row that the file speaks of, None where it does not tell or cannot be believed.
    """

    name: str
    hidden: bool = False
    rows: int | None = None
    cells: bool = True
    missing: bool = False


class Problem(Struct, frozen=True):
    """A cell whose value could not be taken; row and column from 0."""

    row: int
    column: int
    message: str
    value: str | None = None


class Chosen(Struct, frozen=True, tag="chosen"):
    """Which of all `sheets` is read, by its `index` from 0; the first message.

    `filled` are the merged areas that are filled, the highest first and `KEEP_MERGED` at most.
    """

    format: str
    index: int
    sheets: tuple[SheetInfo, ...]
    notes: tuple[str, ...]
    filled: tuple[Area, ...] = ()

    @property
    def sheet(self) -> str:
        """The name of the sheet that is read."""
        return self.sheets[self.index].name

    @property
    def others(self) -> tuple[SheetInfo, ...]:
        """The sheets that are not read."""
        return self.sheets[: self.index] + self.sheets[self.index + 1 :]


class Part(Struct, frozen=True, tag="part"):
    """A slice of the sheet, written to the spool as an Arrow stream of `size` bytes at `offset`.

    The stream holds `row` (UInt32, from 1), then for each of `columns` (sheet columns from 0, ascending) its text
    `t0`, `t1`, … and kind `k0`, `k1`, …. `share` is how much of the sheet is read with it, from 0 to 1.
    """

    offset: int
    size: int
    columns: tuple[int, ...]
    share: float
    problems: tuple[Problem, ...] = ()
    problems_total: int = 0


class End(Struct, frozen=True, tag="end"):
    """The sheet was read to its end; `last_row` (from 1) is the last row that the file mentions, 0 without any.

    `merged` are the merged areas that were not filled, the lowest first and `KEEP_MERGED` at most; `merged_total`
    counts all of them.
    """

    last_row: int
    merged: tuple[Area, ...] = ()
    merged_total: int = 0
    problems: tuple[Problem, ...] = ()
    problems_total: int = 0


class Refused(Struct, frozen=True, tag="refused"):
    """The workbook cannot be read; `error` is the name of the class in `backend.errors`."""

    error: Literal["UnreadableFile", "TooLarge", "Invalid", "Unwelcome"]
    message: str


Message = Chosen | Part | End | Refused


encode = msgspec.json.Encoder().encode
decode_message = msgspec.json.Decoder(Message).decode
decode_job = msgspec.json.Decoder(Job).decode


def address(row: int, column: int) -> str:
    """`C4812` for row and column from 0."""
    return f"{column_letters(column)}{row + 1}"


def span(area: Area) -> str:
    """`A2:A5`."""
    return f"{address(area.top, area.left)}:{address(area.bottom, area.right)}"


def column_letters(column: int) -> str:
    """`A` for 0, `XFD` for 16383."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
