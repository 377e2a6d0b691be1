"""What delimited text is refused for, said so that a person finds the place."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from backend.errors import LimitExceeded, UnreadableFile
from backend.readers.base import ReadLimits
from backend.readers.headers import made_up
from backend.readers.records import Dialect
from backend.readers.scan import Piece
from backend.readers.tolerant import RecordParser
from backend.schemas.problems import ErrorItem


def too_wide(line: int, width: int, limits: ReadLimits) -> LimitExceeded:
    """The error for a record with too many cells."""
    return LimitExceeded(f"Line {line} has {width:,} cells, more than SHEAF_MAX_COLUMNS, {limits.max_columns:,}.")


def zero_byte(window: bytes, dialect: Dialect, names: Sequence[str], line: int) -> UnreadableFile:
    """The error for the first NUL in text whose first line is `line`."""
    records = RecordParser(window.decode(), dialect, width=len(names)).parse()
    for cells, at in zip(records.cells, records.lines, strict=True):
        for position, cell in enumerate(cells):
            if cell and "\0" in cell:
                column = _name(names, position)
                message = f"Line {line + at}, column {column} holds a NUL byte, which cannot be stored."
                item = ErrorItem(message, row=line + at, column=column, code="NUL_BYTE")
                return UnreadableFile(message, errors=[item])
    return UnreadableFile(f"A comment behind line {line} holds a NUL byte")


def refuse_long_line(window: bytes, limits: ReadLimits, line: int) -> None:
    """Go no further when the first line is too long, or the first record so long that some line or cell must be."""
    if len(window) <= limits.max_line:
        return
    reach = limits.max_line + 1
    single = window.find(b"\n", 0, reach) < 0 and window.find(b"\r", 0, reach) < 0
    if single or len(window) > 4 * max(limits.max_line, limits.max_cell):
        raise LimitExceeded(f"Line {line} is longer than SHEAF_MAX_LINE, {limits.max_line:,} bytes.")


def refuse_long_cell(piece: Piece, names: Sequence[str], limits: ReadLimits, line: int) -> None:
    """Raise for the first column with a cell beyond the limit; the piece's lines count from `line`."""
    for position, column in enumerate(piece.frame.iter_columns()):
        lengths = column.str.len_bytes()
        longest = lengths.arg_max()
        if longest is not None and lengths[longest] > limits.max_cell:
            name, at = _name(names, position), line + int(piece.lines[longest])
            message = f"The cell in line {at}, column {name} is longer than SHEAF_MAX_CELL, {limits.max_cell:,} bytes."
            raise LimitExceeded(message, errors=[ErrorItem(message, row=at, column=name, code="MAX_CELL")])


def refuse_long_values(
    frame: pl.DataFrame, names: Sequence[str], rows: pl.Series, limits: ReadLimits, what: str
) -> None:
    """Raise for the first column with a cell beyond the limit; a row is called `what`, and `frame` names positions."""
    if frame.estimated_size() <= limits.max_cell:
        return
    for column in frame.iter_columns():
        lengths = column.str.len_bytes()
        if (longest := lengths.arg_max()) is not None and lengths[longest] > limits.max_cell:
            row, name = int(rows[longest]), names[int(column.name)]
            limit = f"SHEAF_MAX_CELL, {limits.max_cell:,} bytes"
            message = f"The value in {what} {row}, column {name} is longer than {limit}."
            raise LimitExceeded(message, errors=[ErrorItem(message, row=row, column=name, code="MAX_CELL")])


def zero_value(row: int, column: str, what: str) -> UnreadableFile:
    """The error for a value with a NUL; a row is called `what`."""
    message = f"{what.capitalize()} {row}, column {column} holds the character \\u0000, which cannot be stored."
    return UnreadableFile(message, errors=[ErrorItem(message, row=row, column=column, code="NUL_BYTE")])


def _name(names: Sequence[str], position: int) -> str:
    return names[position] if position < len(names) else made_up(position)
