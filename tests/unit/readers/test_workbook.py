"""Workbooks as sources: what the parent makes of that which its child says."""

from __future__ import annotations

import io

import pytest
import xlsxwriter
from support.sheets import within
from support.workbooks import ods, opened, records, sheet, styles, xlsx

from backend.errors import Invalid, LimitExceeded
from backend.readers.base import ReadLimits
from backend.schemas.kinds import Kind

__all__ = ["within"]

pytestmark = pytest.mark.usefixtures("within")


def text(address: str, value: str) -> str:
    return f'<c r="{address}" t="str"><v>{value}</v></c>'


def number(address: str, value: object, style: int = 0) -> str:
    return f'<c r="{address}" s="{style}"><v>{value}</v></c>'


def row(at: int, *cells: str) -> str:
    return f'<row r="{at}">{"".join(cells)}</row>'


HEADER = row(1, text("A1", "id"), text("B1", "name"))
PLAIN = sheet(HEADER + row(2, number("A2", 1), text("B2", "ann")) + row(3, number("A3", 2)))


def test_a_plain_sheet() -> None:
    with opened(xlsx({"people": PLAIN, "more": sheet(HEADER), "secret": PLAIN}, hidden=("secret",))) as source:
        assert (source.format, source.sheet, source.header_row) == ("xlsx", "people", 1)
        assert (source.encoding, source.delimiter, source.quote) == (None, None, None)
        assert source.names == ["id", "name"]
        (batch,) = source.batches()
        assert batch.frame.rows() == [("1", "ann"), ("2", None)]
        assert batch.frame.columns == ["0", "1"]
        assert batch.rows.to_list() == [2, 3]
        assert batch.kinds is not None
        assert batch.kinds.rows() == [(Kind.NUMBER, Kind.TEXT), (Kind.NUMBER, Kind.EMPTY)]
        told = [(warning.message, warning.value) for warning in source.warnings.items]
        assert told == [
            ("Other sheets of the workbook were not read", "more"),
            ("Hidden sheets of the workbook were not read", "secret"),
        ]


def test_batches_start_again_from_the_top() -> None:
    with opened(xlsx(PLAIN)) as source:
        first = records(source)
        told = source.warnings.total
        assert records(source) == first == [("1", "ann"), ("2", None)]
        assert source.warnings.total == told


def test_batches_left_early_go_on_elsewhere() -> None:
    rows = "".join(row(at, number(f"A{at}", at)) for at in range(2, 120_000))
    with opened(xlsx(sheet(row(1, text("A1", "id")) + rows))) as source:
        assert next(source.batches()).frame.height < 119_998
        assert [int(value or 0) for (value,) in records(source)] == [*range(2, 120_000)]


@pytest.mark.parametrize("header", [1, 2, True])
def test_a_header_that_is_told(header: bool | int) -> None:
    made = xlsx(sheet(HEADER + row(2, text("A2", "a"), text("B2", "b")) + row(3, text("A3", "c"), text("B3", "d"))))
    with opened(made, header=header) as source:
        assert source.header_row == (2 if header == 2 and header is not True else 1)


def test_no_header() -> None:
    with opened(xlsx(PLAIN), header=False) as source:
        assert (source.names, source.header_row) == (["column_1", "column_2"], None)
        assert records(source) == [("id", "name"), ("1", "ann"), ("2", None)]


def test_a_header_row_that_holds_nothing() -> None:
    for content in (PLAIN, sheet("")):
        with pytest.raises(Invalid, match="Row 7"), opened(xlsx(content), header=7):
            pass


def test_a_header_far_down() -> None:
    rows = "".join(row(at, number(f"A{at}", at)) for at in range(1, 80_000))
    made = xlsx(sheet(rows + row(80_000, text("A80000", "id")) + row(80_001, number("A80001", 5))))
    with opened(made, header=80_000) as source:
        assert source.names == ["id"]
        assert records(source) == [("5",)]


def test_titles_above_the_table_are_left_out_and_told() -> None:
    table = row(4, text("A4", "region"), text("B4", "units"), text("C4", "revenue"))
    table += "".join(
        row(at, text(f"A{at}", f"r{at}"), number(f"B{at}", at), number(f"C{at}", at / 4)) for at in range(5, 9)
    )
    with opened(xlsx(sheet(row(1, text("A1", "Sales 2025")) + table))) as source:
        assert (source.names, source.header_row) == (["region", "units", "revenue"], 4)
        assert len(records(source)) == 4
        assert [(warning.message, warning.row, warning.value) for warning in source.warnings.items][:1] == [
            ("A row above the table was left out", 1, "Sales 2025")
        ]


def test_a_table_that_starts_at_c5() -> None:
    made = sheet(row(5, text("C5", "id"), text("D5", "name")) + row(6, number("C6", 1), text("D6", "ann")))
    with opened(xlsx(made)) as source:
        assert (source.names, source.header_row) == (["id", "name"], 5)
        assert records(source) == [("1", "ann")]
        assert [(warning.message, warning.column) for warning in source.warnings.items] == [
            ("Empty columns were left out", "A:B")
        ]


def test_rows_without_a_value_are_no_records() -> None:
    made = sheet(
        HEADER
        + row(2, number("A2", 1))
        + row(3, '<c r="A3" s="1"/>')
        + row(6, number("A6", 2))
        + row(500, '<c r="B500" s="1"/>')
    )
    with opened(xlsx(made)) as source:
        (batch,) = source.batches()
        assert batch.rows.to_list() == [2, 6]
        assert [(warning.message, warning.row) for warning in source.warnings.items] == [
            ("3 rows without any value were left out", 3),
            ("494 rows without any value behind the last record were left out", 7),
        ]


