"""One delimited file in, names, cells, lines and warnings out."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
import pytest

from backend.errors import AppError, Invalid, LimitExceeded, UnreadableFile
from backend.readers.base import ReadLimits
from backend.readers.delimited import DelimitedSource, open_delimited
from backend.schemas.imports import ImportOptions

Cells = list[list[str | None]]


def opened(data: str | bytes, limits: ReadLimits | None = None, **options: object) -> DelimitedSource:
    content = data.encode() if isinstance(data, str) else data
    told = msgspec.convert(options, ImportOptions)
    return open_delimited(io.BytesIO(content), options=told, limits=limits or ReadLimits())


def cells(source: DelimitedSource) -> Cells:
    width = len(source.names)
    rows = [list(row) for batch in source.batches() for row in batch.frame.rows()]
    return [row + [None] * (max(width, len(source.names)) - len(row)) for row in rows]


def lines(source: DelimitedSource) -> list[int]:
    return [line for batch in source.batches() for line in batch.rows.to_list()]


def remarks(source: DelimitedSource) -> Sequence[tuple[int | None, str]]:
    return [(item.row, item.message) for item in source.warnings.items]


class TestCells:
    def test_null_and_empty_text_are_told_apart(self) -> None:
        assert cells(opened('a,b\n1,\n2,""\n')) == [["1", None], ["2", ""]]

    def test_a_single_column_keeps_quoted_empty_text(self) -> None:
        assert cells(opened('a\nx\n""\n\ny\n')) == [["x"], [""], ["y"]]

    def test_white_space_and_line_breaks_in_cells_stay(self) -> None:
        source = opened('a,b\r\n 1 ,"x\r\ny\rz\nw"\r\n2,\u00a0\r\n')
        assert cells(source) == [[" 1 ", "x\r\ny\rz\nw"], ["2", "\u00a0"]]
        assert lines(source) == [2, 6]

    def test_a_quote_inside_a_bare_cell_is_text(self) -> None:
        assert cells(opened('a,b\n5" pipe,x\n3",y\n')) == [['5" pipe', "x"], ['3"', "y"]]

    def test_text_that_looks_like_a_compressed_file_is_text(self) -> None:
        assert cells(opened("a,b\nx^y,1\nx\x01,2\n", header=True)) == [["x^y", "1"], ["x\x01", "2"]]

    def test_blank_lines_are_no_records(self) -> None:
        source = opened("a,b\n\n1,2\n   \n\n3,4\n")
        assert (cells(source), lines(source)) == ([["1", "2"], ["3", "4"]], [3, 6])

    def test_delimiters_alone_are_a_record_but_not_at_the_end(self) -> None:
        source = opened("a,b\n1,2\n,\n3,4\n,\n,\n")
        assert cells(source) == [["1", "2"], [None, None], ["3", "4"]]
        assert remarks(source) == [(5, "2 empty records at the end were left out")]

    def test_every_kind_of_line_end_ends_a_record(self) -> None:
        source = opened("a,b\n1,2\r\n3,4\r5,6")
        assert (cells(source), lines(source)) == ([["1", "2"], ["3", "4"], ["5", "6"]], [2, 3, 4])

    def test_a_second_pass_gives_the_same_and_reports_nothing_twice(self) -> None:
        source = opened("a,b\n1\n1,2,3\n,\n")
        first = cells(source)
        total = source.warnings.total
        assert cells(source) == first == [["1", None, None], ["1", "2", "3"]]
        assert (total, source.warnings.total) == (3, 3)


class TestRagged:
    def test_short_records_get_nulls_and_long_ones_extra_columns(self) -> None:
        source = opened("a,b\n1\n1,2,3,4\n5,6\n")
        assert cells(source) == [["1", None, None, None], ["1", "2", "3", "4"], ["5", "6", None, None]]
        assert source.names == ["a", "b", "column_3", "column_4"]
        assert remarks(source) == [
            (2, "The record has 1 cells instead of 2: the rest is null"),
            (3, "The record has 4 cells instead of 2: the rest is in extra columns"),
        ]

    def test_all_ragged_records_are_counted(self) -> None:
        source = opened("a,b\n" + "1,2,3\n" * 500)
        cells(source)
        assert (source.warnings.total, len(source.warnings.items)) == (500, 100)


class TestQuotes:
    def test_a_quote_that_never_closes_eats_its_cell_only(self) -> None:
        source = opened('id,name,city\r\n1,ann,Rome\r\n2,"bob,Oslo\r\n3,cyd,Bonn\r\n')
        assert cells(source)[1:] == [["2", '"bob', "Oslo"], ["3", "cyd", "Bonn"]]
        assert remarks(source) == [(3, "A quote is never closed: the quote was read as text")]

    def test_quotes_that_are_not_doubled_stay_in_the_cell(self) -> None:
        source = opened('a,b\n"say "hi" now",1\n"x",2\n')
        assert cells(source) == [['say "hi" now', "1"], ["x", "2"]]

    def test_a_damaged_cell_may_go_on_in_the_next_line(self) -> None:
        source = opened('a,b,c\n1,"x "y"\nz",3\n4,5,6\n')
        assert cells(source) == [["1", 'x "y"\nz', "3"], ["4", "5", "6"]]

    def test_a_damaged_cell_takes_no_sound_record_below_it(self) -> None:
        source = opened('a,b,c\n"x" "y" "z"\n"1","2","3"\n"4","5","6"\n', header=True)
        assert cells(source)[1:] == [["1", "2", "3"], ["4", "5", "6"]]

    def test_backslashes_may_escape(self) -> None:
        source = opened('id,name\n1,"a \\"b\\", c"\n2,"e\\\\f"\n3,x\\y\n')
        assert cells(source) == [["1", 'a "b", c'], ["2", "e\\f"], ["3", "x\\y"]]

    def test_escaped_delimiters_in_bare_cells_when_told(self) -> None:
        assert cells(opened("a,b\nx\\,y,\\\\\n", escape="\\")) == [["x,y", "\\"]]

    def test_a_backslash_at_the_end_of_a_path_is_no_escape(self) -> None:
        assert cells(opened('a,b\n"C:\\dir\\",1\n"D:\\",2\n')) == [["C:\\dir\\", "1"], ["D:\\", "2"]]

    def test_no_quote_when_told(self) -> None:
        assert cells(opened('a,b\n"1,2"\n', quote="")) == [['"1', '2"']]


class TestDialect:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":", " ", "||", "::", "~", "\x1f", "¦", ", "])
    def test_delimiters_are_found(self, delimiter: str) -> None:
        rows = [["id", "name", "day", "size"], *([str(n), "Ann", "2025-01-02", f"{n}.5"] for n in range(9))]
        source = opened("".join(delimiter.join(row) + "\r\n" for row in rows))
        assert (source.delimiter, source.names, cells(source)) == (delimiter, rows[0], rows[1:])

    def test_decimal_commas_do_not_split(self) -> None:
        assert cells(opened("name;preis\na;1,50\nb;2,75\n")) == [["a", "1,50"], ["b", "2,75"]]
        assert cells(opened("price\n1,50\n2,75\n")) == [["1,50"], ["2,75"]]

    def test_times_in_a_single_column_do_not_split(self) -> None:
        assert cells(opened("time\n05:40\n21:30\n")) == [["05:40"], ["21:30"]]

    def test_single_quotes_are_found(self) -> None:
        source = opened("'id','name'\n'1','a, b'\n'2','it''s'\n")
        assert (source.quote, cells(source)) == ("'", [["1", "a, b"], ["2", "it's"]])

    def test_the_first_line_may_say_the_delimiter(self) -> None:
        source = opened("sep=;\r\nid;name\r\n1;a,b\r\n")
        assert (source.names, source.header_row, cells(source)) == (["id", "name"], 2, [["1", "a,b"]])

    def test_tab_separated_text_says_so(self) -> None:
        assert opened("a\tb\n1\t2\n").format == "tsv"


class TestLayout:
    def test_title_lines_are_left_out_and_reported(self) -> None:
        source = opened("Report 2025\nprinted today\n\nregion,units\nnorth,5\nsouth,7\n")
        assert (source.names, source.header_row, lines(source)) == (["region", "units"], 4, [5, 6])
        assert [row for row, _ in remarks(source)] == [1, 2]

    def test_records_of_values_have_no_header(self) -> None:
        source = opened("1,2025-01-01,3.5\n2,2025-01-02,4.5\n")
        assert (source.names, source.header_row) == (["column_1", "column_2", "column_3"], None)
        assert lines(source) == [1, 2]

    def test_the_header_can_be_told(self) -> None:
        assert cells(opened("x,y\n1,2\n", header=False)) == [["x", "y"], ["1", "2"]]
        assert opened("1,2\n3,4\n", header=True).names == ["1", "2"]
        source = opened("a,b\nc,d\n1,2\n", header=2)
        assert (source.names, cells(source), lines(source)) == (["c", "d"], [["1", "2"]], [3])

    def test_lines_can_be_skipped_at_both_ends(self) -> None:
        source = opened("junk\r\na,b\r\n1,2\r\n3,4\r\nTotal,4\r\nend,\r\n", skip_rows=1, skip_footer=2)
        assert (source.names, cells(source), lines(source)) == (["a", "b"], [["1", "2"], ["3", "4"]], [3, 4])

    def test_comment_lines_are_skipped_when_told(self) -> None:
        source = opened("# x\na,b\n#1,2\n3,#4\n", comment="#")
        assert (source.header_row, cells(source), lines(source)) == (2, [["3", "#4"]], [4])

    @pytest.mark.parametrize("text", ["", "\n\n", "  \n", "\ufeff"])
    def test_an_empty_file_has_no_columns(self, text: str) -> None:
        source = opened(text)
        assert (source.names, cells(source), remarks(source)) == ([], [], [(None, "The file is empty")])

    def test_a_header_alone_has_no_rows(self) -> None:
        assert (opened("a,b").names, cells(opened("a,b"))) == (["a", "b"], [])


class TestRefusals:
    def test_a_nul_is_refused_with_its_place(self) -> None:
        with pytest.raises(UnreadableFile, match="Line 3, column b holds a NUL byte") as caught:
            cells(opened("a,b\n1,2\n3,4\0\n"))
        assert (caught.value.errors[0].row, caught.value.errors[0].column) == (3, "b")

    def test_a_nul_in_the_header_is_refused_too(self) -> None:
        with pytest.raises(UnreadableFile, match="Line 2"):
            opened("Title\na,b\0,c\n1,2,3\n4,5,6\n")

    @pytest.mark.parametrize(
        ("data", "limits", "message"),
        [
            ("a,b\n1," + "x" * 3000, ReadLimits(max_line=2000), "Line 2 is longer than SHEAF_MAX_LINE, 2,000 bytes"),
            ("x" * 3000, ReadLimits(max_line=2000), "Line 1 is longer than SHEAF_MAX_LINE"),
            (
                'a,b\n1,"' + "x\n" * 50 + '"\n',
                ReadLimits(max_cell=99),
                "column b is longer than SHEAF_MAX_CELL, 99 ",
            ),
            ("a,b,c,d\n", ReadLimits(max_columns=3), "Line 1 has 4 cells, more than SHEAF_MAX_COLUMNS, 3"),
            ("a,b\n1,2\n1,2,3,4\n", ReadLimits(max_columns=3), "Line 3 has 4 cells, more than SHEAF_MAX_COLUMNS"),
            (
                'a,b\n"1",2\n"1",2,3,4\n',
                ReadLimits(max_columns=3),
                "Line 3 has 4 cells, more than SHEAF_MAX_COLUMNS, 3",
            ),
            ("a\n" + "1\n" * 5, ReadLimits(max_rows=4), "more rows than SHEAF_MAX_ROWS, 4"),
        ],
    )
    def test_limits_are_named(self, data: str, limits: ReadLimits, message: str) -> None:
        with pytest.raises(LimitExceeded, match=message):
            cells(opened(data, limits))

    @pytest.mark.parametrize(
        "options",
        [
            {"delimiter": '"', "quote": '"'},
            {"quote": "\n"},
            {"skip_footer": 200_000},
            {"header": 9},
            {"encoding": "no-such"},
            {"encoding": "idna"},
        ],
    )
    def test_options_that_do_not_fit_are_refused(self, options: dict[str, object]) -> None:
        with pytest.raises(Invalid):
            cells(opened("a,b\n1,2\n", **options))

    def test_damage_deep_in_a_file_is_found(self) -> None:
        text = "id,name\n" + "".join(f"{n},Zoë\n" for n in range(2000))
        with pytest.raises(AppError, match="Line 1502 holds byte 0xFF, which is not utf-8"):
            opened(text.encode().replace(b"1500,Zo", b"1500,\xff"))
