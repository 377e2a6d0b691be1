"""Records written another way than the rest of their file, and quotes that are not as they should be."""

from __future__ import annotations

import io

import pytest

from backend.readers.base import ReadLimits
from backend.readers.delimited import DelimitedSource, open_delimited
from backend.schemas.imports import ImportOptions

ROWS = [f"{row},name {row},{row}.5,2020-01-{row + 1:02}" for row in range(12)]
OTHER = "The record is written in another way: "
TEXT = "A quote stands inside a quoted cell: "


def opened(text: str, quote: str | None = None) -> DelimitedSource:
    return open_delimited(io.BytesIO(text.encode()), options=ImportOptions(quote=quote), limits=ReadLimits())


def cells(source: DelimitedSource) -> list[list[str | None]]:
    return [list(row) for batch in source.batches() for row in batch.frame.rows()]


def remarks(source: DelimitedSource) -> list[tuple[int | None, str]]:
    return [(item.row, item.message) for item in source.warnings.items]


def read(line: str, header: str = "id,name,price,day") -> tuple[list[str | None], list[tuple[int | None, str]]]:
    """A record in line 7 of a file, and the remarks about the file."""
    source = opened("\n".join([header, *ROWS[:5], line, *ROWS[6:]]) + "\n", quote='"')
    found = cells(source)
    assert found[:5] + found[6:] == [list(row.split(",")) for row in ROWS[:5] + ROWS[6:]]
    return found[5], remarks(source)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("5;a, b;3.5;2020-01-01", None),
        ('5;"a, b";3.5;2020-01-01', "the delimiter of this record is ;"),
        ("5|a|3.5|2020-01-01", "the delimiter of this record is |"),
        ('5 "a b" 3.5 2020-01-01', "the delimiter of this record is a space"),
        ("5,'a, b',3.5,2020-01-01", "the quote of this record is '"),
    ],
)
def test_a_record_written_in_another_way(line: str, message: str | None) -> None:
    record, told = read(line)
    assert len(record) == 4
    assert (record[0], record[2:]) == ("5", ["3.5", "2020-01-01"])
    assert [row for row, _ in told] == [7]
    assert message is None or told == [(7, OTHER + message)]


@pytest.mark.parametrize(("usual", "told"), [(10, []), (9000, [9002])])
def test_backslashes_among_doubled_quotes(usual: int, told: list[int]) -> None:
    lines = ["id,text,v", *['1,"a ""b"", c",2'] * usual, '1,"say \\"b, d\\", c",2', *['1,"a ""b"", c",2'] * 3]
    source = opened("\n".join(lines))
    assert cells(source)[usual] == ["1", 'say "b, d", c', "2"]
    assert remarks(source) == [(row, f"{OTHER}a backslash escapes the quotes of this record") for row in told]


def test_a_decimal_comma_in_a_record_with_semicolons() -> None:
    assert read("5;ab;3,5;2020-01-01")[0] == ["5", "ab", "3,5", "2020-01-01"]


def test_a_header_written_in_another_way() -> None:
    source = opened("\n".join(["id;name;price;day", *ROWS]))
    assert source.names == ["id", "name", "price", "day"]
    assert remarks(source) == [(1, f"{OTHER}the delimiter of this record is ;")]


@pytest.mark.parametrize("line", ['5,"a,b" ,3.5,2020-01-01', '5,"a,b"\t, "3.5",2020-01-01'])
def test_white_space_that_damages_quotes(line: str) -> None:
    assert read(line) == (["5", "a,b", "3.5", "2020-01-01"], [(7, "White space around quotes was left out")])


def test_a_cell_that_begins_with_white_space_is_not_quoted() -> None:
    assert read('5, "ab",3.5,2020-01-01') == (["5", ' "ab"', "3.5", "2020-01-01"], [])


@pytest.mark.parametrize(
    ("line", "cell", "message"),
    [
        ('5,"a"b,3.5,2020-01-01', '"a"b', f"{TEXT}the quote was read as text"),
        ('5,"a, x"b,3.5,2020-01-01', '"a, x"b', f"{TEXT}its quotes were read as text"),
        ('5,""ab, c",3.5,2020-01-01', '"ab, c', f"{TEXT}the cell ends at the first fitting quote of its line"),
        ('5,"a "b, d" c",3.5,2020-01-01', 'a "b, d" c', f"{TEXT}the cell ends at the first fitting quote of its line"),
        ('5,"ab,3.5,2020-01-01', '"ab', "A quote is never closed: the quote was read as text"),
    ],
)
def test_damaged_quotes(line: str, cell: str, message: str) -> None:
    assert read(line) == (["5", cell, "3.5", "2020-01-01"], [(7, message)])


@pytest.mark.parametrize("text", ['"a,b\n1,2\n', 'a,"b\n1,2\n3,4\n'])
def test_a_quote_that_never_closes_in_the_header_is_told(text: str) -> None:
    assert remarks(opened(text)) == [(1, "A quote is never closed: the quote was read as text")]


def test_long_delimiters_and_quotes_take_the_fast_way() -> None:
    source = opened("a||b||c\n" + '1||"x||y"||""\n' * 3 + '2||"p\n""q"||z\n')
    assert cells(source) == [["1", "x||y", ""]] * 3 + [["2", 'p\n"q', "z"]]