def test_cells_outside_the_header_make_columns() -> None:
    made = sheet(
        row(1, text("B1", "id"), text("C1", "column_3"))
        + row(2, number("B2", 1))
        + row(3, number("B3", 2), text("E3", "x"))
    )
    with opened(xlsx(made)) as source:
        assert records(source) == [("1", None, None), ("2", None, "x")]
        assert source.names == ["id", "column_3", "column_3_2"]
        assert ("Data!E3", "column_3_2") in [(warning.cell, warning.column) for warning in source.warnings.items]


def test_a_cell_left_of_the_table_met_late() -> None:
    rows = "".join(row(at, number(f"B{at}", at)) for at in range(2, 80_000))
    made = xlsx(sheet(row(1, text("B1", "id")) + rows + row(80_000, text("A80000", "note"), number("B80000", 1))))
    with opened(made) as source:
        assert records(source)[-2:] == [("79999", None), ("1", "note")]
        assert source.names == ["id", "column_2"]


def test_cells_that_cannot_be_taken_are_told_by_their_address() -> None:
    error = '<c r="B2" t="e"><v>#N/A</v></c>'
    formula = '<c r="B3"><f>A1</f></c>'
    made = sheet(HEADER + row(2, number("A2", 1), error) + row(3, number("A3", 2), formula))
    with opened(xlsx({"Länder": made})) as source:
        (batch,) = source.batches()
        assert batch.frame["1"].to_list() == [None, None]
        assert batch.kinds is not None
        assert batch.kinds["1"].to_list() == [Kind.ERROR, Kind.EMPTY]
        told = {(item.cell, item.row, item.column, item.value) for item in source.warnings.items}
        assert told == {("Länder!B2", 2, "name", "#N/A"), ("Länder!B3", 3, "name", None)}


def test_many_problems_are_counted() -> None:
    rows = "".join(row(at, f'<c r="A{at}" t="e"><v>#N/A</v></c>') for at in range(2, 402))
    with opened(xlsx(sheet(row(1, text("A1", "id")) + rows))) as source:
        assert len(records(source)) == 400
        assert source.warnings.total == 400
        assert len(source.warnings.items) == 100


def test_skipped_rows_and_footers() -> None:
    made = sheet(
        row(1, text("A1", "skip"), text("B1", "me"))
        + row(2, text("A2", "id"), text("B2", "name"))
        + "".join(row(at, number(f"A{at}", at), text(f"B{at}", "x")) for at in range(3, 8))
    )
    with opened(xlsx(made), skip_rows=1, skip_footer=2, header=True) as source:
        assert (source.names, source.header_row) == (["id", "name"], 2)
        assert [record[0] for record in records(source)] == ["3", "4", "5"]


def test_an_empty_workbook() -> None:
    with opened(xlsx(sheet(""))) as source:
        assert (source.names, source.header_row, records(source)) == ([], None, [])
        assert [warning.message for warning in source.warnings.items] == ["The sheet holds no cells"]


def test_a_header_alone() -> None:
    with opened(xlsx(sheet(HEADER))) as source:
        assert (source.names, source.header_row, records(source)) == (["id", "name"], 1, [])


def test_all_sheets_are_not_one_table() -> None:
    with pytest.raises(Invalid, match="dataset of each sheet"), opened(xlsx(PLAIN), sheet="*"):
        pass


def test_limits_on_rows_and_columns() -> None:
    with (
        opened(xlsx(PLAIN), limits=ReadLimits(max_rows=1)) as source,
        pytest.raises(LimitExceeded, match="SHEAF_MAX_ROWS, 1"),
    ):
        records(source)
    with (
        opened(xlsx(PLAIN), limits=ReadLimits(max_columns=1)) as source,
        pytest.raises(LimitExceeded, match="SHEAF_MAX_COLUMNS"),
    ):
        records(source)


def test_every_kind_of_cell_of_a_real_writer() -> None:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        page = book.add_worksheet("all")
        page.write_row(0, 0, ["text", "number", "flag", "day", "zip"])
        page.write_row(1, 0, ["007", 0.1, True])
        page.write_number(1, 3, 45688, book.add_format({"num_format": "yyyy-mm-dd"}))
        page.write_number(1, 4, 1069, book.add_format({"num_format": "00000"}))
    with opened(made.getvalue()) as source:
        assert records(source) == [("007", "0.1", "true", "2025-01-31", "01069")]


def test_open_document() -> None:
    cells = "".join(f"<table:table-cell><text:p>{name}</text:p></table:table-cell>" for name in ("id", "name"))
    value = '<table:table-cell office:value-type="float" office:value="1"/>'
    rows = f"<table:table-row>{cells}</table:table-row><table:table-row>{value}</table:table-row>"
    with opened(ods(f'<table:table table:name="a">{rows}</table:table>'), format="ods") as source:
        assert (source.format, source.sheet, source.names) == ("ods", "a", ["id", "name"])
        assert records(source) == [("1", None)]


def test_numbers_and_dates_in_the_header() -> None:
    made = xlsx(
        sheet(row(1, number("A1", 2024), number("B1", "45688", 1)) + row(2, text("A2", "a"), text("B2", "b"))),
        style=styles("yyyy-mm-dd"),
    )
    with opened(made, header=1) as source:
        assert source.names == ["2024", "2025-01-31"]
