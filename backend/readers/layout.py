"""Where in a text the table stands: preamble, header, first record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from backend.errors import Invalid
from backend.readers.base import ReadLimits
from backend.readers.dialect import detect_dialect
from backend.readers.headers import clean_names, made_up
from backend.readers.heads import header_span, joined, without_gap
from backend.readers.limits import too_wide, zero_byte
from backend.readers.records import Dialect, Records, TooWideError
from backend.readers.table import Row, find_table
from backend.readers.tolerant import RecordParser
from backend.schemas.imports import ImportOptions, Warnings

_SEP = re.compile(r'"?sep=(\t|[^"\r\n]{1,3})"?\s*(?=[\r\n]|\Z)', re.IGNORECASE)
_LOOK = 500
"""Records that are looked at."""
_ENOUGH = 10
"""Records by which a header is found."""


class Layout(Struct, frozen=True):
    """A recognised table. `data_start`: bytes (UTF-8) before the first record; `data_line`: its line.

    `header`: the cells of the header as they stand; `sample`: the first records.
    """

    dialect: Dialect
    names: tuple[str, ...]
    header_row: int | None
    data_start: int
    data_line: int
    header: Row = ()
    sample: Sequence[Row] = ()


def find_layout(
    sample: str, options: ImportOptions, limits: ReadLimits, warnings: Warnings, *, final: bool, hopeful: bool
) -> Layout | None:
    """The table at the start of a text; None when `sample` ends before that can be said.

    `hopeful`: a larger sample can be had if this one holds only a few records.

    Raises Invalid when a told header line is not there, LimitExceeded for too many columns, UnreadableFile for a NUL.
    """
    start, line, told = _beginning(sample, options)
    if start == len(sample) and not final:
        return None
    text = sample[start:]
    dialect = detect_dialect(
        text, delimiter=told, quote=options.quote, escape=options.escape, comment=options.comment, final=final
    )
    records, width = _records(text, dialect, limits, line, final=final)
    if not final and (not records.cells or (hopeful and len(records.cells) < _ENOUGH)):
        return None
    header, first = _header(records, options, line)
    head = range(first, first)
    if header is not None:
        head = _span(records, header) if options.header is None else range(header, first)
    top, first = head.start, head.stop
    names = _names(records, head, line, warnings, told=options.header is not None)
    _report_preamble(records, top, line, warnings)
    behind = RecordParser(text, dialect, width=width, final=final).parse(most=first)
    _report_damage(records.lines[top:first], behind, line, warnings)
    if "\0" in text[: behind.end]:
        raise zero_byte(text[: behind.end].encode(), dialect, (), line + 1)
    return Layout(
        dialect=dialect,
        names=tuple(names),
        header_row=None if header is None else line + records.lines[top] + 1,
        data_start=len(sample[:start].encode()) + len(text[: behind.end].encode()),
        data_line=line + behind.passed + 1,
        header=records.cells[header] if header is not None else (),
        sample=records.cells[first:],
    )


def _records(text: str, dialect: Dialect, limits: ReadLimits, line: int, *, final: bool) -> tuple[Records, int | None]:
    """The first records, titles and header included, and the width that helped to read those that are damaged."""
    try:
        records = RecordParser(text, dialect, final=final, widest=limits.max_columns).parse(most=_LOOK)
        (width, count), *_ = Counter(map(len, records.cells)).most_common(1) or [(1, 0)]
        if width == 1 or (count == len(records.cells) and not records.notes):
            return records, None
        parser = RecordParser(text, dialect, width=width, final=final, widest=limits.max_columns)
        return parser.parse(most=_LOOK), width
    except TooWideError as error:
        raise too_wide(line + error.line + 1, error.width, limits) from error


def _beginning(sample: str, options: ImportOptions) -> tuple[int, int, str | None]:
    """Where to look for the table: characters and lines before it; and its delimiter, told by caller or first line."""
    skip = options.skip_rows
    delimiter = options.delimiter
    separator = _SEP.match(sample)
    if separator and not skip:
        skip = 1
        delimiter = delimiter or separator[1]
    if type(options.header) is int:
        skip = max(skip, options.header - 1)
    return *_skip_lines(sample, skip), delimiter


def _skip_lines(text: str, count: int) -> tuple[int, int]:
    """Position behind the first `count` physical lines, and how many there are."""
    position = 0
    for number in range(count):
        found = re.compile(r"\r\n|\r|\n").search(text, position)
        if found is None:
            return len(text), number
        position = found.end()
    return position, count


def _header(records: Records, options: ImportOptions, line: int) -> tuple[int | None, int]:
    """Index of the header record, if any, and of the first record of data."""
    if options.header is False:
        return None, 0
    if type(options.header) is int:
        if not records.cells or line + records.lines[0] + 1 != options.header:
            raise Invalid(f"There is no header in line {options.header}.")
        return 0, 1
    header, first = find_table(records.cells)
    if options.header is True and header is None and records.cells:
        return first, first + 1
    return header, first


def _span(records: Records, header: int) -> range:
    """The rows of the header."""
    adjacent = header > 0 and records.lines[header] == records.lines[header - 1] + 1
    return range(*header_span(records.cells, header, adjacent=adjacent))


def _names(records: Records, header: range, line: int, warnings: Warnings, *, told: bool) -> list[str]:
    below = records.cells[header.stop :]
    if header:
        rows, row = [records.cells[index] for index in header], line + records.lines[header[0]] + 1
        if len(rows) > 1:
            last = line + records.lines[header[-1]] + 1
            warnings.add(f"The header stands in lines {row} to {last}: their names were joined", row=row)
        cells = joined(rows) if len(rows) > 1 else rows[0]
        surplus = without_gap(cells, below)
        if surplus:
            warnings.add("The header has more cells than the records: blank ones were left out", row=row)
            cells = [cell for place, cell in enumerate(cells) if place not in surplus]
        return clean_names(cells, warnings, row=row)
    if below and not told:
        row = line + records.lines[header.stop] + 1
        warnings.add("No header was found: the columns are numbered; `header` says where one is", row=row)
    widths = Counter(map(len, below))
    width = max(widths, key=lambda size: (widths[size], size)) if widths else 0
    return [made_up(position) for position in range(width)]


def _report_preamble(records: Records, first: int, line: int, warnings: Warnings) -> None:
    for cells, at in zip(records.cells[:first], records.lines[:first], strict=True):
        shown = " ".join(cell for cell in cells if cell)
        warnings.add("A line above the table was left out", row=line + at + 1, value=shown)


def _report_damage(lines: Sequence[int], behind: Records, line: int, warnings: Warnings) -> None:
    """Warnings for what was repaired in the header, which stands in `lines`."""
    for at, message in behind.notes:
        if at in lines:
            warnings.add(message, row=line + at + 1)
