"""Every kind of dirt of the Pollock benchmark (Vitagliano et al., VLDB 2023), put on a clean table by our own code.

Each polluted file comes with the rows that a perfect reader makes of it, header first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from scripts.benchmarks.pollution_tables import Cell, Row

Rows = list[list[str]]


class Style(Struct, frozen=True):
    """How rows are written; `escape` goes ahead of a quote inside a quoted cell."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    line_end: str = "\r\n"


class Polluted(Struct, frozen=True):
    """A file, what should come of it, and how often its kind occurs in the survey of 3,712 public files."""

    name: str
    kind: str
    weight: float
    data: bytes
    expected: Rows


PLAIN = Style()
_RAGGED_WEIGHT = 0.36775106082036774
_QUOTE_WEIGHT = 7 / 756
_SPACE_WEIGHT = 4 / 84


def polluted(table: Sequence[Row]) -> Iterator[Polluted]:
    """All pollutions of a table: 2,290 when it has 84 rows of 9 cells."""
    yield from of_files(table)
    for row in range(len(table)):
        for column in range(len(table[0])):
            yield more_cells(table, row, column)
            if column:
                yield fewer_cells(table, row, column)
            yield extra_quote(table, row, column)
        yield spaced_row(table, row)


def of_files(table: Sequence[Row]) -> Iterator[Polluted]:
    """The 22 pollutions of whole files, the clean one included."""
    clean, header, records = values(table), values(table[:1])[0], values(table[1:])
    text = written(table)

    def made(name: str, weight: float, content: str, expected: Rows = clean) -> Polluted:
        return Polluted(name, name, weight, content.encode(), expected)

    yield made("clean", 1, text)
    yield made("empty", 15, "", [])
    yield made("no_last_line_end", 184, text.removesuffix("\r\n"))
    yield made("two_last_line_ends", 5, text + "\r\n")
    yield made("no_header", 470, written(table[1:]), records)
    for count in (2, 3):
        joined = [" ".join([name] * count) for name in header]
        yield made(f"header_of_{count}_rows", 47, written([table[0]] * count + [*table[1:]]), [joined, *records])
    above = [[Cell("PREAMBLE"), *[Cell("")] * (len(header) - 1)], [Cell("")] * len(header)]
    yield made("preamble", 282, written([*above, *table]))
    for name, second in (("narrower", _narrower(table)), ("same", table), ("wider", _wider(table))):
        yield made(f"second_table_{name}", 188 / 3, text + written(second[:-1]))
    yield made("header_only", 3, written(table[:1]), clean[:1])
    yield made("one_record", 4, written(table[:2]), clean[:2])
    for name, weight, style in _STYLES:
        yield made(name, weight, written(table, style))


_STYLES = (
    ("line_end_lf", 1691, Style(line_end="\n")),
    ("line_end_cr", 7, Style(line_end="\r")),
    ("delimiter_semicolon", 834, Style(delimiter=";")),
    ("delimiter_tab", 4, Style(delimiter="\t")),
    ("delimiter_comma_space", 101, Style(delimiter=", ")),
    ("delimiter_space", 4, Style(delimiter=" ")),
    ("quote_apostrophe", 11, Style(quote="'", escape="'")),
    ("escape_backslash", 1, Style(escape="\\")),
    ("escape_none", 7, Style(escape="")),
)


def more_cells(table: Sequence[Row], row: int, column: int) -> Polluted:
    """One row with a delimiter too many in front of a cell."""
    changed = [*table[row][:column], Cell(""), *table[row][column:]]
    return _row_level("more_cells", _RAGGED_WEIGHT, table, row, column, line(changed))


def fewer_cells(table: Sequence[Row], row: int, column: int) -> Polluted:
    """One row that lacks the delimiter in front of a cell."""
    left, right = line(table[row][:column]), line(table[row][column:])
    return _row_level("fewer_cells", _RAGGED_WEIGHT, table, row, column, left.removesuffix("\r\n") + right)


def extra_quote(table: Sequence[Row], row: int, column: int) -> Polluted:
    """One cell that begins with a quote that is no quote."""
    cell = table[row][column]
    opening = '"' if cell.quoted else ""
    cells = [written_cell(each, PLAIN) for each in table[row]]
    cells[column] = opening + '"' + cells[column].removeprefix(opening)
    expected = values(table)
    expected[row][column] = '"' + cell.text
    found = _row_level("extra_quote", _QUOTE_WEIGHT, table, row, column, ",".join(cells) + "\r\n")
    return structs.replace(found, expected=expected)


def spaced_row(table: Sequence[Row], row: int) -> Polluted:
    """One row with spaces for delimiters."""
    return _row_level("spaced_row", _SPACE_WEIGHT, table, row, 0, line(table[row], Style(delimiter=" ")))


def _row_level(kind: str, weight: float, table: Sequence[Row], row: int, column: int, changed: str) -> Polluted:
    text = written(table[:row]) + changed + written(table[row + 1 :])
    return Polluted(f"{kind}_{row}_{column}", kind, weight, text.encode(), values(table))


def _narrower(table: Sequence[Row]) -> list[Row]:
    return [row[:-1] for row in table]


def _wider(table: Sequence[Row]) -> list[Row]:
    return [[*row, Cell("col1") if at == 0 else row[-1]] for at, row in enumerate(table)]


def values(table: Sequence[Row]) -> Rows:
    """The texts of the cells."""
    return [[cell.text for cell in row] for row in table]


def written(table: Sequence[Row], style: Style = PLAIN) -> str:
    """A table as text."""
    return "".join(line(row, style) for row in table)


def line(row: Sequence[Cell], style: Style = PLAIN) -> str:
    """A row as text, with its line end."""
    return style.delimiter.join(written_cell(cell, style) for cell in row) + style.line_end


def written_cell(cell: Cell, style: Style) -> str:
    """A cell as text; only cells that stand in quotes have their quotes escaped."""
    if not cell.quoted:
        return cell.text
    return style.quote + cell.text.replace(style.quote, style.escape + style.quote) + style.quote
