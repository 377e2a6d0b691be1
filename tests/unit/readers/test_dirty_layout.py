"""Tables that do not begin or end where their file does, headers of several rows, and ragged records."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from backend.readers.base import ReadLimits
from backend.readers.delimited import DelimitedSource, open_delimited
from backend.schemas.imports import ImportOptions

Cells = list[list[str | None]]
TABLE = "id,name,day\n" + "".join(f"{number},item {number % 5},2025-01-{number:02}\n" for number in range(1, 13))
"""Twelve records below a header: enough to know what the columns look like."""


def opened(text: str) -> DelimitedSource:
    return open_delimited(io.BytesIO(text.encode()), options=ImportOptions(), limits=ReadLimits())


def cells(source: DelimitedSource) -> Cells:
    return [list(row) for batch in source.batches() for row in batch.frame.rows()]


def remarks(source: DelimitedSource) -> Sequence[tuple[int | None, str, str | None]]:
    return [(item.row, item.message, item.value) for item in source.warnings.items]


def rows(text: str) -> Cells:
    return [line.split(",") for line in text.splitlines()]


class TestAbove:
    @pytest.mark.parametrize(
        ("above", "lines"),
        [
            ("Sales report 2025\nPrinted on 2025-01-31\n\n", [1, 2]),
            ("PREAMBLE,,\n,,\n", [1, 2]),
            ("# made by x, y\n# see z\n", [1, 2]),
            ("Report\nReport\nReport\n", [1, 2, 3]),
        ],
    )
    def test_titles_are_left_out(self, above: str, lines: list[int]) -> None:
        source = opened(above + TABLE)
        assert (source.names, cells(source)) == (["id", "name", "day"], rows(TABLE)[1:])
        assert [row for row, message, _ in remarks(source) if "above the table" in message] == lines

    def test_title_lines_of_as_many_words_as_columns_are_titles(self) -> None:
        source = opened(
            "Sales report 2025\nPrinted on 2025-01-31\n\nregion,units,revenue\nnorth,5,10.50\nsouth,7,3.25\n"
        )
        assert (source.names, source.header_row) == (["region", "units", "revenue"], 4)


class TestHeader:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("2024,,2025,\nunits,revenue,units,revenue\n1,2.50,3,4.50\n5,6.50,7,8.50\n", "2024 units|2024 revenue"),
            ("Sales,,Costs,\nq1,q2,q1,q2\n1,2,3,4\n5,6,7,8\n", "Sales q1|Sales q2|Costs q1|Costs q2"),
            ("date,temp,wind\n,C,m/s\n2024-01-01,3,4\n2024-01-02,5,6\n", "date|temp C|wind m/s"),
            ("a,b\na,b\n1,x\n2,y\n", "a a|b b"),
            ("a,b\na,b\na,b\n1,7\n2,8\n", "a a a|b b b"),
        ],
    )
    def test_a_header_over_several_rows_is_joined(self, text: str, names: str) -> None:
        source = opened(text)
        assert "|".join(source.names).startswith(names)
        assert source.header_row == 1
        assert len(cells(source)) == 2
        assert "their names were joined" in source.warnings.items[0].message

    @pytest.mark.parametrize(
        "text",
        [
            "k,v,w\nfoo,n/a,none\nbar,1,2\nbaz,2,3\n",
            "k,v\nfoo,unsure\nbar,1\nbaz,2\n",
            "name,town\nAnn,Rome\nBob,Oslo\n",
            "Report,2025\nname,town,size\nAnn,Rome,1\nBob,Oslo,2\n",
        ],
    )
    def test_a_record_is_no_second_row_of_a_header(self, text: str) -> None:
        assert not any("joined" in message for _, message, _ in remarks(opened(text)))

    @pytest.mark.parametrize("header", ["name,2024", "id,n", "y,n", "n,size"])
    def test_years_and_letters_can_be_names(self, header: str) -> None:
        values = "Ann,good\nBob,bad\nCyd,fine\n" if "2024" in header else "5,7\n6,8\n7,9\n"
        assert ",".join(opened(f"{header}\n{values}").names) == header

    def test_a_file_without_a_header_says_so(self) -> None:
        source = opened("1,2025-01-01\n2,2025-01-02\n")
        assert (source.names, source.header_row) == (["column_1", "column_2"], None)
        assert remarks(source)[0][:2] == (
            1,
            "No header was found: the columns are numbered; `header` says where one is",
        )

    def test_a_blank_name_too_many_is_left_out(self) -> None:
        source = opened(TABLE.replace("id,name", "id,,name"))
        assert source.names == ["id", "name", "day"]
        assert remarks(source)[0][0] == 1
        few = opened("id,,name\n1,ann\n")
        assert few.names == ["id", "column_2", "name"]


class TestRaggedRecords:
    @pytest.mark.parametrize(
        ("line", "wanted"),
        [
            ("4,,item 4,2025-01-04", ["4", "item 4", "2025-01-04"]),
            (",4,item 4,2025-01-04", ["4", "item 4", "2025-01-04"]),
            ("4,item 4,,2025-01-04", ["4", "item 4", "2025-01-04"]),
            ("4,item 4,2025-01-04,", ["4", "item 4", "2025-01-04"]),
            ("4,2025-01-04", ["4", None, "2025-01-04"]),
            ("item 4,2025-01-04", [None, "item 4", "2025-01-04"]),
            ("4,item 4", ["4", "item 4", None]),
        ],
    )
    def test_cells_go_where_they_fit(self, line: str, wanted: list[str | None]) -> None:
        source = opened(TABLE.replace("4,item 4,2025-01-04", line))
        found = cells(source)
        assert (source.names, len(found), found[3]) == (["id", "name", "day"], 12, wanted)
        assert [row for row, _, _ in remarks(source)] == [5]

    def test_a_value_too_many_goes_to_an_extra_column(self) -> None:
        source = opened(TABLE.replace("4,item 4,2025-01-04", "4,item 4,2025-01-04,late"))
        assert cells(source)[3] == ["4", "item 4", "2025-01-04", "late"]
        assert source.names == ["id", "name", "day", "column_4"]

    def test_few_records_tell_nothing(self) -> None:
        source = opened("id,name,day\n1,ann,2025-01-01\n2,,bob,2025-01-02\n3,cyd,2025-01-03\n")
        assert cells(source)[1] == ["2", None, "bob", "2025-01-02"]

    @pytest.mark.parametrize("line", ["4;item 4;2025-01-04", "4\titem 4\t2025-01-04", "4|item 4|2025-01-04"])
    def test_a_record_may_have_another_delimiter(self, line: str) -> None:
        source = opened(TABLE.replace("4,item 4,2025-01-04", line))
        assert cells(source)[3] == ["4", "item 4", "2025-01-04"]
        assert [row for row, _, _ in remarks(source)] == [5]

    def test_what_is_divided_by_spaces_is_told_apart_by_its_looks(self) -> None:
        source = opened(TABLE.replace("4,item 4,2025-01-04", "4 item 4 2025-01-04"))
        assert cells(source)[3] == ["4", "item 4", "2025-01-04"]


class TestEnd:
    @pytest.mark.parametrize(
        ("below", "lines"),
        [
            ("Source: the office\n", [14]),
            ("\nprinted on Monday\n* provisional\n", [15, 16]),
            ("provisional values\n", [14]),
            ("\nprovisional\n", [15]),
            (",,\nprinted on Monday\nby the office\n", [15, 16]),
            ("\nSource: a, b and c\n", [15]),
        ],
    )
    def test_remarks_below_the_table_are_left_out(self, below: str, lines: list[int]) -> None:
        source = opened(TABLE + below)
        assert cells(source) == rows(TABLE)[1:]
        assert [row for row, message, _ in remarks(source) if "below the table" in message] == lines

    def test_the_last_record_may_be_short_or_a_total(self) -> None:
        assert cells(opened("name,size\nx,3\ny,\nz,\n"))[1:] == [["y", None], ["z", None]]
        assert cells(opened(TABLE + "13\n"))[-1] == ["13", None, None]
        assert cells(opened(TABLE + "Source: the office,,\n"))[-1] == ["Source: the office", None, None]
        assert cells(opened(TABLE + "A17,,\n"))[-1] == ["A17", None, None]
        assert cells(opened(TABLE + "n/a\n"))[-1] == ["n/a", None, None]
        assert cells(opened(TABLE + "\nTotal,12,\n"))[-1] == ["Total", "12", None]

    def test_a_header_that_stands_again_is_left_out(self) -> None:
        source = opened(TABLE + TABLE + "\n" + TABLE)
        assert cells(source) == 3 * rows(TABLE)[1:]
        assert [row for row, _, _ in remarks(source)] == [14, 28]

    def test_in_two_columns_of_words_a_header_may_be_a_record(self) -> None:
        words = "".join(f"{first},{second}\n" for first in "abc" for second in "xyz")
        source = opened("name,value\n" + words + "name,value\nd,w\n")
        assert cells(source)[-2:] == [["name", "value"], ["d", "w"]]

    @pytest.mark.parametrize(
        ("below", "line"),
        [
            ("id,name\n7,seven\n8,eight\n", 14),
            ("id,name,day,hour\n7,seven,2025-01-01,8\n", 14),
            ("\nsku,price,stock,place\nx1,0.10,5,here\n", 15),
            ("sku,price\nx1,0.10\nx2,0.20\nx3,0.30\n", 14),
            ("\nTable 2\n\nsku,price\nx1,0.10\n", 17),
            (",,\nTable 2,,\nsku,price,\nx1,0.10,\nx2,0.20,\n", 16),
        ],
    )
    def test_another_table_is_left_out_and_reported(self, below: str, line: int) -> None:
        source = opened(TABLE + below)
        assert cells(source) == rows(TABLE)[1:]
        found = [(row, message) for row, message, _ in remarks(source) if "table begins" in message]
        assert found == [(line, f"Another table begins here: it was left out; `header={line}` imports it instead")]

    @pytest.mark.parametrize(
        "below",
        ["\n13,item 3,2025-01-13\n", "\n\n13,item 3\n14,item 4\n", "13,item 3\n14,item 4\n15,item 0\n16,item 1\n"],
    )
    def test_blank_lines_and_short_records_begin_no_table(self, below: str) -> None:
        source = opened(TABLE + below)
        assert len(cells(source)) == 12 + len(below.strip().splitlines())

    def test_a_record_of_nulls_and_words_below_begin_no_table(self) -> None:
        source = opened("a,b\nx,1\n,\ny,z\nw,3\n")
        assert cells(source) == [["x", "1"], [None, None], ["y", "z"], ["w", "3"]]
        assert remarks(source) == []
