"""Where in a sheet the table stands: titles above it, its header, its columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from backend.errors import Invalid
from backend.readers.headers import clean_names, made_up
from backend.readers.heads import header_span, joined
from backend.readers.table import find_table
from backend.schemas.imports import Warnings
from backend.schemas.kinds import Kind
from backend.sheets.protocol import column_letters
from backend.sheets.raw import MAX_COLUMNS, Area

VALUES = (Kind.NUMBER, Kind.BOOLEAN, Kind.DATE, Kind.DATETIME, Kind.TIME)
LOOK = 200
"""Rows in which the header is looked for."""
Rows = list[tuple[int, dict[int, str | None]]]
"""Rows by number, and the text of each column that has a cell."""
Lead = Sequence[tuple[tuple[int, ...], pl.DataFrame]]
"""The first parts of a sheet: their columns, and frames as `protocol.Part` describes them."""


class SheetLayout(Struct, frozen=True):
    """A recognised table: its sheet columns (from 0) with their names, header row and first record's row (from 1)."""

    columns: tuple[int, ...]
    names: tuple[str, ...]
    header_row: int | None
    first_row: int


def find_sheet_layout(
    lead: Lead, header: bool | int | None, filled_areas: Sequence[Area], warnings: Warnings
) -> SheetLayout:
    """The table in the first rows of a sheet, whose merged areas `filled_areas` have been filled.

    Raises Invalid when the told header row holds nothing.
    """
    rows = _rows(lead, header if type(header) is int else LOOK)
    if not rows and type(header) is not int:
        warnings.add("The sheet holds no cells")
        return SheetLayout((), (), None, 1)
    plain = _unfilled(rows, filled_areas)
    head, first = _header(plain, _typed(lead), header)
    for number, cells in plain[: first if head is None else head]:
        shown = " ".join(cell for cell in cells.values() if cell)
        warnings.add("A row above the table was left out", row=number, value=shown)
    first_row = rows[first][0] if first < len(rows) else rows[-1][0] + 1
    titles = {} if head is None else _titles(rows[head:first], plain[head:first])
    filled = _filled(lead, first_row)
    if head is None:
        if header is None:
            message = "No header was found: the columns are numbered; `header` says where one is"
            warnings.add(message, row=first_row)
        return SheetLayout(tuple(filled), tuple(made_up(position) for position in range(len(filled))), None, first_row)
    columns = tuple(column for column in sorted(titles.keys() | filled) if column <= max(titles, default=-1))
    _report_gaps(columns, warnings)
    row = rows[head][0]
    if first - head > 1:
        warnings.add("The header stands over several rows: their texts were joined", row=row)
    names = clean_names([titles.get(column) for column in columns], warnings, row=row)
    return SheetLayout(columns, tuple(names), row, first_row)


def _titles(rows: Rows, plain: Rows) -> dict[int, str]:
    """The name of each column that a header of one row, or several, gives one; `plain` are its rows unfilled."""
    if len(rows) == 1:
        return {column: text for column, text in rows[0][1].items() if text and text.strip()}
    return {column: name for column, name in enumerate(joined(_padded(plain))) if name}


def _padded(rows: Rows) -> list[list[str | None]]:
    """Rows as lists of one width."""
    width = max(max(cells, default=-1) for _, cells in rows) + 1
    return [[cells.get(column) for column in range(width)] for _, cells in rows]


def _rows(lead: Lead, most: int) -> Rows:
    """The first rows that hold something: their numbers, and the text of each column that has a cell."""
    found: Rows = []
    for columns, frame in lead:
        for row in frame.head(most - len(found)).iter_rows():
            cells = {column: row[1 + 2 * place] for place, column in enumerate(columns) if row[2 + 2 * place]}
            found.append((row[0], cells))
    return found


def _unfilled(rows: Rows, areas: Sequence[Area]) -> Rows:
    """The rows as the file has them: merged areas with their first cell alone."""
    return [(row, _unfilled_row(row - 1, cells, areas)) for row, cells in rows]


