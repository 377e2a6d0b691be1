"""Delimited text reads the same whatever way and in whatever pieces it is taken."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.readers.base import ReadLimits
from backend.readers.delimited import DelimitedSource, open_delimited
from backend.readers.encoding import Encoding, Utf8Stream
from backend.readers.layout import Layout
from backend.readers.pieces import PIECE, TOLERANT, Cut, pieces
from backend.readers.records import Dialect
from backend.readers.scan import scan
from backend.readers.tolerant import RecordParser
from backend.schemas.imports import ImportOptions, Warnings

Cells = list[list[str | None]]

SIZES = st.sampled_from([(1, 1), (3, 2), (16, 4), (64, 16), (PIECE, TOLERANT)])
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|", " ", "||", "aa", "§"]),
    quote=st.sampled_from(['"', "'", None]),
    escape=st.sampled_from([None, None, "\\"]),
    comment=st.sampled_from([None, None, "#"]),
)


@st.composite
def damaged_texts(draw: st.DrawFn) -> tuple[str, Dialect]:
    """Text that is hardly ever well formed, and the dialect under which it is read."""
    dialect = draw(DIALECTS)
    alphabet = [
        dialect.delimiter,
        dialect.quote or '"',
        "\n",
        "\r",
        "\r\n",
        "a",
        "é",
        "\ufeff",
        " ",
        "\\",
        "#",
        "x^",
        "7",
        "'",
        ";",
        ", ",
        "\t",
    ]
    parts = draw(st.lists(st.sampled_from(alphabet), max_size=60))
    return "".join(parts), dialect


CELL = st.none() | st.text(st.sampled_from("ab,;\t|\"' \r\né\\#\ufeff😀"), max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Cells, Dialect]:
    dialect = draw(DIALECTS.filter(lambda d: d.quote is not None and d.escape is None))
    width = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=12))
    return [row for row in rows if any(cell is not None for cell in row)], dialect


def written(rows: Sequence[Sequence[str | None]], dialect: Dialect, newline: str) -> str:
    """A table as text, quoted where that is needed."""
    quote = dialect.quote or ""
    special = [dialect.delimiter, quote, "\r", "\n", "#", " ", "\t", dialect.delimiter[0]]

    def cell(value: str | None) -> str:
        if value is None:
            return ""
        if not value or any(sign in value for sign in special) or dialect.delimiter[-1] in value:
            return quote + value.replace(quote, quote * 2) + quote
        return value

    return "".join(dialect.delimiter.join(map(cell, row)) + newline for row in rows)


def opened(text: str, dialect: Dialect, width: int, sizes: tuple[int, int]) -> DelimitedSource:
    names = tuple(f"n{index}" for index in range(width))
    layout = Layout(dialect, names, None, 0, 1)
    file = io.BytesIO(text.encode())
    return DelimitedSource(
        file, layout, Encoding("utf-8"), limits=ReadLimits(), warnings=Warnings(1000), piece=sizes[0], tolerant=sizes[1]
    )


def read(source: DelimitedSource) -> tuple[Cells, list[int]]:
    """All records without nulls at their ends, and their lines."""
    cells: Cells = []
    lines: list[int] = []
    for batch in source.batches():
        assert batch.frame.height == len(batch.rows)
        cells += [trimmed(row) for row in batch.frame.rows()]
        lines += batch.rows.to_list()
    return cells, lines


def pieced(
    text: str, dialect: Dialect, width: int, sizes: tuple[int, int]
) -> tuple[Cells, list[int], list[tuple[int, str]]]:
    """All records of a text as they stand, their lines, and what is noted about damaged ones."""
    cut = Cut(dialect, ["n"] * width, ReadLimits(), *sizes)
    found = list(pieces(Utf8Stream(io.BytesIO(text.encode()), Encoding("utf-8")), cut, line=1))
    cells = [trimmed(row) for piece in found for row in piece.frame.rows()]
    return (
        cells,
        [int(line) for piece in found for line in piece.lines],
        [each for piece in found for each in piece.notes],
    )


def told(source: DelimitedSource) -> list[tuple[int, str]]:
    return [(item.row or 0, item.message) for item in source.warnings.items]


def trimmed(row: Sequence[str | None]) -> list[str | None]:
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def without_last_nulls(cells: Cells, lines: list[int]) -> tuple[Cells, list[int]]:
    size = max((index + 1 for index, row in enumerate(cells) if row), default=0)
    return cells[:size], lines[:size]


@given(damaged_texts(), st.integers(1, 4), SIZES)
@settings(max_examples=200, deadline=None)
def test_any_text_reads_as_the_tolerant_parser_says(
    given_text: tuple[str, Dialect], width: int, sizes: tuple[int, int]
) -> None:
    text, dialect = given_text
    ended = text if text.endswith(("\n", "\r")) or not text else text + "\n"
    records = RecordParser(ended, dialect, width=width).parse()
    expected = without_last_nulls([trimmed(row) for row in records.cells], [line + 1 for line in records.lines])
    cells, lines, notes = pieced(text, dialect, width, sizes)
    assert without_last_nulls(cells, lines) == expected
    assert notes == [(line + 1, message) for line, message in records.notes]


@given(damaged_texts(), st.integers(1, 4), SIZES)
@settings(max_examples=200, deadline=None)
def test_the_sizes_of_pieces_change_nothing(
    given_text: tuple[str, Dialect], width: int, sizes: tuple[int, int]
) -> None:
    text, dialect = given_text
    source, whole = (opened(text, dialect, width, each) for each in (sizes, (PIECE, TOLERANT)))
    assert read(source) == read(whole)
    assert source.names == whole.names
    assert sorted(told(source)) == sorted(told(whole))


@given(damaged_texts(), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_the_fast_way_agrees_with_the_tolerant_one(given_text: tuple[str, Dialect], width: int) -> None:
    text, dialect = given_text
    data = (text + "\n").encode()
    piece = scan(data, dialect, width=width, widest=1000)
    if piece is None:
        return
    taken = data[: piece.used].decode()
    records = RecordParser(taken, dialect, width=width).parse()
    assert [trimmed(row) for row in piece.frame.rows()] == [trimmed(row) for row in records.cells]
    assert piece.widths.tolist() == [len(row) for row in records.cells]
    assert piece.lines.tolist() == records.lines
    assert (piece.passed, records.notes) == (records.passed, [])


@given(tables(), st.sampled_from(["\n", "\r\n", "\r"]), SIZES)
@settings(max_examples=150, deadline=None)
def test_a_well_formed_table_comes_back(table: tuple[Cells, Dialect], newline: str, sizes: tuple[int, int]) -> None:
    rows, dialect = table
    width = max(map(len, rows), default=1)
    cells, _ = read(opened(written(rows, dialect, newline), dialect, width, sizes))
    assert cells == [trimmed(row) for row in rows]


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,"\n é'), min_size=1), min_size=2, max_size=4), max_size=8),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=100, deadline=None)
def test_it_reads_what_the_csv_module_writes(rows: list[list[str]], quoting: int, newline: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=newline).writerows(rows)
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
    cells, _ = read(opened(text.getvalue(), Dialect(), 3, (16, 4)))
    assert cells == expected


@given(tables(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be", "cp1252"]))
@settings(max_examples=75, deadline=None)
def test_a_told_dialect_and_encoding_are_kept(table: tuple[Cells, Dialect], encoding: str) -> None:
    rows, dialect = table
    if not rows:
        return
    names: list[str | None] = [f"name {index}" for index in range(len(rows[0]))]
    text = written([names, *rows], dialect, "\r\n").replace("😀", "").replace("\ufeff", "")
    options = ImportOptions(
        encoding=encoding, delimiter=dialect.delimiter, quote=dialect.quote, comment=dialect.comment, header=1
    )
    source = open_delimited(io.BytesIO(text.encode(encoding)), options=options, limits=ReadLimits())
    assert source.names == names
    told = msgspec.structs.replace(dialect, comment=None)
    expected = [trimmed(row) for row in RecordParser(text, told, width=len(names)).parse().cells][1:]
    assert read(source) == without_last_nulls(expected, read(source)[1])