def _unfilled_row(row: int, cells: dict[int, str | None], areas: Sequence[Area]) -> dict[int, str | None]:
    covered = bytearray(MAX_COLUMNS)
    for area in areas:
        if area.top <= row <= area.bottom:
            covered[area.left : area.right + 1] = b"\1" * (area.right + 1 - area.left)
    first = {area.left for area in areas if area.top == row}
    return {at: text for at, text in cells.items() if at in first or not covered[at]}


def _typed(lead: Lead) -> list[set[int]]:
    """For each of the first rows that hold something, the columns in which it has a value other than text."""
    found: list[set[int]] = []
    for columns, frame in lead:
        kinds = frame.head(LOOK - len(found)).select(f"k{place}" for place in range(len(columns)))
        found += [{columns[place] for place, kind in enumerate(row) if kind in VALUES} for row in kinds.iter_rows()]
    return found


def _header(rows: Rows, typed: Sequence[set[int]], told: bool | int | None) -> tuple[int | None, int]:
    """Index of the header row, if any, and of the first record."""
    if told is False:
        return None, 0
    if type(told) is int:
        index = next((index for index, (number, _) in enumerate(rows) if number == told), None)
        if index is None:
            raise Invalid(f"Row {told}, told to be the header, holds nothing.")
        return index, index + 1
    head, first = find_table([_listed(cells) for _, cells in rows])
    if (under := _under_notes(rows, typed)) is not None:
        head, first = under, under + 1
    if head is not None and told is None:
        titles = all(len(cells) < 2 for _, cells in rows[: max(head - 1, 0)])
        adjacent = titles and head > 0 and rows[head][0] == rows[head - 1][0] + 1
        top, behind = header_span(_padded(rows), head, adjacent=adjacent)
        twice = any(rows[at][1] == rows[at - 1][1] for at in range(top + 1, behind))
        return (head, head + 1) if twice else (top, behind)
    return (first, first + 1) if told and head is None else (head, first)


def _under_notes(rows: Rows, typed: Sequence[set[int]]) -> int | None:
    """Index of a row of names right above the first values that are no text, below notes that all fill fewer cells."""
    head = next((index for index, columns in enumerate(typed) if columns), 0) - 1
    if head < 2:
        return None
    names = {column: text.strip() for column, text in rows[head][1].items() if text and text.strip()}
    notes = [sum(1 for text in cells.values() if text and text.strip()) for _, cells in rows[:head]]
    below = rows[head + 1 :]
    valued = [
        column
        for column in typed[head + 1]
        if 1.25 * sum(column in columns for columns in typed[head + 1 :]) >= sum(column in cells for _, cells in below)
    ]
    fits = len(set(names.values())) == len(names) > max(notes) and set(valued) <= names.keys()
    return head if fits and len(below) > 1 and valued else None


def _listed(cells: dict[int, str | None]) -> list[str | None]:
    return [cells.get(column) for column in range(max(cells, default=-1) + 1)]


def _filled(lead: Lead, first_row: int) -> list[int]:
    """Columns that hold something from `first_row` on."""
    found = [holding(columns, frame.filter(pl.col("row") >= first_row)) for columns, frame in lead]
    return sorted({column for columns in found for column in columns.values()})


def holding(columns: Sequence[int], records: pl.DataFrame) -> dict[int, int]:
    """Those of a part's columns in which these records have a cell, by their place in the part."""
    if records.is_empty():
        return {}
    highest = records.select(pl.col(f"k{place}").max() for place in range(len(columns))).row(0)
    return {place: columns[place] for place, kind in enumerate(highest) if kind}


def _report_gaps(columns: tuple[int, ...], warnings: Warnings) -> None:
    gaps = [
        (before + 1, after - 1) for before, after in zip((-1, *columns), columns, strict=False) if after > before + 1
    ]
    for first, last in gaps:
        shown = column_letters(first) + ("" if first == last else f":{column_letters(last)}")
        warnings.add("Empty columns were left out", column=shown)
